"""The measures of llama2-embedding (Mesolitica) for rows of a query, its positives and its negatives; pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from utils.evaluation import stats

TOP = (1, 3, 5, 10)
Ints = npt.NDArray[np.int64]
Intervals = dict[str, tuple[float, float]]


def pair_figures(
    positive: Sequence[float] | npt.NDArray[np.float32],
    negative: Sequence[float] | npt.NDArray[np.float32],
    ranked: Ints,
    queries: Ints,
    seed: int,
) -> tuple[dict[str, float], Intervals]:
    """Return the measures, and their 95 % intervals over pairs.

    positive_score: the mean of the cosines of queries and positives, `positive` (p,). negative_score: the mean of
    1 - the cosines of queries and negatives, `negative` (q,); each is left out where there are no cosines. top1, top3,
    top5, top10: share of the positives among whose nearest texts, `ranked` (p, 10) without the positive itself, is the
    query of their row, queries (p,).
    """
    metrics: dict[str, float] = {}
    ci95: Intervals = {}
    for name, cosines, sign in (("positive_score", positive, 1), ("negative_score", negative, -1)):
        values = np.asarray(cosines, dtype=np.float64)
        values = values[~np.isnan(values)]
        if len(values):
            values = values if sign > 0 else 1 - values
            metrics[name], ci95[name] = float(values.mean()), stats.bootstrap_mean(values, seed)
    for k in TOP:
        hits = (ranked[:, :k] == queries[:, None]).any(axis=1)
        metrics[f"top{k}"], ci95[f"top{k}"] = float(hits.mean()), stats.wilson(int(hits.sum()), len(hits))
    return metrics, ci95
