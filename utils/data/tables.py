"""Tables of texts in files: TSV, CSV, JSON lines and Parquet, compressed or not."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from utils.data.delimited import read_delimited
from utils.data.parquet_files import parquet_errors
from utils.data.text_files import UNPACK, inner_name, read_content, read_lines, read_text, zipped_names
from utils.errors import UserError, counted, first_line, note

csv.field_size_limit(1 << 30)  # the default of 128 KiB is less than a long document
DELIMITED = {".tsv": "\t", ".csv": ","}
ENDINGS = (*DELIMITED, ".jsonl", ".parquet")
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Table(Mapping[str, list[Any]]):
    """The columns of a table by name; `lines` has the line of the file where each row starts, None for Parquet."""

    columns: Mapping[str, list[Any]]
    lines: list[int] | None

    def __getitem__(self, name: str) -> list[Any]:
        """Return a column."""
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the columns."""
        return iter(self.columns)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self.columns)

    def place(self, row: int) -> str:
        """Return where a row, counted from 0, stands in the file."""
        return f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"


def ending_of(path: Path) -> str:
    """Return the ending that names the format of a table, without that of its compression; it may be within a zip."""
    ending = Path(inner_name(path)).suffix.lower()
    if ending in ENDINGS or path.suffix.lower() != ".zip":
        return ending
    try:
        return next((Path(name).suffix.lower() for name in zipped_names(path)), ending)
    except Exception:  # there is no such file, or it is broken: whoever reads it says so
        return ending


@lru_cache(maxsize=2)
def read_table(path: Path, *, header: bool = True) -> Table:
    """Return a table; the file's ending (tsv, csv, jsonl, parquet; then gz, xz, zst, bz2, zip) names its format.

    header: whether the first line of a TSV or CSV file names the columns; without it they are called 1, 2 and so on.
    Columns without a name are left out, which is noted where they have values. Raises UserError for another ending, a
    file that is not of its format, or a row of the wrong length.
    """
    table = _read(path, header=header)
    named = {name: values for name, values in table.columns.items() if name.strip()}
    without = [values for name, values in table.columns.items() if name not in named]
    if any(not is_blank(value) for values in without for value in values):
        note(f"{path}: {counted(len(without), 'column')} without a name left out")
    return Table(named, table.lines)


def _read(path: Path, *, header: bool) -> Table:
    kind = ending_of(path)
    if kind not in ENDINGS:
        if path.suffix.lower() == ".zip":
            read_content(path)  # says why the archive has no table
        raise UserError(
            f"{path} has {f'the ending {kind}' if kind else 'no ending'}, which is no known format",
            f"use {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}, also compressed ({', '.join(UNPACK)})",
        )
    if kind in DELIMITED:
        names, rows = read_delimited(path, DELIMITED[kind], header=header)
        columns = {name: [fields[index] for _, fields in rows] for index, name in enumerate(names)}
        return Table(columns, [line for line, _ in rows])
    if not header:
        raise UserError(f"--no_header with {path}", "only .tsv and .csv files can be without names of columns")
    return _parse_json_lines(path) if kind == ".jsonl" else _parse_parquet(path)


def _parse_parquet(path: Path) -> Table:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    with parquet_errors(path), ParquetFile(pa.BufferReader(read_content(path))) as file:
        return Table({str(name): values for name, values in file.read().to_pydict().items()}, None)


def _parse_json_lines(path: Path) -> Table:
    rows: dict[int, dict[str, Any]] = {}
    replaced = 0
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            row, count = _whole_characters(_parse_line(line, f"{path}: line {number}"))
            rows[number], replaced = row, replaced + count
    if not rows:
        raise UserError(f"{path} is empty", 'write one {"column": "text", ...} per line')
    if replaced:
        note(f"{path}: halves of surrogate pairs, which are no characters, are read as U+FFFD ({replaced})")
    names = dict.fromkeys(name for row in rows.values() for name in row)
    return Table({name: [row.get(name) for row in rows.values()] for name in names}, list(rows))


def _parse_line(line: str, place: str) -> dict[str, Any]:
    """Return the object of a line; raises UserError, with its place, where there is none."""
    hint = 'write one {"column": "text", ...} per line'
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{place} is not JSON: {error.msg} (column {error.colno})", hint) from error
    except (ValueError, RecursionError) as error:  # a number of too many digits, or lists in lists in lists
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else first_line(error)
        raise UserError(f"{place} cannot be read: {reason}", hint) from error
    if not isinstance(row, dict):
        raise UserError(f"{place} is not a JSON object", hint)
    return row


def _whole_characters(row: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Return a row with each half of a surrogate pair replaced by U+FFFD, and their number."""
    count = 0

    def mend(value: Any) -> Any:
        nonlocal count
        if isinstance(value, str) and SURROGATE.search(value):
            value, found = SURROGATE.subn("\ufffd", value)
            count += found
        if isinstance(value, dict):
            return {mend(name): mend(one) for name, one in value.items()}
        return [mend(one) for one in value] if isinstance(value, list) else value

    return {mend(name): mend(value) for name, value in row.items()}, count


def is_blank(value: Any) -> bool:
    """Return whether a cell has nothing: no value, a blank text, or the NaN that stands for a missing number."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value != value


@lru_cache(maxsize=16)
def tsv_rows(path: Path, *, quoted: bool) -> list[list[str]]:
    """Return the rows of a registered tab-separated file, quoted as CSV or not at all, without blank lines.

    They are kept in memory. Such files are pinned by their hashes, so that their quoting is known.
    """
    if not quoted:
        return [line.split("\t") for line in read_lines(path)]
    return [row for row in csv.reader(io.StringIO(read_text(path), newline=""), delimiter="\t") if row]
