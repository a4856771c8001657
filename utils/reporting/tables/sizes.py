"""Tables of quality against size: a row for each size in which a model's vectors were compared."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from utils.constants import DENSE, PRECISIONS
from utils.encoders.reduced import bytes_of_vector
from utils.encoders.registry import ENCODERS
from utils.errors import UserError, counted
from utils.evaluation import stats
from utils.records.result import LoggedResult
from utils.records.rows import kind_of_member
from utils.reporting.tables import paired, rows, tables
from utils.reporting.tables.build import Kind, build
from utils.reporting.tables.cells import Cell, Part, Table
from utils.reporting.tables.items import mean_draws
from utils.reporting.tables.render import NOTHING, Shown, emit, render_rows, with_notes
from utils.reporting.tables.select import note

FLOAT32, *_ = PRECISIONS
REDUCED = ("dimensions", "embedding_precision")  # what an encoder's entry in a record has, if it was asked for
ABOUT = (
    "bytes: of a vector; of an ensemble those of all its members. difference: from the whole vectors of "
    "the model on the same items, in points [95 % interval]"
)


@dataclass(frozen=True)
class Size:
    """The size of a record's vectors: dimensions, precision and bytes, None where it does not tell them.

    is_whole: whether the vectors are as the encoder gives them.
    """

    dimensions: int | None
    precision: str
    vector_bytes: int | None
    is_whole: bool

    @property
    def name(self) -> str:
        """What tells it from other sizes of a model."""
        return f"{self.precision}, {'all' if self.is_whole else self.dimensions} dimensions"


@dataclass(frozen=True)
class Difference:
    """The difference of a figure from that of the whole vectors, and its interval where items can be paired."""

    value: float
    interval: tuple[float, float] | None = None


def size_of(run: Mapping[str, Any]) -> Size:
    """Return the size of a record's vectors; of one of an earlier version, what follows from its encoders."""
    members, dimensions, told = run.get("encoders") or [], run.get("dimensions"), run.get("vector_bytes")
    precisions = {str(member.get("embedding_precision", FLOAT32)) for member in members} or {FLOAT32}
    is_whole = precisions == {FLOAT32} and not any(member.get("dimensions") for member in members)
    precision = "/".join(sorted(precisions))
    if told is None and dimensions is not None and len(members) == 1 and precision in PRECISIONS:
        told = bytes_of_vector(dimensions, precision)
    return Size(dimensions, precision, told, is_whole)


def of_dense(results: Sequence[LoggedResult]) -> list[LoggedResult]:
    """Return the results of dense encoders; those of an API have the model's name without the dimensions asked for."""
    kinds = [{kind_of_member(member) for member in result.run.get("encoders") or []} for result in results]
    kept = [result for result, found in zip(results, kinds, strict=True) if found <= {DENSE}]
    if left := len(results) - len(kept):
        note(f"note: {counted(left, 'record')} of sparse or multi-vector encoders left out")
    return [dataclasses.replace(result, model=_whole_name(result)) for result in kept]


def _whole_name(result: LoggedResult) -> str:
    """Return a result's model, without `-256d` where an API was asked for so many dimensions."""
    members = result.run.get("encoders") or []
    asked = [member.get("dimensions") for member in members if member.get("provider")]
    if len(members) != 1 or not asked or not asked[0]:
        return result.model
    return result.model.replace(f"-{asked[0]}d", "", 1)


def check_flags(args: argparse.Namespace) -> None:
    """Raise UserError for flags that a table of sizes has no use for."""
    for name in ("by", "bold", "reference"):
        if getattr(args, name, None):
            raise UserError(f"--sizes with --{name}", "its rows are sizes of vectors: leave one of them out")


def by_size(results: Sequence[LoggedResult]) -> list[LoggedResult]:
    """Return results of named rows, each with its row and the size of its vectors as the model."""
    return [
        dataclasses.replace(result, model=f"{result.model}, {size_of(result.run).name}", row=result.model)
        for result in results
    ]


def print_sizes(
    args: argparse.Namespace, results: Sequence[LoggedResult], kind: Kind, models: Sequence[str] | None
) -> None:
    """Print the table of results that `by_size` gives, or write it to --output; models: the only ones, in order."""
    table = build(results, kind)
    if not table:
        raise UserError("no cell to show", "the notes above name what is there")
    told: dict[str, tuple[str, Size]] = {one.model: (one.row, size_of(one.run)) for one in results}
    base = {one.row: one.plain_model for one in results}
    order = rows.ordered(base, models, [row for name in ENCODERS for row in sorted(base) if base[row] == name])
    shown = sorted(table, key=lambda name: (order.index(told[name][0]), -(told[name][1].vector_bytes or 0), name))
    whole = {row: name for name, (row, size) in told.items() if size.is_whole}
    columns = sorted({column for cells in table.values() for column in cells})
    differences = {
        (name, column): _difference(cell, table.get(whole.get(told[name][0], name), {}).get(column), kind, args.seed)
        for name in shown
        for column, cell in table[name].items()
        if not told[name][1].is_whole
    }
    view = Shown(table, shown, columns, seeds=args.seeds is not None)
    notes = [tables.about(args, view, kind, tables.Layout(columns)), ABOUT]
    lacking = [row for row in order if row not in whole]
    notes += [f"no records of the whole vectors of {', '.join(lacking)}"] if lacking else []
    text = _render(args.format, [(name, *told[name]) for name in shown], columns, table, differences)
    emit(args, with_notes(text, notes, args.format))


def _difference(cell: Cell, whole: Cell | None, kind: Kind, seed: int) -> Difference | None:
    """Return the difference of two cells of the same records' data; None where they are of other subsets or seeds."""
    if whole is None or {part.place for part in cell.parts} != {part.place for part in whole.parts}:
        return None
    sides = [sorted(one.parts, key=lambda part: part.place) for one in (cell, whole)]
    try:
        interval = _interval(sides[0], sides[1], kind, seed)
    except UserError as error:
        note(f"note: no interval: {error.what}")
        interval = None
    return Difference(cell.value - whole.value, interval)


def _interval(first: Sequence[Part], second: Sequence[Part], kind: Kind, seed: int) -> tuple[float, float] | None:
    """Return the interval of a difference: of means over items that of `compare.py`, of macro metrics a bootstrap's.

    Both sides are resampled alike. None for metrics of other kinds. Raises UserError where items cannot be paired.
    """
    metric = first[0].metric
    if metric in kind.spec.item_metrics:
        pairs = [paired.pair(a.result, b.result, metric) for a, b in zip(first, second, strict=True)]
        lines = paired.lines_of(pairs, seed) if len(pairs) == 1 else [paired.mean_line(pairs, seed, "")]
        return lines[0].interval
    if len({part.result.seed for part in first}) > 1:
        return None
    draws = [
        mean_draws({part.result.subset: part.result for part in side}, kind.task, metric) for side in (first, second)
    ]
    return None if draws[0] is None or draws[1] is None else stats.percentiles(draws[0] - draws[1])


def _render(
    style: str,
    names: Sequence[tuple[str, str, Size]],
    columns: Sequence[str],
    table: Table,
    differences: Mapping[tuple[str, str], Difference | None],
) -> str:
    """Return the table as text; JSON has unrounded fractions."""
    if style == "json":
        found = [
            {**_told(row, size), "column": column, **_figures(table[name][column], differences.get((name, column)))}
            for name, row, size in names
            for column in columns
            if column in table[name]
        ]
        return json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    fields = ("difference", "low", "high") if style == "csv" else ("difference",)
    header = ["model", "dimensions", "precision", "bytes"]
    for column in columns:
        header += [column, *(f"{column}_{field}" if style == "csv" else field for field in fields)]
    body = [
        [
            *(NOTHING if value is None else str(value) for value in _told(row, size).values()),
            *(text for column in columns for text in _texts(table[name], column, differences, name, style)),
        ]
        for name, row, size in names
    ]
    return render_rows(header, body, style)


def _told(row: str, size: Size) -> dict[str, Any]:
    return {
        "model": row,
        "dimensions": size.dimensions,
        "precision": size.precision,
        "bytes": size.vector_bytes,
    }


def _figures(cell: Cell, difference: Difference | None) -> dict[str, Any]:
    found: dict[str, Any] = {"value": cell.value, "n": cell.n, "expected": cell.expected}
    found |= {"ci95": list(cell.ci95)} if cell.ci95 else {}
    if difference is not None:
        found |= {"difference": difference.value}
        found |= {"difference_ci95": list(difference.interval)} if difference.interval else {}
    return found


def _texts(
    cells: Mapping[str, Cell],
    column: str,
    differences: Mapping[tuple[str, str], Difference | None],
    name: str,
    style: str,
) -> list[str]:
    """Return a figure and its difference in % as text: in CSV the difference and its bounds have a field each."""
    cell, difference = cells.get(column), differences.get((name, column))
    interval = difference.interval if difference else None
    bounds = [f"{100 * value:+.2f}" for value in interval or ()]
    if style == "csv":
        figure = "" if cell is None else f"{100 * cell.value:.2f}"
        return [figure, f"{100 * difference.value:+.2f}" if difference else "", *(bounds or ["", ""])]
    figure = NOTHING if cell is None else f"{100 * cell.value:.2f}"
    if cell and cell.ci95:
        figure += f" [{100 * cell.ci95[0]:.2f}, {100 * cell.ci95[1]:.2f}]"
    if cell and not cell.complete:
        figure += f" ({cell.n}/{cell.expected})"
    change = NOTHING if difference is None else f"{100 * difference.value:+.2f}"
    return [figure, f"{change} [{', '.join(bounds)}]" if bounds else change]
