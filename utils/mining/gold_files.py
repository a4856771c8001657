"""The files of known pairs: two columns of lines or of Parquet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from utils.data.parquet_files import parquet_errors
from utils.data.text_files import stream_lines
from utils.errors import UserError
from utils.mining.collections import kind_of


def read_pairs(path: Path, fields_of: Callable[[str], Sequence[str]], what: str, hint: str) -> list[tuple[str, str]]:
    """Return the first two fields of each line that is not blank, or the first two columns of a Parquet file.

    what: what is wrong with a line of one field; hint: what to do about it. Raises UserError for such a line, and where
    there is no file.
    """
    if not path.is_file():
        raise UserError(f"--gold {path}: no such file", "check the path")
    if kind_of(path) == ".parquet":
        return _parquet_pairs(path)
    rows = []
    for number, line in enumerate(stream_lines(path), start=1):
        if not line.strip():
            continue
        fields = fields_of(line)
        if len(fields) < 2:
            raise UserError(f"{path.name}: line {number} has {what}", hint)
        rows.append((fields[0], fields[1]))
    return rows


def _parquet_pairs(path: Path) -> list[tuple[str, str]]:
    """Return the first two columns of a Parquet file as texts. Raises UserError where there are fewer."""
    from pyarrow.parquet import ParquetFile

    with parquet_errors(path), ParquetFile(path) as file:
        names = file.schema_arrow.names[:2]
        table = file.read(columns=names)
    if len(names) < 2:
        raise UserError(f"{path.name} has one column", "give the ids of the sources and of the targets")
    return [
        (str(first), str(second)) for first, second in zip(*(table[name].to_pylist() for name in names), strict=True)
    ]
