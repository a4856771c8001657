"""Collections: files, folders and patterns, read as a stream of ids, texts and groups, never as a whole."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from utils.data.parquet_files import parquet_errors
from utils.data.tables import DELIMITED
from utils.data.text_files import UNPACK, ignore, inner_name, stream_lines
from utils.errors import UserError, counted, first_line, suggest
from utils.files import sha256_of
from utils.progress import BYTES, Advance, bar

TEXT, ID = "text", "id"  # columns that are taken where none is named
PARQUET_ROWS = 8192  # rows of a Parquet file that are in memory at once
KNOWN = (".txt", ".jsonl", ".parquet", *DELIMITED)  # endings of the files of a folder that are read


class Row(NamedTuple):
    """A row: its id and its group, None where the file has none, and a text."""

    key: str | None
    text: str
    group: str | None = None


class Columns(NamedTuple):
    """The columns of texts, ids and groups, by names or by numbers; None for one that is not named."""

    text: str | None = None
    key: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Collection:
    """The files of one side, and the columns of their texts and ids.

    name: "source" or "target", as in messages. A column is named by its header or its key; a number counts the fields
    of lines without a header, from 1. None: `text` and `id` in files that have named columns, whole lines in others.
    Texts with equal values in the column of groups mean the same, such as translations; an empty or blank value, and
    NaN, is no group; 1 and 1.0 are the same one.
    """

    name: str
    files: tuple[Path, ...]
    text_column: str | None = None
    id_column: str | None = None
    group_column: str | None = None

    @property
    def columns(self) -> list[str | None]:
        """The columns, as what decides the content: that of the groups only where there is one."""
        return [self.text_column, self.id_column, *([self.group_column] if self.group_column else [])]

    @property
    def n_bytes(self) -> int:
        """The bytes of all files."""
        return sum(path.stat().st_size for path in self.files)

    def hashes(self) -> list[str]:
        """Return the SHA-256 of each file, as 64 hex digits; a bar shows how far they are read."""
        with bar(self.n_bytes, f"hashing ({self.name})", BYTES) as advance:
            return [_hash_of(path, advance) for path in self.files]

    def rows(self, advance: Advance = ignore) -> Iterator[Row]:
        """Yield each row, in the order of the files; an empty text stays one.

        `advance` is told how many more bytes of the files were read. Raises UserError for a file that cannot be read,
        and for a column that is not there.
        """
        columns = Columns(self.text_column, self.id_column, self.group_column)
        for path in self.files:
            kind = kind_of(path)
            if kind == ".parquet":
                yield from _read_parquet(path, columns, advance)
            elif kind == ".jsonl":
                yield from _read_json_lines(path, columns, advance)
            elif kind in DELIMITED and not _is_number(self.text_column):
                yield from _read_table(path, DELIMITED[kind], columns, advance)
            else:
                yield from _read_plain(path, columns, advance)


def find_files(patterns: Sequence[str], name: str) -> tuple[Path, ...]:
    """Return the files that paths, folders and patterns such as `news/*.txt.gz` stand for, sorted within each.

    Of a folder those files are taken whose ending is known. Raises UserError where nothing is found.
    """
    found: list[Path] = []
    for pattern in patterns:
        path = Path(pattern).expanduser()
        if path.is_file():
            found.append(path)
            continue
        if path.is_dir():
            some = sorted(inner for inner in path.rglob("*") if inner.is_file() and _is_data(inner))
            hint = f"give a folder with files that end in {', '.join(KNOWN)}"
        else:
            try:
                some = sorted(inner for inner in _matches(path) if inner.is_file() and not inner.name.startswith("."))
            except ValueError as error:
                what = f"--{name} {pattern}: no pattern of files: {first_line(error)}"
                raise UserError(what, "`**` is a whole part of a path, such as news/**/*.txt") from error
            hint = "check the path"
        if not some:
            what = "no file that can be read in it" if path.is_dir() else "no such file or folder"
            raise UserError(f"--{name} {pattern}: {what}", hint)
        found += some
    return tuple(dict.fromkeys(found))


def _matches(pattern: Path) -> Iterator[Path]:
    """Return what a pattern stands for; one that begins at the root is searched from there."""
    root = Path(pattern.anchor) if pattern.anchor else Path()
    return root.glob(str(pattern.relative_to(pattern.anchor)) if pattern.anchor else str(pattern))


_hashes: dict[tuple[str, int, int], str] = {}  # of the files of this process, by path, size and time


def _hash_of(path: Path, advance: Advance) -> str:
    """Return the SHA-256 of a file, which is read once unless it changes."""
    found = path.stat()
    key = str(path.absolute()), found.st_size, found.st_mtime_ns
    if key in _hashes:
        advance(found.st_size)
    else:
        _hashes[key] = sha256_of(path, advance)
    return _hashes[key]


def kind_of(path: Path) -> str:
    """Return the ending that names a file's format, without that of its compression; empty where it has none."""
    return Path(inner_name(path)).suffix.lower()


def _is_data(path: Path) -> bool:
    return not path.name.startswith(".") and kind_of(path) in KNOWN


def _is_number(column: str | None) -> bool:
    return column is not None and column.isdecimal()


def _read_plain(path: Path, columns: Columns, advance: Advance) -> Iterator[Row]:
    """Yield the lines of a file, or fields of its lines, which tabs separate."""
    for column in columns:
        if column is not None and not _is_number(column):
            hint = "name a field of its lines by its number, such as 2, or leave the column out"
            raise UserError(f"{path.name} has lines without names of columns: there is no {column!r}", hint)
    if not any(columns):
        for line in stream_lines(path, advance):
            yield Row(None, line)
        return
    places = [int(columns.text or 1), *(int(column) if column else None for column in columns[1:])]
    most = max(place for place in places if place is not None)
    for number, line in enumerate(stream_lines(path, advance), start=1):
        fields = line.split("\t")
        if most > len(fields) or 0 in places:
            missing = 0 if 0 in places else most
            what = f"{path.name}: line {number} has {counted(len(fields), 'field')}, and no field {missing}"
            raise UserError(what, "fields are separated by tabs and counted from 1")
        yield _row([None if place is None else fields[place - 1] for place in places], path, number)


def _read_table(path: Path, delimiter: str, columns: Columns, advance: Advance) -> Iterator[Row]:
    """Yield the rows of a table whose first line names the columns; fields of CSV may be quoted."""
    lines = stream_lines(path, advance)
    rows = _quoted_rows(path, lines) if delimiter == "," else (line.split(delimiter) for line in lines)
    header = next(rows, [])
    places = [None if column is None else header.index(column) for column in _choose(path, header, columns)]
    for number, fields in enumerate(rows, start=2):
        if not fields:
            continue
        if len(fields) != len(header):
            what = f"{path.name}: row {number} has {counted(len(fields), 'field')}, but the first {len(header)}"
            raise UserError(what, "check the delimiter and the quotes")
        yield _row([None if place is None else fields[place].removesuffix("\n") for place in places], path, number)


def _quoted_rows(path: Path, lines: Iterator[str]) -> Iterator[list[str]]:
    """Yield the rows of CSV; raises UserError where a quoted field of several lines has no end."""
    has_ended = False

    def each() -> Iterator[str]:
        nonlocal has_ended
        for line in lines:
            yield f"{line}\n"
        has_ended = True

    reader, before = csv.reader(each()), 0
    for row in reader:
        if has_ended and reader.line_num > before + 1:  # a row that is whole is there before the end of the file
            what = f"{path.name}: a quotation mark that opens in line {before + 1} or later is not closed"
            raise UserError(what, "close it, or double the marks that belong to texts")
        before = reader.line_num
        yield row


def _read_json_lines(path: Path, columns: Columns, advance: Advance) -> Iterator[Row]:
    chosen: Columns | None = None
    for number, line in enumerate(stream_lines(path, advance), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            hint = 'write one {"text": ...} per line'
            raise UserError(f"{path.name}: line {number} is not JSON: {first_line(error)}", hint) from error
        if not isinstance(row, dict):
            raise UserError(f"{path.name}: line {number} is not a JSON object", 'write one {"text": ...} per line')
        chosen = chosen or _choose(path, list(row), columns)
        yield _row([None if column is None else row.get(column) for column in chosen], path, number)


def _read_parquet(path: Path, columns: Columns, advance: Advance) -> Iterator[Row]:
    from pyarrow.parquet import ParquetFile

    if path.suffix.lower() in UNPACK:
        raise UserError(f"{path.name} is a compressed Parquet file", "unpack it: Parquet files are compressed inside")
    with parquet_errors(path), ParquetFile(path) as file:
        names = file.schema_arrow.names
        chosen = _choose(path, names, columns)
        for column in chosen:
            if column is not None and names.count(column) > 1:
                raise UserError(
                    f"{path.name} has {names.count(column)} columns {column!r}", "rename all but one of them"
                )
        number = 0
        for batch in file.iter_batches(PARQUET_ROWS, columns=sorted({column for column in chosen if column})):
            nothing = [None] * len(batch)
            sides = [batch.column(column).to_pylist() if column else nothing for column in chosen]
            for values in zip(*sides, strict=True):
                number += 1
                yield _row(values, path, number)
            advance(len(batch) * path.stat().st_size // file.metadata.num_rows)


def _choose(path: Path, names: Sequence[str], columns: Columns) -> Columns:
    """Return the columns with the usual names where none are given; raises UserError for one that is missing."""
    if columns.text is None and TEXT not in names:
        hint = f"name the column of the texts with --text_column: {', '.join(map(str, names))}"
        raise UserError(f"{path.name} has no column {TEXT!r}", hint)
    for column in columns:
        if column is not None and column not in names:
            raise UserError(f"{path.name} has no column {column!r}", suggest(column, list(map(str, names))))
    return Columns(columns.text or TEXT, columns.key or (ID if ID in names else None), columns.group)


def _row(values: Sequence[Any], path: Path, number: int) -> Row:
    """Return a row of the values of its text, its id and its group."""
    text, key, group = values
    return Row(_as_id(key), _as_text(text, path, number), _as_group(group))


def _as_id(value: Any) -> str | None:
    return None if value is None else str(value)


def _as_group(value: Any) -> str | None:
    """Return a group; None for no value, a blank one, and NaN. Equal numbers are one group: 1 is 1.0, also in text."""
    told = "" if value is None else str(value).strip()
    number = re.fullmatch(r"([+-]?\d+)\.0+", told)
    return (number[1] if number else None if told.lower() == "nan" else told) or None


def _as_text(value: Any, path: Path, number: int) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UserError(f"{path.name}: row {number} has {value!r} for a text", "name the column with --text_column")
    return value
