"""A user's own questions and judged passages as a row: a folder in BEIR's layout, a table, or rows of pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.data.judged_readers import beir_files, has_beir_part
from utils.data.labeled_tables import languages_in
from utils.data.own_data import check_columns, named_row, own_path, own_row
from utils.data.own_folders import folders_below, note_left_out
from utils.data.tables import read_table
from utils.errors import UserError
from utils.evaluation.pair_measures import TOP
from utils.files import sha256_of
from utils.schema import DatasetSpec

ROLES = ("query", "passage", "score", "lang")
WHOLE = "all"  # the name of the one subset of data without languages
PAIR_ROWS = "judged_pairs"  # the reader of rows with the columns query, pos and neg


def find_judged(
    name: str, columns: Sequence[str] | None = None, *, no_header: bool = False, split: str | None = None
) -> DatasetSpec:
    """Return the row of a registered data set of judged passages, or one made for the folder or table of this path.

    columns: those of the question, the passage, the grade and the language of a table. no_header: its first line is
    data. split: whose judgements are read of a folder, None for the usual one. Raises UserError where there is no such
    data set, or it has another layout.
    """
    path = own_path(name, "retrieval", columns, no_header=no_header)
    if split and (path is None or not path.is_dir()):
        raise UserError(f"--split {split} with {name}", "it chooses among the qrels of your own folder: leave it out")
    if path is None:
        return named_row(name, "retrieval")
    if path.is_dir():
        if columns or no_header:
            raise UserError(f"--{'columns' if columns else 'no_header'} with the folder {name}", "it is for tables")
        return _of_folder(path, split)
    table = read_table(path, header=not no_header)
    if {"query", "pos"} <= set(table) and not columns:
        options: dict[str, Any] = {"path": str(path), "usual_pool": "same", "ks": TOP}
        return own_row(path, sha256_of(path), "retrieval", PAIR_ROWS, (WHOLE,), None, options, {})
    usual = {role: role for role in ROLES if role in table}
    given = list(table)[: len(ROLES)] if no_header and columns is None else columns
    chosen = usual if given is None else dict(zip(ROLES, given, strict=False))
    if not {"query", "passage"} <= set(chosen) or len(given or ()) > len(ROLES):
        raise UserError(
            f"{path} has the columns {', '.join(table)}, but no columns query and passage",
            "name them: --columns QUERY PASSAGE [SCORE [LANG]]; add --no_header if the first line is data",
        )
    check_columns(path, list(chosen.values()), table)
    langs = languages_in(table, chosen["lang"], str(path)) if "lang" in chosen else (WHOLE,)
    options = {"path": str(path), "usual_pool": "same", **chosen, "header": not no_header}
    reading = {"columns": chosen} if chosen != usual else {}
    return own_row(path, sha256_of(path), "retrieval", "judged_table", langs, None, options, reading)


def _of_folder(path: Path, split: str | None) -> DatasetSpec:
    """Return the row of a folder in BEIR's layout, or of one with such a folder for each language.

    A folder that has a part of the layout is a language; one that has none is noted. Raises UserError where a part of a
    language is missing.
    """
    below = [] if has_beir_part(path) else folders_below(path)
    named_by_lang = {folder.name: folder for folder in below if has_beir_part(folder)}
    if others := [folder.name for folder in below if folder.name not in named_by_lang] if named_by_lang else []:
        note_left_out(path, others, "without corpus, queries and qrels")
    folders = named_by_lang or {WHOLE: path}
    found = [beir_files(folder, split) for folder in folders.values()]
    is_usual = split is None or found == [beir_files(folder) for folder in folders.values()]
    digest = hashlib.sha256("".join(sha256_of(file) for files in found for file in files.values()).encode()).hexdigest()
    options = {"folders": {name: str(folder) for name, folder in folders.items()}, "usual_pool": "same"}
    reading = {} if is_usual else {"split": split}
    return own_row(path, digest, "retrieval", "beir_folders", tuple(folders), None, {**options, **reading}, reading)
