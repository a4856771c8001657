"""k-nearest-neighbour classification: the label of a text from the labels of its neighbours; pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def vote(
    labels: npt.NDArray[np.int64], scores: npt.NDArray[np.float32], n_labels: int, *, weighted: bool = False
) -> npt.NDArray[np.int64]:
    """Return the most frequent label among each row's neighbours: (n,).

    labels (n, k) and scores (n, k) of the neighbours, nearest first. Ties go to the label with the nearest neighbour.
    `weighted` weights a neighbour by its score if scores are similarities (a negative one by 0), and by
    1 / (1 + distance) if they are negative distances.
    """
    n = len(labels)
    weights = _weights(scores) if weighted else np.ones(labels.shape)
    totals = np.zeros((n, n_labels))
    for column in range(labels.shape[1]):  # vectorised over the rows
        totals[np.arange(n), labels[:, column]] += weights[:, column]
    best = totals.max(axis=1, keepdims=True)
    winners = np.isclose(totals, best, rtol=1e-12, atol=0)  # (n, labels)
    first = winners[np.arange(n)[:, None], labels].argmax(axis=1)
    chosen: npt.NDArray[np.int64] = labels[np.arange(n), first]
    return chosen


def _weights(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    values = scores.astype(np.float64)
    return 1 / (1 - values) if (values <= 0).all() else np.maximum(values, 0)
