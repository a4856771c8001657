"""Read and check published figures from CSV files, with the notes on their sources."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path

from utils.data.csv_text import as_written
from utils.errors import UserError, suggest
from utils.tasks import TASKS

FOLDER = Path(__file__).resolve().parents[3] / "data" / "reference"
SHIPPED = {"paper": tuple(name for name in TASKS if (FOLDER / f"{name}.csv").is_file())}  # name -> files
COLUMNS = ("source", "task", "k", "model", "column", "metric", "value")
OPTIONAL = ("subset", "revision")  # of figures of a part of a data set, and of data at a revision
TABLES = tuple(view.key for spec in TASKS.values() for view in spec.views)
UNSHOWN = tuple(f"{name}_all" for name in TASKS)  # means over all tables of a task, which none of them shows
CORRELATIONS = TASKS["sts"].whole_metrics  # figures that can be negative
WORDS: dict[str, object] = {"true": True, "false": False, "none": None}


@dataclass(frozen=True)
class Published:
    """One published figure, as a fraction; k is None where the publication does not give it.

    by_subset: the figures of subsets by their names, of which a mean is shown; empty where only the mean is published.
    revision: that of the data; empty for that of the registry.
    """

    source: str
    task: str
    k: int | None
    model: str
    column: str
    metric: str
    value: float
    revision: str = ""
    by_subset: Mapping[str, float] = field(default_factory=dict, compare=False)

    def over(self, weights: Mapping[str, float]) -> Published:
        """Return the weighted mean of the figures of some subsets; the figure itself where it has none."""
        if not self.by_subset:
            return self
        value = sum(weight * self.by_subset[name] for name, weight in weights.items()) / sum(weights.values())
        return replace(self, value=value)


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
                given = {name: row.get(name) or "" for name in (*COLUMNS, *OPTIONAL)}
                yield reader.line_num, {name: as_written(text.strip()) for name, text in given.items()}
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"{path} is not a CSV file in UTF-8: {error}", f"its first line is {','.join(COLUMNS)}"
        ) from error


def _count(row: Mapping[str | None, object]) -> int:
    extra = row.get(None)
    return sum(value is not None for key, value in row.items() if key) + (len(extra) if isinstance(extra, list) else 0)


def _figures(path: Path) -> list[Published]:
    """Return the figures of a file; lines of subsets are joined, in the place of the first."""
    found: dict[object, list[tuple[str, Published]]] = {}
    for number, row in _rows(path):
        figure = _figure(f"{path}, line {number}", row)
        about = tuple(row[name] for name in (*COLUMNS, *OPTIONAL) if name not in ("value", "subset"))
        found.setdefault((about if row["subset"] else number), []).append((row["subset"], figure))
    if not found:
        raise UserError(f"{path} has no figure", "one line per figure: " + ",".join(COLUMNS))
    return [_joined(path, lines) for lines in found.values()]


def _joined(path: Path, lines: Sequence[tuple[str, Published]]) -> Published:
    """Return a figure, or the mean of those of subsets; raises UserError for a subset with two."""
    (subset, first), *_ = lines
    if not subset:
        return first
    by_subset = {name: figure.value for name, figure in lines}
    if len(by_subset) < len(lines):
        names = [name for name, _ in lines]
        twice = next(name for name in names if names.count(name) > 1)
        what = f"{path}: two figures of {first.model} on {first.column}, subset {twice}"
        raise UserError(what, "remove one of the two lines")
    return replace(first, by_subset=by_subset).over(dict.fromkeys(by_subset, 1.0))


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
    least = -100 if row["metric"] in CORRELATIONS else 0
    if value.is_nan() or not least <= value <= 100:
        what = f"{place}: value {row['value']!r} is not a number from {least} to 100"
        raise UserError(what, "figures are in percent")
    k = int(row["k"]) if row["k"] else None
    return Published(
        source=row["source"],
        task=row["task"],
        k=k,
        model=row["model"],
        column=row["column"],
        metric=row["metric"],
        value=float(value / 100),
        revision=row["revision"],
    )


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
