"""Means over the subsets of a data set, with intervals and completeness."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from utils.errors import UserError
from utils.records.result import LoggedResult
from utils.reporting.charts import plots
from utils.reporting.tables.build import Kind, mean_of_records
from utils.reporting.tables.cells import Cell
from utils.reporting.tables.select import by_cell


def expected(args: argparse.Namespace, dataset: str, results: Sequence[LoggedResult]) -> list[str]:
    """Return the subsets of a complete mean over the data set: those of --langs, without the training language.

    Of a user's own data, those that any record has.
    """
    of_set = [result for result in results if result.dataset == dataset]
    trained = {result.run.get("train_lang") for result in of_set if result.run.get("cross")}
    names = Kind(args.task, langs=tuple(args.langs or ())).expected_of(dataset, of_set, of_set)
    return [name for name in names if name not in trained]


def with_metric(results: Sequence[LoggedResult], metric: str) -> list[LoggedResult]:
    """Return the results that have the metric.

    Raises UserError where no result has it, with the metrics that there are.
    """
    having = [result for result in results if metric in result.metrics]
    if not having:
        there = sorted({name for result in results for name in result.metrics})
        raise UserError(f"no record has the metric {metric!r}", f"choose with --metric from: {', '.join(there)}")
    return having


def cell_of(results: Sequence[LoggedResult], names: Sequence[str], task: str, metric: str, about: str) -> Cell:
    """Return the mean of the metric over one model's results on a data set, one per subset, with its 95 % interval.

    names: the subsets of a complete mean. about: what a note on the interval begins with.
    """
    (found,) = by_cell(results).values()
    return mean_of_records(about, found, len(names), Kind(task, metric, ci=True))


def missing_of(results: Sequence[LoggedResult], names: Sequence[str]) -> tuple[str, ...]:
    """Return those of the subsets `names` that none of the results is of."""
    there = {result.subset for result in results}
    return tuple(name for name in names if name not in there)


def columns_of(cell: Cell) -> dict[str, object]:
    """Return the CSV's columns of a mean: percent, interval, and the numbers of subsets there and needed."""
    low, high = (plots.percent(bound) for bound in cell.ci95) if cell.ci95 else ("", "")
    return {"percent": plots.percent(cell.value), "low": low, "high": high, "n": cell.n, "expected": cell.expected}
