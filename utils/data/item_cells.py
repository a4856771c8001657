"""The cells of a row from which an item is made: its fields, its options and its answer; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from utils.constants import LETTERS
from utils.data.tables import Table, is_blank

Row = Mapping[str, Any]


def value_at(row: Row, column: str) -> Any:
    """Return the value of a column; `a.b` is the member b of the column a, unless a column has this name."""
    if column in row:
        return row[column]
    value: Any = row
    for name in column.split("."):
        value = value[name]
    return value


def cells_of(table: Table, column: str) -> list[Any]:
    """Return the values of a column, or of a member of it (n,); None where a row lacks the member."""
    if column in table:
        return table[column]
    head, _, member = column.partition(".")
    return [_member(value, member) for value in table[head]]


def _member(value: Any, name: str) -> Any:
    try:
        return value_at(value, name)
    except (KeyError, TypeError):
        return None


def columns_of(options: Mapping[str, Any]) -> list[str]:
    """Return the columns that items are read from, by the options of their data set; of a member its column."""
    named = [*named_columns(options), *(options[name] for name in ("held_out_by",) if name in options)]
    return list(dict.fromkeys(name.split(".")[0] for name in named))


def named_columns(options: Mapping[str, Any]) -> list[str]:
    """Return the columns of the fields, the answer, the options and the id, as the options of a data set name them."""
    choices = options.get("choices", ())
    named = [*options["fields"].values(), options["answer"], *([choices] if isinstance(choices, str) else choices)]
    return [*named, *([options["id"]] if "id" in options else [])]


def choices_of(row: Row, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the choices of a row: of one column that has a list of them, or of a column each."""
    columns = options.get("choices", ())
    listed = isinstance(columns, str)
    values = value_at(row, columns) or () if listed else [value_at(row, column) for column in columns]
    return tuple("" if is_blank(value) else str(value) for value in values)


def references_of(answer: Any) -> list[str]:
    """Return the texts of a written answer, which may be a list of them."""
    return [str(each) for each in answer if not is_blank(each)] if isinstance(answer, list) else [str(answer)]


def lacks_a_text(row: Row, options: Mapping[str, Any]) -> bool:
    """Return whether a field, a choice or the answer of a row is blank."""
    values = [value_at(row, column) for column in (*options["fields"].values(), options["answer"])]
    return any(is_empty(value) for value in (*values, *choices_of(row, options)))


def is_empty(value: Any) -> bool:
    """Return whether a cell has nothing, or is a list of such cells."""
    return all(map(is_blank, value)) if isinstance(value, list) else is_blank(value)


def place_of(answer: Any, choices: Sequence[str], first: int) -> str | None:
    """Return the position of an option, from `1`, by its text, its letter or its number; None for what is none.

    first: the number of the first option.
    """
    text = str(answer).strip()
    if text in choices:
        return str(choices.index(text) + 1)
    letter = LETTERS.find(text.upper()) if len(text) == 1 else -1
    found = int(text) - first if text.isdigit() else letter
    return str(found + 1) if 0 <= found < len(choices) else None
