"""Published figures as CSV files: read, checked, and what is known of their sources."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path

from utils.errors import UserError, suggest

FOLDER = Path(__file__).resolve().parents[3] / "data" / "reference"
SHIPPED = {"paper": ("bitext", "classification", "icl")}  # name -> files of the folder
COLUMNS = ("source", "task", "k", "model", "column", "metric", "value")
TASKS = ("bitext", "classification", "classification_cross", "icl", "icl_cross", "icl_percentile")
UNSHOWN = ("classification_all", "icl_all")  # the paper's mean over four settings, of which no table shows all
WORDS: dict[str, object] = {"true": True, "false": False, "none": None}


@dataclass(frozen=True)
class Published:
    """One published figure, as a fraction; k is None where the publication does not tell it."""

    source: str
    task: str
    k: int | None
    model: str
    column: str
    metric: str
    value: float


def read(names: Sequence[str]) -> list[Published]:
    """Return the figures of these references, in their order; UserError where one is no reference."""
    return [figure for name in names for path in _paths(name) for figure in _figures(path)]


def _paths(name: str) -> list[Path]:
    if name in SHIPPED:
        return [FOLDER / f"{part}.csv" for part in SHIPPED[name]]
    path = Path(name).expanduser()
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        raise UserError(f"--reference {name} {what}", f"{' or '.join(SHIPPED)}, or a CSV file: {','.join(COLUMNS)}")
    return [path]


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number of each line and its fields."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, strict=True)
            if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
                raise UserError(f"{path} has no column {', '.join(missing)}", f"its first line is {','.join(COLUMNS)}")
            for row in reader:
                if None in row or None in row.values():
                    raise UserError(f"{path}, line {reader.line_num}: {_count(row)} fields", "as many as in line 1")
                yield reader.line_num, {name: row[name].strip() for name in COLUMNS}
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is no CSV file in UTF-8: {error}", f"its first line is {','.join(COLUMNS)}") from error


def _count(row: Mapping[str | None, object]) -> int:
    extra = row.get(None)
    return sum(value is not None for key, value in row.items() if key) + (len(extra) if isinstance(extra, list) else 0)


def _figures(path: Path) -> list[Published]:
    figures = [_figure(f"{path}, line {number}", row) for number, row in _rows(path)]
    if not figures:
        raise UserError(f"{path} has no figure", "a line each: " + ",".join(COLUMNS))
    return figures


def _figure(place: str, row: Mapping[str, str]) -> Published:
    if row["task"] not in (*TASKS, *UNSHOWN):
        raise UserError(f"{place}: unknown task {row['task']!r}", suggest(row["task"], TASKS))
    if empty := [name for name in ("source", "model", "column", "metric") if not row[name]]:
        raise UserError(f"{place}: no {', '.join(empty)}", "only k may be empty")
    if row["k"] and not row["k"].isdecimal():
        raise UserError(f"{place}: k {row['k']!r} is no whole number", "leave it empty where it is not known")
    try:
        value = Decimal(row["value"])
    except InvalidOperation:
        value = Decimal("nan")
    if value.is_nan() or not 0 <= value <= 100:
        raise UserError(f"{place}: value {row['value']!r} is no number from 0 to 100", "figures are in percent")
    k = int(row["k"]) if row["k"] else None
    return Published(row["source"], row["task"], k, row["model"], row["column"], row["metric"], float(value / 100))


@lru_cache
def _table(name: str) -> list[dict[str, str]]:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def settings_of(source: str, model: str) -> dict[str, list[object]]:
    """Return which values of which settings a source's figure of a model stands for, where it is not the plain one."""
    found = {}
    for row in _table("settings"):  # a model's own row comes behind that of all
        if row["source"] == source and row["model"] in ("", model):
            found[row["setting"]] = [WORDS.get(value, value) for value in row["value"].split("|")]
    return found


def notes_of(source: str, task: str, columns: Sequence[str]) -> list[str]:
    """Return what must be known of a source's figures in these columns."""
    return [
        (f"{row['column']}: " if row["column"] else "") + row["note"] + (", not compared" * (row["compared"] == "no"))
        for row in _table("notes")
        if row["source"] == source and row["task"] in ("", task) and row["column"] in ("", *columns)
    ]


def other_texts(source: str, task: str, column: str) -> str:
    """Return in what a source's texts of a column are not ours, so that its figures are compared with none of ours."""
    rows = (row for row in _table("notes") if row["compared"] == "no")
    return next(
        (row["note"] for row in rows if (row["source"], row["task"], row["column"]) == (source, task, column)), ""
    )
