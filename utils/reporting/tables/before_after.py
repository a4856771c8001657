"""Records of a model before and after a training, side by side, with paired tests where items can be paired."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.constants import DEFAULT_SEED
from utils.records.reader import read_record
from utils.records.result import LoggedResult
from utils.reporting.tables.build import Kind
from utils.reporting.tables.items import is_stated
from utils.reporting.tables.paired import Line, lines_of, pair
from utils.tasks import TASKS

Place = tuple[str, str, str, int]  # task, data set, subset, k


def before_after(before: Sequence[Path], after: Sequence[Path]) -> list[dict[str, Any]]:
    """Return a row for each subset and k that both have: the figures in percent, their difference and its interval.

    The metric is that of the tables. p is that of the paired test of its items, adjusted over all rows of a task
    (Holm); metrics that are no mean over items have no test.
    """
    sides = [{_place(result): result for result in map(read_record, paths)} for paths in (before, after)]
    common = [place for place in sides[1] if place in sides[0]]
    tested = {place: line for task in TASKS for place, line in _tests(task, common, *sides).items()}
    return [_row(place, sides[0][place], sides[1][place], tested.get(place)) for place in common]


def _place(result: LoggedResult) -> Place:
    return result.run["task"], result.dataset, result.subset, result.k


def _metric(result: LoggedResult) -> str:
    return Kind(result.run["task"]).metric_of(result.dataset, [result])[0]


def _is_of_items(result: LoggedResult) -> bool:
    metric = _metric(result)
    return metric in TASKS[result.run["task"]].item_metrics or is_stated(result, metric)


def _tests(
    task: str, places: Sequence[Place], before: dict[Place, LoggedResult], after: dict[Place, LoggedResult]
) -> dict[Place, Line]:
    """Return the paired tests of a task's subsets, whose metric is a mean over items."""
    chosen = [place for place in places if place[0] == task and _is_of_items(after[place])]
    pairs = [pair(after[place], before[place], _metric(after[place])) for place in chosen]
    return dict(zip(chosen, lines_of(pairs, DEFAULT_SEED), strict=True)) if pairs else {}


def _row(place: Place, before: LoggedResult, after: LoggedResult, line: Line | None) -> dict[str, Any]:
    task, dataset, subset, k = place
    metric = _metric(after)
    figures = [100 * result.metrics[metric] for result in (before, after)]
    row: dict[str, Any] = {"task": task, "data": dataset, "subset": subset, "k": k, "metric": metric}
    row |= {"before": round(figures[0], 2), "after": round(figures[1], 2)}
    row["difference"] = round(figures[1] - figures[0], 2)
    low, high = line.interval if line is not None else (None, None)
    row["95 %"] = f"{100 * low:+.2f} to {100 * high:+.2f}" if low is not None and high is not None else ""
    row["p"] = "" if line is None or line.p_holm is None else f"{line.p_holm:.2g}"
    return row
