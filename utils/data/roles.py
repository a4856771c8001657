"""Which columns of a table of labelled texts are the text, the label, the language and the split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from utils.data.labeled_tables import SPLIT_NAMES
from utils.data.tables import Table
from utils.errors import UserError, note

ROLES = ("text", "label", "lang", "split")
NAMES = {"text": ("text",), "label": ("label",), "lang": ("lang", "language"), "split": ("split", "set")}


def roles_of(path: Path, table: Table, columns: Sequence[str] | None, *, no_header: bool = False) -> dict[str, str]:
    """Return the column of each role that a table has: those of `columns`, and others by their names.

    columns: those of text, label, language and split, as far as they are named; None to find all by name. A table
    without a header has them in this order. Raises UserError where their number does not fit.
    """
    found = {role: name for role in ROLES if (name := named_column(table, role)) is not None}
    if "split" not in found and len(columns or ()) < len(ROLES):
        _tell_no_split(path, table)
    if columns is None and not no_header:
        _tell(path, {role: name for role, name in found.items() if role != name})
        return found
    given = list(table) if columns is None else list(columns)
    if not 2 <= len(given) <= len(ROLES):
        what = f"{path} has {len(given)} columns" if columns is None else f"--columns names {len(given)} columns"
        raise UserError(what, "name two to four: --columns TEXT LABEL [LANG [SPLIT]]")
    chosen = dict(zip(ROLES, given, strict=False))
    others = {role: name for role, name in found.items() if role not in chosen and name not in chosen.values()}
    _tell(path, others)
    return chosen | others


def named_column(table: Table, role: str) -> str | None:
    """Return the column that has a role by its name, in whatever case; `set` is the split if its values are splits."""
    if role in table:
        return role
    for name in NAMES[role]:
        for column in table:
            if column.strip().lower() == name and (name != "set" or _has_splits(table[column])):
                return column
    return None


def _has_splits(values: Sequence[object]) -> bool:
    return not _no_splits(values)


def _no_splits(values: Sequence[object]) -> list[object]:
    return [value for value in values if str(value).strip().lower() not in SPLIT_NAMES]


def _tell_no_split(path: Path, table: Table) -> None:
    """Say that a column called `set` is not taken for the split, with a value that is none."""
    for column in (column for column in table if column.strip().lower() == "set"):
        value = _no_splits(table[column])[0]
        note(f"{path}: the column {column!r} is not read as the split, since {value!r} is no name of a split")


def _tell(path: Path, found: Mapping[str, str]) -> None:
    """Say which columns are used that are neither named by --columns nor by the usual names."""
    words = {"text": "text", "label": "label", "lang": "language", "split": "split"}
    if found:
        told = " and ".join(f"the column {name!r} is the {words[role]}" for role, name in found.items())
        note(f"{path}: {told}")
