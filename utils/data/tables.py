"""Tables of texts in files: TSV, CSV, JSON lines, Parquet, and plain lines."""

from __future__ import annotations

import csv
import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

from utils.errors import UserError, first_line

csv.field_size_limit(1 << 30)  # the default of 128 KiB is less than a long document


@lru_cache(maxsize=2)
def read_table(path: Path) -> dict[str, list[Any]]:
    """Return the columns of a table by name; the file's ending (tsv, csv, jsonl, parquet) names its format.

    Raises UserError for another ending, a file that is not of its format, or a row of the wrong length.
    """
    kind = path.suffix.lower()
    try:
        if kind in (".tsv", ".csv"):
            return _parse_delimited(path, "\t" if kind == ".tsv" else ",")
        if kind == ".jsonl":
            return _parse_json_lines(path)
        if kind == ".parquet":
            from pyarrow.parquet import ParquetFile

            with ParquetFile(path) as file:
                return {str(name): values for name, values in file.read().to_pydict().items()}
    except (ValueError, OSError, csv.Error) as error:  # errors of pyarrow and json are ValueErrors
        raise UserError(
            f"{path.name} cannot be read as {kind[1:]}: {first_line(error)}",
            "check that the file is whole, is in UTF-8, and has the format that its ending names",
        ) from error
    raise UserError(
        f"{path.name} has {f'the ending {kind}' if kind else 'no ending'}, which is no known format",
        "use .tsv, .csv, .jsonl or .parquet",
    )


def _parse_json_lines(path: Path) -> dict[str, list[Any]]:
    rows = [json.loads(line) for line in read_lines(path) if line.strip()]
    if not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{path.name}: a line is not a JSON object", 'write one {"column": "text", ...} per line')
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _parse_delimited(path: Path, delimiter: str) -> dict[str, list[Any]]:
    rows = csv_rows(path, delimiter)
    if not rows:
        raise UserError(f"{path.name} is empty", "the first line must name the columns")
    header = rows[0]
    if len(set(header)) != len(header):
        raise UserError(f"{path.name}: two columns have the same name: {', '.join(header)}", "rename one of them")
    for number, row in enumerate(rows[1:], start=1):
        if len(row) != len(header):
            raise UserError(
                f"{path.name}: row {number} has {len(row)} fields, but the header has {len(header)}",
                'check the delimiter and the quotes; a quote within a quoted text is written ""',
            )
    spanning = sum("\n" in field for row in rows for field in row)
    if spanning:
        print(
            f"note: {path.name}: {spanning} quoted texts span several lines; if they should not, double their quotes",
            file=sys.stderr,
        )
    return {name: [row[index] for row in rows[1:]] for index, name in enumerate(header)}


def csv_rows(path: Path, delimiter: str) -> list[list[str]]:
    """Return the rows of a delimited file, quoted as CSV; blank lines are left out."""
    with _open_text(path, newline="") as file:
        return [row for row in csv.reader(file, delimiter=delimiter) if row]


@lru_cache(maxsize=16)
def tsv_rows(path: Path, *, quoted: bool) -> list[list[str]]:
    """Return the rows of a tab-separated file, quoted as CSV or not at all; from memory if it was read before."""
    return csv_rows(path, "\t") if quoted else [line.split("\t") for line in read_lines(path)]


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file without their line breaks."""
    with _open_text(path) as file:
        return [line.rstrip("\n") for line in file]


def _open_text(path: Path, newline: str | None = None) -> TextIO:
    return path.open(encoding="utf-8-sig", newline=newline)
