"""Correlations of scores with judgements, and their intervals; pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from utils.evaluation import stats

Values = npt.NDArray[np.float64]
ROWS = 50  # resamples that are ranked at once


def correlations(scores: Values, gold: Values, seed: int) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Return Spearman's and Pearson's correlation of scores (n,) with judgements (n,), and their 95 % intervals.

    Equal values share the mean of their ranks. A correlation with values that are all equal is 0. The intervals are
    percentiles over 1,000 resamples of the pairs.
    """
    rng = np.random.default_rng(seed)
    n = len(scores)
    draws: list[Values] = []
    for start in range(0, stats.RESAMPLES, ROWS):
        chosen = rng.integers(0, n, (min(ROWS, stats.RESAMPLES - start), n))
        draws.append(_both(scores[chosen], gold[chosen]))
    names = ("spearman", "pearson")
    found = _both(scores[None], gold[None])[:, 0]
    intervals = np.concatenate(draws, axis=1)
    metrics = {name: float(value) for name, value in zip(names, found, strict=True)}
    return metrics, {name: stats.percentiles(row) for name, row in zip(names, intervals, strict=True)}


def _both(scores: Values, gold: Values) -> Values:
    """Return both correlations of each row (r, n): (2, r)."""
    from scipy.stats import rankdata

    return np.stack([_pearson(rankdata(scores, axis=1), rankdata(gold, axis=1)), _pearson(scores, gold)])


def _pearson(a: Values, b: Values) -> Values:
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    norms = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    found: Values = np.divide((a * b).sum(axis=1), norms, out=np.zeros(len(a)), where=norms > 0)
    return found
