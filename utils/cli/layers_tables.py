"""CSV files to which several commands of layers.py add: each replaces its own lines and leaves the others."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from pathlib import Path

from utils.data.csv_text import as_written, csv_text
from utils.errors import warn
from utils.files import held, write_atomic

WAIT = 0.05  # seconds between two looks at a file that another process writes

Line = Sequence[object]


def add_to_table(
    path: Path, header: Sequence[str], lines: Sequence[Line], *, own: Sequence[str], same: Sequence[str]
) -> None:
    """Write lines to a CSV file in place of those that have the same values in the columns `own`; others stay.

    A file of an earlier version may lack columns of `own`. Its lines have nothing there, and stay unless a new line has
    the same values in the columns `same`.
    """
    of_own, of_same = ([header.index(name) for name in names] for names in (own, same))
    groups, said = ({_key(line, places) for line in lines} for places in (of_own, of_same))
    with held(path.with_name(f".{path.name}.lock"), lambda _: time.sleep(WAIT)):
        before = _read(path, header)
        kept = [
            line
            for line in before
            if _key(line, of_own) not in groups and (all(_key(line, of_own)) or _key(line, of_same) not in said)
        ]
        write_atomic(path, csv_text([header, *kept, *lines]).encode())


def _key(line: Line, places: Sequence[int]) -> tuple[str, ...]:
    """Return some values of a line as a table has them."""
    return tuple("" if (value := line[place]) is None else str(value) for place in places)


def _read(path: Path, header: Sequence[str]) -> list[list[str]]:
    """Return the lines of a table by the columns of a header, with nothing in columns that it lacks."""
    if not path.is_file():
        return []
    try:
        names, *lines = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    except (ValueError, csv.Error):  # bytes that are no text, or an empty file
        names, lines = [], []
    if not set(names) & set(header) or any(len(line) != len(names) for line in lines):
        warn(f"{path} is broken, and its earlier rows are left out")
        return []
    where = {name: names.index(name) for name in header if name in names}
    return [[as_written(line[where[name]]) if name in where else "" for name in header] for line in lines]
