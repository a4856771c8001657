"""Read and check published figures from CSV files, with the notes on their sources."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path

from utils.errors import UserError, suggest
from utils.reporting.csv_text import as_written
from utils.tasks import TASKS

FOLDER = Path(__file__).resolve().parents[3] / "data" / "reference"
SHIPPED = {"paper": tuple(name for name in TASKS if (FOLDER / f"{name}.csv").is_file())}  # name -> files
COLUMNS = ("source", "task", "k", "model", "column", "metric", "value")
TABLES = tuple(view.key for spec in TASKS.values() for view in spec.views)
UNSHOWN = tuple(f"{name}_all" for name in TASKS)  # means over all tables of a task, which none of them shows
WORDS: dict[str, object] = {"true": True, "false": False, "none": None}


@dataclass(frozen=True)
class Published:
    """One published figure, as a fraction; k is None where the publication does not give it."""

    source: str
    task: str
    k: int | None
    model: str
    column: str
    metric: str
    value: float


def read(names: Sequence[str]) -> list[Published]:
    """Return the figures of these references, in their order; raises UserError where one is not a reference."""
    return [figure for name in names for path in _paths(name) for figure in _figures(path)]


def _paths(name: str) -> list[Path]:
    if name in SHIPPED:
        return [FOLDER / f"{part}.csv" for part in SHIPPED[name]]
    path = Path(name).expanduser()
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
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
                yield reader.line_num, {name: as_written(row[name].strip()) for name in COLUMNS}
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"{path} is not a CSV file in UTF-8: {error}", f"its first line is {','.join(COLUMNS)}"
        ) from error


def _count(row: Mapping[str | None, object]) -> int:
    extra = row.get(None)
    return sum(value is not None for key, value in row.items() if key) + (len(extra) if isinstance(extra, list) else 0)


def _figures(path: Path) -> list[Published]:
    figures = [_figure(f"{path}, line {number}", row) for number, row in _rows(path)]
    if not figures:
        raise UserError(f"{path} has no figure", "one line per figure: " + ",".join(COLUMNS))
    return figures


def _figure(place: str, row: Mapping[str, str]) -> Published:
    if row["task"] not in (*TABLES, *UNSHOWN):
        raise UserError(f"{place}: unknown task {row['task']!r}", suggest(row["task"], TABLES))
    if empty := [name for name in ("source", "model", "column", "metric") if not row[name]]:
        raise UserError(f"{place}: no {', '.join(empty)}", "only k may be empty")
    if row["k"] and not row["k"].isdecimal():
        raise UserError(f"{place}: k {row['k']!r} is not a whole number", "leave it empty where it is not known")
    try:
        value = Decimal(row["value"])
    except InvalidOperation:
        value = Decimal("nan")
    if value.is_nan() or not 0 <= value <= 100:
        raise UserError(f"{place}: value {row['value']!r} is not a number from 0 to 100", "figures are in percent")
    k = int(row["k"]) if row["k"] else None
    return Published(row["source"], row["task"], k, row["model"], row["column"], row["metric"], float(value / 100))


@lru_cache
def _table(name: str) -> list[dict[str, str]]:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def settings_of(source: str, model: str) -> dict[str, list[object]]:
    """Return the settings of a source's figure of a model, each with its values, where they are not the plain ones."""
    found = {}
    for row in _table("settings"):  # the row of one model stands after the row of all models
        if row["source"] == source and row["model"] in ("", model):
            found[row["setting"]] = [WORDS.get(value, value) for value in row["value"].split("|")]
    return found


def notes_of(source: str, task: str, columns: Sequence[str]) -> list[str]:
    """Return the notes on a source's figures in these columns."""
    return [
        (f"{row['column']}: " if row["column"] else "") + row["note"] + (", not compared" * (row["compared"] == "no"))
        for row in _table("notes")
        if row["source"] == source and row["task"] in ("", task) and row["column"] in ("", *columns)
    ]


def other_texts(source: str, task: str, column: str) -> str:
    """Return how a source's texts of a column differ from the suite's; its figures are then not compared."""
    rows = (row for row in _table("notes") if row["compared"] == "no")
    return next(
        (row["note"] for row in rows if (row["source"], row["task"], row["column"]) == (source, task, column)), ""
    )
