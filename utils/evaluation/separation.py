"""How far languages or classes are apart in sentence vectors: their share of the variance, and linear probes; pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from utils.evaluation import stats
from utils.evaluation.alignment import jackknife_error

Values = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32] | Values
Ints = npt.NDArray[np.int64]
FOLDS = 5
EQUAL = 1e-12  # variance of a text that rounding explains
ITERATIONS = 200  # of the logistic regression; what has not converged by then is a probe all the same


def codes_of(values: Sequence[Hashable]) -> Ints:
    """Return a whole number for each value (n,), equal ones for equal values, numbered as they occur."""
    places = {value: place for place, value in enumerate(dict.fromkeys(values))}
    return np.array([places[value] for value in values], dtype=np.int64)


def variance_between(
    rows: Matrix, values: Sequence[Hashable], sentences: Sequence[Hashable]
) -> tuple[float, float, float]:
    """Return the share of the variance of rows (n, d) that lies between the groups of equal values, and its interval.

    It is the sum of squares of the groups' means around the mean of all texts, each as often as the group has texts,
    divided by that of all texts (eta squared, over all dimensions). Groups drawn at random reach (groups - 1) / (n - 1)
    on average. The 95 % interval is that of the jackknife over sentences: texts of one sentence, which are
    translations, are left out together. 0 where all rows are equal.
    """
    moved = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    groups, clusters = codes_of(values), codes_of(sentences)
    n_clusters = int(clusters.max()) + 1
    value, without = _share(moved, groups, np.zeros_like(clusters), 0), _share(moved, groups, clusters, n_clusters)
    half = stats.Z95 * jackknife_error(without) if n_clusters > 1 else 0.0
    return float(value[0]), float(max(value[0] - half, 0.0)), float(min(value[0] + half, 1.0))


def _share(rows: Values, groups: Ints, clusters: Ints, n_clusters: int) -> Values:
    """Return the share between groups without each cluster (n_clusters,), or of all texts (1,) where that is 0."""
    every = max(n_clusters, 1)
    sums, squares, n_all = np.zeros((every, rows.shape[1])), np.zeros(every), np.zeros(every)
    between = np.zeros(every)
    for group in range(groups.max() + 1):
        mine = groups == group
        left_out, n_left_out, squares_left_out = np.zeros_like(sums), np.zeros(every), np.zeros(every)
        lengths = (rows[mine] ** 2).sum(axis=1)
        if n_clusters:
            np.add.at(left_out, clusters[mine], rows[mine])
            np.add.at(n_left_out, clusters[mine], 1)
            np.add.at(squares_left_out, clusters[mine], lengths)
        own, n_own = rows[mine].sum(axis=0) - left_out, mine.sum() - n_left_out
        between += np.divide((own**2).sum(axis=1), n_own, out=np.zeros(every), where=n_own > 0)
        sums, n_all = sums + own, n_all + n_own
        squares += lengths.sum() - squares_left_out
    middle = np.divide((sums**2).sum(axis=1), n_all, out=np.zeros(every), where=n_all > 0)
    total = squares - middle
    shares = np.divide(between - middle, total, out=np.zeros(every), where=total > EQUAL * n_all)
    clipped: Values = np.clip(shares, 0.0, 1.0)
    return clipped


def probe_accuracy(
    rows: Matrix, values: Sequence[Hashable], sentences: Sequence[Hashable], seed: int
) -> tuple[float, float, float] | None:
    """Return the accuracy of a linear probe that tells the values from rows (n, d), and its interval.

    It is the logistic regression of scikit-learn on standardised dimensions, cross-validated in 5 folds with about the
    same shares of each value. Texts of one sentence are in one fold, so that the probe never sees a translation of
    what it is tested on. The 95 % interval is a percentile bootstrap over sentences. None where a value is in fewer
    than two sentences, or there is one value only.
    """
    codes, clusters = codes_of(values), codes_of(sentences)
    within = [len(np.unique(clusters[codes == code])) for code in range(codes.max() + 1)]
    if len(within) < 2 or min(within) < 2:
        return None
    hits = predicted_values(rows, codes, clusters, min(FOLDS, *within), seed) == codes
    n_texts = np.bincount(clusters).astype(np.float64)
    n_hits = np.bincount(clusters, weights=hits)
    counts = stats.resample_counts(len(n_texts), seed).astype(np.float64)
    return (float(hits.mean()), *stats.percentiles((counts @ n_hits) / (counts @ n_texts)))


def predicted_values(rows: Matrix, codes: Ints, clusters: Ints, folds: int, seed: int) -> Ints:
    """Return the value (n,) that a probe trained on the other folds predicts for each text."""
    import warnings

    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    found = np.full(len(codes), -1, dtype=np.int64)
    splits = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(rows, codes, clusters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it may not converge is said above
        for train, test in splits:
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=ITERATIONS, random_state=seed))
            found[test] = model.fit(rows[train], codes[train]).predict(rows[test])
    return found
