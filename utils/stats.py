"""Intervals for what the suite reports; every function is pure and seeded."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

RESAMPLES = 1000


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a proportion (Wilson 1927), as scipy computes it."""
    from scipy.stats import binomtest

    interval = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap_mean(values: npt.NDArray[np.float64], seed: int) -> tuple[float, float]:
    """Return the percentile bootstrap 95 % interval of the mean of item values (n,) (Efron 1979).

    1,000 resamples of the items with replacement, the same for every metric and k of a subset. A class's F1 is
    held at its value on the whole set: in bitext every class has one sentence, so counting predictions anew in
    each resample would dissolve the collisions that F1 is there to punish, and the interval would miss the figure.
    """
    means = resample_counts(len(values), seed) @ values / len(values)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


@lru_cache(maxsize=2)
def resample_counts(n: int, seed: int) -> npt.NDArray[np.float32]:
    """Return how often each of n items is drawn in each resample: (RESAMPLES, n), rows summing to n."""
    rng = np.random.default_rng(seed)
    counts = np.empty((RESAMPLES, n), dtype=np.float32)
    for row in range(RESAMPLES):
        counts[row] = np.bincount(rng.integers(0, n, n), minlength=n)
    return counts


def bootstrap_macro(
    gold: npt.NDArray[np.int64], hyp: npt.NDArray[np.int64], kept: npt.NDArray[np.bool_], seed: int
) -> dict[str, tuple[float, float]]:
    """Return percentile bootstrap 95 % intervals of macro prec, rec and f1 over the kept labels (labels,).

    1,000 resamples of the items with replacement, counts taken anew in each (Efron 1979). gold and hyp (n,).
    """
    n_labels = len(kept)
    weights = resample_counts(len(gold), seed)  # (RESAMPLES, n)
    of_gold = np.eye(n_labels, dtype=np.float32)[gold]  # (n, labels)
    of_hyp = np.eye(n_labels + 1, n_labels, dtype=np.float32)[hyp]  # no label (-1): a row of zeros
    support, predicted = weights @ of_gold, weights @ of_hyp  # (RESAMPLES, labels)
    hits = weights @ (of_gold * of_hyp)
    scores = {
        "prec": hits / np.maximum(predicted, 1),
        "rec": hits / np.maximum(support, 1),
        "f1": 2 * hits / np.maximum(support + predicted, 1),
    }
    low_high = {name: np.percentile(values[:, kept].mean(axis=1), (2.5, 97.5)) for name, values in scores.items()}
    return {name: (float(low), float(high)) for name, (low, high) in low_high.items()}
