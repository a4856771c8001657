"""Rankings of languages by their likeness to a pivot, with intervals, and how a ranking agrees with other numbers."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from utils.evaluation import stats
from utils.evaluation.correlation import correlations

Values = npt.NDArray[np.float64]
FEWEST = 4  # languages of a correlation


@dataclass(frozen=True)
class Ranked:
    """A language's figure and its rank, 1 for the most alike, each with the bounds of its 95 % interval."""

    lang: str
    value: float
    low: float
    high: float
    rank: int
    rank_low: int
    rank_high: int


def ranking(items: Mapping[str, Values], sentences: Mapping[str, Hashable], seed: int) -> list[Ranked]:
    """Return the languages in the order of the means of their sentences' values (n,), the greatest first.

    The intervals are percentiles over 1,000 resamples of the sentences. Languages with the same key in `sentences` are
    translations of the same sentences and draw the same ones, so that a rank is uncertain only where languages differ.
    Equal means share the best of their ranks.
    """
    if not items:
        return []
    places = {key: place for place, key in enumerate(dict.fromkeys(sentences[lang] for lang in items))}
    draws = np.stack([stats.mean_draws(each, seed + places[sentences[lang]]) for lang, each in items.items()], axis=1)
    means = np.array([each.mean() for each in items.values()])
    ranks, drawn = ranks_of(means[None])[0], ranks_of(draws)
    low = np.percentile(drawn, 2.5, axis=0, method="lower")
    high = np.percentile(drawn, 97.5, axis=0, method="higher")
    found = [
        Ranked(lang, float(means[i]), *stats.percentiles(draws[:, i]), int(ranks[i]), int(low[i]), int(high[i]))
        for i, lang in enumerate(items)
    ]
    return sorted(found, key=lambda one: (one.rank, one.lang))


def ranks_of(values: Values) -> npt.NDArray[np.int64]:
    """Return the ranks of values (r, n) within each row, 1 for the greatest; equal values share the best rank."""
    ordered = np.sort(-values, axis=1)
    return np.stack([np.searchsorted(row, -own) + 1 for row, own in zip(ordered, values, strict=True)])


def agreement(values: Mapping[str, float], others: Mapping[str, float], seed: int) -> tuple[float, float, float] | None:
    """Return Spearman's correlation of two figures over the languages that have both, with its interval over languages.

    None for fewer than 4 languages, and where one of the figures is the same for all of them.
    """
    shared = [lang for lang in values if lang in others]
    first, second = (np.array([side[lang] for lang in shared], dtype=np.float64) for side in (values, others))
    if len(shared) < FEWEST or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    found, intervals = correlations(first, second, seed)
    return (found["spearman"], *intervals["spearman"])
