"""A user's own pairs of sentences with judged similarity as a row: a table, or a folder with one for each language."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.data.labeled_tables import languages_in
from utils.data.own_data import check_columns, named_row, own_path, own_row
from utils.data.own_folders import HIDDEN, is_beside, note_left_out
from utils.data.tables import ENDINGS, ending_of, read_table
from utils.data.text_files import inner_name
from utils.errors import UserError
from utils.files import sha256_of
from utils.schema import DatasetSpec

ROLES = ("sentence1", "sentence2", "score", "lang")
WHOLE = "all"  # the name of the one subset of a table without languages
PAIR = re.compile(r"([a-z]{2,3})[-_]([a-z]{2,3})")  # the name of two languages, such as en-de; not zh-CN or srp_Latn


def find_sts(name: str, columns: Sequence[str] | None = None, *, no_header: bool = False) -> DatasetSpec:
    """Return the row of a registered data set of sentence pairs, or one made for the table or folder of this path.

    columns: those of both sentences, the score and the language of a table. no_header: its first line is data. Raises
    UserError where there is no such data set, or it has another layout.
    """
    path = own_path(name, "sts", columns, no_header=no_header)
    if path is None:
        return named_row(name, "sts")
    if path.is_dir():
        return _of_folder(path, columns, no_header=no_header)
    chosen, reading = _columns(path, columns, no_header=no_header)
    if "lang" in chosen:
        values = languages_in(read_table(path, header=not no_header), chosen["lang"], str(path))
        subsets = tuple(dict.fromkeys(map(subset_name, values)))
    else:
        subsets = (WHOLE,)
    return _row(path, sha256_of(path), dict.fromkeys(subsets, path), chosen, reading, no_header=no_header)


def subset_name(name: str) -> str:
    """Return the name of the subset of a language, or of two: `en_de` for `en-de`."""
    return "_".join(langs_of(name))


def langs_of(name: str) -> tuple[str, ...]:
    """Return the languages that a name stands for: one, or the two of a pair."""
    pair = PAIR.fullmatch(name)
    return pair.groups() if pair else (name,)


def _columns(path: Path, columns: Sequence[str] | None, *, no_header: bool) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the column of each role of a table, and what is read of it beside the usual."""
    table = read_table(path, header=not no_header)
    usual = {role: role for role in ROLES if role in table}
    given = list(table)[: len(ROLES)] if no_header and columns is None else columns
    chosen = usual if given is None else dict(zip(ROLES, given, strict=False))
    if not set(ROLES[:3]) <= set(chosen) or len(given or ()) > len(ROLES):
        raise UserError(
            f"{path} has the columns {', '.join(table)}, but no columns sentence1, sentence2 and score",
            "name them: --columns SENTENCE1 SENTENCE2 SCORE [LANG]; add --no_header if the first line is data",
        )
    check_columns(path, list(chosen.values()), table)
    return chosen, {"columns": chosen} if chosen != usual else {}


def _of_folder(path: Path, columns: Sequence[str] | None, *, no_header: bool) -> DatasetSpec:
    """Return the row of a folder with a table, or a folder with a table, for each language or pair of languages."""
    tables: dict[str, Path] = {}
    others: list[str] = []
    for entry in (entry for entry in sorted(path.iterdir()) if not is_beside(entry)):
        file = _table_in(entry) if entry.is_dir() else entry
        if file is None or ending_of(file) not in ENDINGS:
            others += [] if entry.name.startswith(HIDDEN) else [entry.name]
            continue
        name = subset_name(entry.name if entry.is_dir() else Path(inner_name(entry)).stem)
        if name in tables:
            what = f"{tables[name].relative_to(path)} and {file.relative_to(path)} are both of {name}"
            raise UserError(f"the folder {path}: {what}", "remove one of the two")
        tables[name] = file
    if not tables:
        hint = f"it needs a table for each language, such as en.tsv or en-de.tsv ({', '.join(ENDINGS)})"
        raise UserError(f"the folder {path} has no tables", hint)
    note_left_out(path, others, "without a table")
    found = [_columns(file, columns, no_header=no_header) for file in tables.values()]
    for file, (chosen, _) in zip(tables.values(), found, strict=True):
        if chosen != found[0][0]:
            what = f"{file.relative_to(path)} has other columns than {next(iter(tables.values())).relative_to(path)}"
            raise UserError(f"the folder {path}: {what}", "give all tables the same columns")
    chosen, reading = {role: name for role, name in found[0][0].items() if role != "lang"}, found[0][1]
    digest = hashlib.sha256("".join(map(sha256_of, tables.values())).encode()).hexdigest()
    return _row(path, digest, tables, chosen, reading, no_header=no_header)


def _table_in(folder: Path) -> Path | None:
    """Return the table of a language's folder: that of the test split, or the only one; None where there is none.

    Raises UserError for several tables of which none is that of the test split.
    """
    files = [file for file in sorted(folder.iterdir()) if ending_of(file) in ENDINGS and not is_beside(file)]
    tests = [file for file in files if re.match(r"test\b", file.name)]
    if len(files) > 1 and not tests:
        names = ", ".join(file.name for file in files)
        raise UserError(f"the folder {folder} has several tables, and none called test: {names}", "name one test.tsv")
    return next(iter(tests or files), None)


def _row(
    path: Path,
    digest: str,
    tables: Mapping[str, Path],
    columns: Mapping[str, str],
    reading: dict[str, Any],
    *,
    no_header: bool,
) -> DatasetSpec:
    langs = [langs_of(name) for name in tables]
    options: dict[str, Any] = {"tables": {name: str(file) for name, file in tables.items()}, "columns": dict(columns)}
    options |= {"header": not no_header, **({"pairs": tuple(langs)} if any(len(one) > 1 for one in langs) else {})}
    return own_row(path, digest, "sts", "sentence_pair_tables", tuple(tables), None, options, reading)
