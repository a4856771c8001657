"""Reading tables of text: TSV, CSV, JSON lines, Parquet, plain lines."""

from __future__ import annotations

import csv
import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from utils.errors import UserError


@lru_cache(maxsize=2)
def read_table(path: Path) -> dict[str, list[str]]:
    """Read a table of texts into columns; the format is the file's ending (tsv, csv, jsonl, parquet).

    Raises UserError for another ending, a file that is not of its format, or a row of the wrong length.
    """
    kind = path.suffix.lower()
    try:
        if kind in (".tsv", ".csv"):
            return _delimited(path, "\t" if kind == ".tsv" else ",")
        if kind == ".jsonl":
            return _json_lines(path)
        if kind == ".parquet":
            import pyarrow.parquet as pq

            return {str(name): values for name, values in pq.read_table(path).to_pydict().items()}
    except (ValueError, OSError, csv.Error) as error:  # pyarrow's and json's own errors are ValueErrors
        raise UserError(
            f"{path.name} is not a readable {kind[1:]} file: {str(error).splitlines()[0]}", "check the file"
        ) from error
    raise UserError(f"{path.name}: unknown format {kind or '(no ending)'}", "use .tsv, .csv, .jsonl or .parquet")


def _json_lines(path: Path) -> dict[str, list[str]]:
    rows = [json.loads(line) for line in _lines(path) if line.strip()]
    if not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{path.name}: a line is not an object", 'write one {"column": "text", ...} a line')
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _delimited(path: Path, delimiter: str) -> dict[str, list[str]]:
    rows = csv_rows(path, delimiter)
    if not rows:
        raise UserError(f"{path.name} is empty", "the first line must name the columns")
    header = rows[0]
    if len(set(header)) != len(header):
        raise UserError(
            f"{path.name}: a column name stands twice in the header: {', '.join(header)}", "rename one of them"
        )
    for number, row in enumerate(rows[1:], start=1):
        if len(row) != len(header):
            raise UserError(
                f"{path.name}: row {number} has {len(row)} fields, the header has {len(header)}",
                'check the delimiter and the quotes; a quote inside a text is written ""',
            )
    spanning = sum("\n" in field for row in rows for field in row)
    if spanning:
        print(
            f"note: {path.name}: {spanning} quoted texts span several lines; if not meant, double their quotes",
            file=sys.stderr,
        )
    return {name: [row[index] for row in rows[1:]] for index, name in enumerate(header)}


def csv_rows(path: Path, delimiter: str) -> list[list[str]]:
    """Read the rows of a delimited file, quoted as CSV; blank lines are passed over."""
    with _open_text(path, newline="") as file:
        return [row for row in csv.reader(file, delimiter=delimiter) if row]


def _plain_rows(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in _lines(path)]


def _lines(path: Path) -> list[str]:
    with _open_text(path) as file:
        return [line.rstrip("\n") for line in file]


def _open_text(path: Path, newline: str | None = None) -> TextIO:
    return path.open(encoding="utf-8-sig", newline=newline)
