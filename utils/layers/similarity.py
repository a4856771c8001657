"""Likeness of two languages at one layer: the cosines of parallel sentences, beside those of unrelated ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from utils.evaluation import stats
from utils.evaluation.alignment import (
    linear_cka,
    parallel_cosines,
    shared_neighbours,
    unit,
    unrelated_cosine,
    unrelated_draws,
)
from utils.retrieval.neighbour_purity import nearest_others

if TYPE_CHECKING:
    from utils.schema import Rows

NEIGHBOURS = 10  # of which the share is told that two languages have in common
FEWEST = 2  # sentences, since one has no unrelated one
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Likeness:
    """The figures of a row with their bounds, None where undefined, and the values of each sentence (n,) by figure."""

    row: dict[str, float | None]
    items: dict[str, Values]


def similarity_at(a: Rows, b: Rows, seed: int, device: str = "cpu") -> Likeness:
    """Return how alike two languages are by the vectors of parallel sentences, (n, d) each, as figures of a row.

    cosine: the mean cosine of a sentence and its translation, by which Language Ranker (Li et al. 2024) orders
    languages. unrelated: the same of a sentence and the translation of another one, for all such pairs. ratio: cosine
    divided by unrelated, where the interval of the latter is above 0.
    centred, common: the mean cosine after each language's own mean vector, or the mean of both, has been subtracted;
    the means are held in the resamples of the interval.
    cka, cka_debiased: see `linear_cka`; of unit vectors.
    neighbours: see `shared_neighbours`; of the 10 nearest sentences by cosine, or half of the others where that is
    less. chance: the share that random neighbours would have in common.
    """
    rows = unit(a), unit(b)
    means = a.mean(axis=0, dtype=np.float64), b.mean(axis=0, dtype=np.float64)
    both = (means[0] + means[1]) / 2
    items = {
        "cosine": parallel_cosines(*rows),
        "centred": parallel_cosines(unit(a, means[0]), unit(b, means[1])),
        "common": parallel_cosines(unit(a, both), unit(b, both)),
    }
    n = len(a)
    k = min(NEIGHBOURS, max(1, (n - 1) // 2))
    row: dict[str, float | None] = {"chance": k / (n - 1)}
    items["neighbours"] = shared_neighbours(*(nearest_others(side, k, device) for side in (a, b)))
    for name, values in items.items():
        _put(row, name, float(values.mean()), stats.bootstrap_mean(values, seed))
    draws = unrelated_draws(*rows, seed)
    bounds = stats.percentiles(draws)
    _put(row, "unrelated", unrelated_cosine(*rows), bounds)
    if bounds[0] > 0:
        ratios = stats.mean_draws(items["cosine"], seed) / draws
        _put(row, "ratio", float(items["cosine"].mean()) / unrelated_cosine(*rows), stats.percentiles(ratios))
    for name, (value, *ends) in linear_cka(*rows).items():
        _put(row, name, value, ends)
    return Likeness(row, items)


def _put(row: dict[str, float | None], name: str, value: float, bounds: Sequence[float]) -> None:
    row[name], row[f"{name}_low"], row[f"{name}_high"] = value, *bounds
