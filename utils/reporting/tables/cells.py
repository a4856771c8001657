"""The cells of a table: means over subsets, seeds and data sets, with the records that they are computed from."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from utils.evaluation import stats
from utils.records.result import LoggedResult
from utils.reporting.tables.select import note


@dataclass(frozen=True)
class Part:
    """One record's share in a figure: a metric of it, and its weight in the mean."""

    result: LoggedResult
    metric: str
    weight: float

    @property
    def place(self) -> tuple[str, str, int]:
        """Data set, subset and seed: what the records of different models have in common."""
        return self.result.dataset, self.result.subset, self.result.seed


@dataclass(frozen=True)
class Cell:
    """A mean of a metric, as a fraction.

    n, expected: subsets (of a mean over data sets: data sets) that are there, and that a complete cell has.
    parts: the records with their weights. seeds: the value of each seed; empty for a mean of cells whose seeds differ.
    main: whether the metric is each data set's main one.
    """

    value: float
    n: int
    expected: int
    ci95: tuple[float, float] | None = None
    draws: stats.Values | None = field(
        default=None, compare=False
    )  # resampled values; the interval of a mean needs them
    parts: tuple[Part, ...] = ()
    seeds: Mapping[int, float] = field(default_factory=dict)
    main: bool = True

    @property
    def complete(self) -> bool:
        """Whether no subset is missing."""
        return self.n == self.expected

    @property
    def sd(self) -> float | None:
        """The standard deviation over seeds (n - 1), None for fewer than two."""
        return statistics.stdev(self.seeds.values()) if len(self.seeds) > 1 else None

    @property
    def metrics(self) -> set[str]:
        """The metrics that it is a mean of."""
        return {part.metric for part in self.parts}


Table = dict[str, dict[str, Cell]]  # model -> column -> cell


def join(tables: Mapping[int, Table]) -> Table:
    """Return the tables of several seeds as one; cells that lack a seed are named on standard error."""
    joined: Table = {}
    for model, column in dict.fromkeys(
        (model, column) for table in tables.values() for model, cells in table.items() for column in cells
    ):
        cells = {seed: table[model][column] for seed, table in tables.items() if column in table.get(model, {})}
        cell = _over_seeds(f"{column}, {model}", cells)
        joined.setdefault(model, {})[column] = cell
        if lacking := [str(seed) for seed in tables if seed not in cell.seeds]:
            has = ", ".join(map(str, cell.seeds))
            note(f"seeds: {column}, {model}: has {has}, without {', '.join(lacking)}")
    return joined


def _over_seeds(name: str, cells: Mapping[int, Cell]) -> Cell:
    """Return the mean of one cell over seeds.

    Seeds that lack subsets which another seed has are named on standard error and left out. The resamples are the same
    for every seed, so the interval is that of the mean over these seeds.
    """
    fullest = max(cells.values(), key=lambda cell: cell.n)
    wanted = {part.place[:2] for part in fullest.parts}
    kept = {seed: cell for seed, cell in cells.items() if {part.place[:2] for part in cell.parts} == wanted}
    for seed in cells.keys() - kept.keys():
        note(f"seeds: {name}: seed {seed} has other subsets than seed {next(iter(kept))} and is left out")
    if len(kept) == 1:
        return fullest
    draws = [cell.draws for cell in kept.values() if cell.draws is not None]
    mean_of_draws = np.mean(draws, axis=0) if len(draws) == len(kept) else None
    return replace(
        fullest,
        value=sum(cell.value for cell in kept.values()) / len(kept),
        ci95=None if mean_of_draws is None else stats.percentiles(mean_of_draws),
        draws=mean_of_draws,
        parts=_weighted(list(kept.values())),
        seeds={seed: cell.value for seed, cell in kept.items()},
    )


def _weighted(cells: Sequence[Cell]) -> tuple[Part, ...]:
    """Return the parts of a mean of cells, with their weights in it."""
    return tuple(replace(part, weight=part.weight / len(cells)) for cell in cells for part in cell.parts)


def add_means(table: Table, groups: Mapping[str, Sequence[str]]) -> None:
    """Add one column per group, the mean of its data sets, and `avg`, the mean of the groups.

    A row that lacks a complete cell has no mean.
    """
    for cells in table.values():
        for group, datasets in groups.items():
            members = [cells[name] for name in datasets if name in cells and cells[name].complete]
            if members and len(members) == len(datasets):
                cells[group] = _mean(members)
        means = [cells[group] for group in groups if group in cells]
        if means and len(means) == len(groups):
            cells["avg"] = _mean(means)


def _mean(cells: Sequence[Cell]) -> Cell:
    draws = [cell.draws for cell in cells if cell.draws is not None]
    of_mean = np.mean(draws, axis=0) if len(draws) == len(cells) else None
    same = len({tuple(cell.seeds) for cell in cells}) == 1
    return Cell(
        sum(cell.value for cell in cells) / len(cells),
        len(cells),
        len(cells),
        None if of_mean is None else stats.percentiles(of_mean),
        of_mean,
        _weighted(cells),
        {seed: sum(cell.seeds[seed] for cell in cells) / len(cells) for seed in cells[0].seeds} if same else {},
        all(cell.main for cell in cells),
    )
