"""A user's own pairs as a registry row: a table with a column for each language, or a folder of aligned files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.data.aligned_files import aligned_folder
from utils.data.headers import check_names
from utils.data.own_data import check_columns, named_row, own_path, own_row
from utils.data.tables import DELIMITED, ending_of, read_table
from utils.errors import UserError, counted
from utils.files import sha256_of
from utils.schema import DatasetSpec


def find_bitext(
    name: str,
    columns: Sequence[str] | None,
    src_lang: str | None,
    langs: Sequence[str] | None,
    *,
    no_header: bool = False,
    strict: bool = False,
) -> DatasetSpec:
    """Return the row of a registered data set of pairs, or one made for the file or folder of this path.

    columns: the source and the target column of a table. no_header: a table's first line is data, and its columns are
    called 1, 2 and so on. strict: blank texts are errors. Raises UserError where there is no such data set, or its
    columns or files do not tell the languages.
    """
    path = own_path(name, "bitext", columns, no_header=no_header)
    if path is None:
        return named_row(name, "bitext")
    if path.is_dir():
        if columns or no_header:
            raise UserError(
                f"--{'columns' if columns else 'no_header'} with the folder {name}", "files of lines have no columns"
            )
        digest, reader, pivot, options = aligned_folder(path, src_lang, langs)
        reading: dict[str, Any] = {}
        languages = list(options["paths"])
    else:
        digest, reader = sha256_of(path), "parallel_file"
        chosen, names = _pair_columns(path, columns, src_lang, langs, no_header=no_header)
        pairs, pivot = tuple((names[0], target) for target in names[1:]), names[0]
        by_lang = dict(zip(names, chosen, strict=True))
        options = {"path": str(path), "columns": by_lang, "pairs": pairs}
        reading = {"columns": by_lang} if columns and chosen != names else {}
        languages = names if columns else [*names, *read_table(path, header=not no_header)]
    _check_pair_names(path, options["pairs"], languages)
    subsets = tuple("_".join(pair) for pair in options["pairs"])
    options |= {"header": not no_header, "strict": strict}
    return own_row(path, digest, "bitext", reader, subsets, pivot, options, reading)


def _pair_columns(
    path: Path, columns: Sequence[str] | None, src_lang: str | None, langs: Sequence[str] | None, *, no_header: bool
) -> tuple[list[str], list[str]]:
    """Return the columns of a table that are read, the source's first, and the languages that they are in."""
    header = list(read_table(path, header=not no_header))
    chosen, names = _chosen_pair(path, header, columns, src_lang, langs)
    check_columns(path, chosen, header)
    if len(set(names)) != len(names):
        raise UserError(f"source and target are both {names[0]!r}", "name two different columns and languages")
    if columns is None and not no_header and len(header) == 2 and ending_of(path) in DELIMITED:
        check_names(path, chosen)
    return chosen, names


def _chosen_pair(
    path: Path, header: list[str], columns: Sequence[str] | None, src_lang: str | None, langs: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    if columns:
        if len(columns) != 2:
            raise UserError(f"--columns names {len(columns)} columns", "name the source column and the target column")
        if langs and len(langs) > 1:
            raise UserError(
                "--columns names one pair, but --langs several languages",
                "name one target language, or leave --langs out",
            )
        return list(columns), [src_lang or columns[0], langs[0] if langs else columns[1]]
    asked = [lang for lang in (src_lang, *(langs or ())) if lang]
    if len(header) == 2 and len(asked) <= 2 and (len(asked) < 2 or not set(asked) & set(header)):
        first, second = header
        if src_lang == second or (langs and langs[0] == first):
            first, second = second, first
        return [first, second], [src_lang or first, langs[0] if langs else second]
    if src_lang and langs:
        names = [src_lang, *(lang for lang in langs if lang != src_lang)]
        return names, names
    raise UserError(
        f"{path} has {counted(len(header), 'column')}: {', '.join(header)}",
        "name the pair: --columns SRC TGT, or --src_lang SRC --langs TGT [TGT ...] for columns named by language; add "
        "--no_header if this line is data",
    )


def _check_pair_names(path: Path, pairs: Sequence[tuple[str, str]], languages: Sequence[str]) -> None:
    """Raise UserError for a pair whose joined name is that of another pair of the languages, in any command."""
    for source, target in pairs:
        name = f"{source}_{target}"
        for place in (match.start() for match in re.finditer("_", name)):
            other = name[:place], name[place + 1 :]
            if other != (source, target) and set(other) <= set(languages):
                raise UserError(
                    f"{path}: the pair of {source!r} and {target!r} and that of {other[0]!r} and {other[1]!r} "
                    f"have the same name, {name}",
                    "rename one of these languages, which are the names of "
                    + ("the files" if path.is_dir() else "the columns"),
                )
