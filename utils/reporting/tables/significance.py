"""Mark the cells of a table: the best of each column, and those that are not significantly worse."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from utils.errors import UserError
from utils.evaluation import permutation, stats
from utils.reporting.tables import paired
from utils.reporting.tables.cells import Cell, Part, Table
from utils.reporting.tables.items import block_of, is_stated, label_indices, pool_of
from utils.task_spec import TaskSpec

MEANS = {
    "best": "the highest of its column",
    "significant": "the highest of its column, and what is not significantly worse "
    "(paired by items, Holm over the column's rows, p >= 0.05)",
}


@dataclass(frozen=True)
class Mark:
    """Whether a cell is marked, and its p against the column's best after Holm; None where it was not tested."""

    bold: bool
    p_holm: float | None = None


Marks = dict[tuple[str, str], Mark]  # row, column


def mark(
    table: Table, rows: Sequence[str], columns: Sequence[str], how: str, spec: TaskSpec, seed: int
) -> tuple[Marks, list[str]]:
    """Return the marks of the complete cells of these rows and columns, and notes on them.

    how: `best` or `significant`. seed: of the permutation tests.
    """
    marks: Marks = {}
    alone: dict[str, list[str]] = {}  # why only the highest cell is marked -> columns
    for column in columns:
        cells = {row: cell for row in rows if (cell := table[row].get(column)) is not None and cell.complete}
        if not cells:
            if any(column in table[row] for row in rows):
                alone.setdefault("no complete cell", []).append(column)
            continue
        best = max(cells, key=lambda row: cells[row].value)
        shown = f"{100 * cells[best].value:.2f}"
        adjusted: dict[str, float] = {}
        if how == "significant" and len(cells) > 1:
            try:
                adjusted = _against(best, cells, spec, seed)
            except UserError as error:
                alone.setdefault(f"only the highest is marked, as {error.what}", []).append(column)
        elif len(pools := _pools_of(cells)) > 1:
            alone.setdefault(f"the rows rank different pools: {'; '.join(pools)}", []).append(column)
        for row, cell in cells.items():
            equal = f"{100 * cell.value:.2f}" == shown or adjusted.get(row, 0.0) >= paired.SIGNIFICANT
            marks[row, column] = Mark(equal, adjusted.get(row))
    return marks, [f"{', '.join(names)}: {why}" for why, names in alone.items()]


def _pools_of(cells: Mapping[str, Cell]) -> list[str]:
    """Return the pools that rows rank in a subset where they differ, in the order of the rows; empty if they do not."""
    by_place: dict[tuple[str, str, int], dict[str, None]] = {}
    for part in (part for cell in cells.values() for part in cell.parts):
        if pool := pool_of(part.result):
            by_place.setdefault(part.place, {})[pool] = None
    return next((list(pools) for pools in by_place.values() if len(pools) > 1), [])


def _against(best: str, cells: Mapping[str, Cell], spec: TaskSpec, seed: int) -> dict[str, float]:
    """Return each other row's p against the best, after Holm; raises UserError where a row cannot be tested."""
    ps = {}
    for row in [row for row in cells if row != best]:
        try:
            ps[row] = _p(_matched(best, row, cells), spec, seed)
        except UserError as error:
            raise UserError(f"{best} (A) and {row} (B) cannot be paired: {error.what}") from error
    return dict(zip(ps, stats.holm(list(ps.values())), strict=True))


def _matched(best: str, row: str, cells: Mapping[str, Cell]) -> list[tuple[Part, Part]]:
    """Return the parts of two cells in pairs; raises UserError where their subsets or seeds differ."""
    sides = [{part.place: part for part in cells[name].parts} for name in (best, row)]
    if sides[0].keys() != sides[1].keys():
        raise UserError("they have different subsets or seeds")
    return [(part, sides[1][place]) for place, part in sides[0].items()]


def _p(matched: Sequence[tuple[Part, Part]], spec: TaskSpec, seed: int) -> float:
    """Return the p of a difference of means.

    McNemar's test where there is one subset of items that are right or wrong, else a permutation test of the items.
    """
    metrics = {part.metric for part, _ in matched}
    stated = {one.metric for one, other in matched if is_stated(one.result, one.metric)}
    macro = metrics & set(spec.label_metrics) - stated
    if unknown := metrics - macro - stated - set(spec.paired_metrics):
        raise UserError(f"predictions do not give the {', '.join(sorted(unknown))} of each item")
    if not macro and not metrics & set(spec.corpus_metrics):
        pairs = [paired.pair(one.result, other.result, one.metric) for one, other in matched]
        if len(pairs) == 1:
            return paired.lines_of(pairs, seed)[0].p
        return stats.paired_permutation(paired.swapped_together(pairs, [one.weight for one, _ in matched]), seed)
    blocks: dict[Hashable, list[permutation.Statistic]] = {}
    sizes: dict[Hashable, int] = {}
    for one, other in matched:
        gold, *hyps = paired.same_items(one.result, other.result)
        block = block_of(one.result.dataset, gold)
        sizes[block] = len(gold)
        blocks.setdefault(block, []).append(_statistic(one, other, gold, hyps, macro=one.metric in macro))
    return permutation.p_of_swaps([(sizes[block], found) for block, found in blocks.items()], seed)


def _statistic(
    one: Part, other: Part, gold: Sequence[str], hyps: Sequence[Sequence[str | None]], *, macro: bool
) -> permutation.Statistic:
    """Return how swapping items changes one subset's share of a mean."""
    if not macro:
        return paired.pair(one.result, other.result, one.metric).statistic(one.weight)
    (of_gold, *of_hyps), n_labels = label_indices(gold, *hyps)
    legacy = bool(one.result.run.get("legacy"))
    statistic = permutation.macro_of(of_gold, (of_hyps[0], of_hyps[1]), n_labels, one.metric, 1.0, legacy=legacy)
    found = float(statistic(np.zeros((1, len(of_gold)), dtype=np.bool_))[0])
    logged = one.result.metrics[one.metric] - other.result.metrics[one.metric]
    if abs(found - logged) > paired.ROUNDING:
        raise UserError(
            f"{one.place[0]} {one.place[1]}: the records differ by {logged:.4f}, their predictions by {found:.4f}"
        )
    return lambda swapped: one.weight * statistic(swapped)
