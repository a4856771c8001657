"""Metrics of bitext retrieval from gold and retrieved indices; every function is pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def predict_at_k(gold: Ints, retrieved: Ints, k: int) -> Ints:
    """Return the original's prediction (n,): the gold index where it is among the k nearest, else the nearest.

    gold (n,), retrieved (n, >= k), best first. Winata et al. 2024, arXiv 2406.07424; so for k > 1 the figures are
    hit rates dressed as classification scores, not F1 of mined pairs.
    """
    hit = (retrieved[:, :k] == gold[:, None]).any(axis=1)
    return np.where(hit, gold, retrieved[:, 0])


def item_scores(gold: Ints, hyp: Ints) -> dict[str, npt.NDArray[np.float64]]:
    """Return for each item (n,) whether it is right (acc, rec) and its class's precision and F1.

    Classes are sentence ids. The mean over items is the support-weighted mean over classes, so it equals
    scikit-learn's accuracy_score and precision_recall_fscore_support(average="weighted", zero_division=0),
    which the original calls. A prediction of -1 stands for none.
    """
    size = int(max(gold.max(), hyp.max())) + 1
    hits = np.bincount(gold[gold == hyp], minlength=size)
    support, predicted = np.bincount(gold, minlength=size), np.bincount(hyp[hyp >= 0], minlength=size)
    precision = np.divide(hits, predicted, out=np.zeros(size), where=predicted > 0)
    f1 = 2 * hits / np.maximum(support + predicted, 1)
    right = (gold == hyp).astype(np.float64)
    return {"acc": right, "prec": precision[gold], "rec": right, "f1": f1[gold]}


def reciprocal_ranks(gold: Ints, retrieved: Ints, k: int) -> npt.NDArray[np.float64]:
    """Return 1 / rank of the gold candidate for each query, 0 where it is not among the k nearest: (n,)."""
    hit = retrieved[:, :k] == gold[:, None]
    return np.where(hit.any(axis=1), 1.0 / (hit.argmax(axis=1) + 1), 0.0)


def text_ids(texts: Sequence[str]) -> Ints:
    """Return an id for each text that equal texts share (n,)."""
    ids: dict[str, int] = {}
    return np.array([ids.setdefault(text, len(ids)) for text in texts], dtype=np.int64)


def dedup_hits(gold: Ints, retrieved: Ints, ids: Ints, k: int) -> npt.NDArray[np.bool_]:
    """Return whether one of the k retrieved texts equals the gold text: (n,)."""
    found = np.where(retrieved[:, :k] < 0, -1, ids[retrieved[:, :k]])  # -1: nothing was found
    hits: npt.NDArray[np.bool_] = (found == ids[gold][:, None]).any(axis=1)
    return hits


def ceiling_hyps(gold: Ints, ids: Ints, k: int) -> Ints:
    """Return the predictions of a perfect encoder (n,): identical candidates tie, the lower index comes first.

    So the gold is found only where it is among the first k of its duplicates, and no encoder can score more.
    """
    first: dict[int, int] = {}
    rank = np.empty(len(ids), dtype=np.int64)  # place of a candidate among its duplicates
    seen: dict[int, int] = {}
    for index, text in enumerate(ids.tolist()):
        first.setdefault(text, index)
        rank[index] = seen.get(text, 0)
        seen[text] = int(rank[index]) + 1
    best = np.array([first[text] for text in ids[gold].tolist()], dtype=np.int64)
    return np.where(rank[gold] < k, gold, best)


def confusion(gold: Ints, hyp: Ints, n_labels: int) -> Ints:
    """Return how often gold label i was called j: (labels, labels), a column more where an answer names none (-1)."""
    unparsed = hyp < 0
    n_columns = n_labels + int(unparsed.any())
    places = gold * n_columns + np.where(unparsed, n_labels, hyp)
    return np.bincount(places, minlength=n_labels * n_columns).reshape(n_labels, n_columns)


def label_scores(counts: npt.NDArray[Any]) -> dict[str, npt.NDArray[np.float64]]:
    """Return precision, recall and F1 of each label from confusion counts (..., labels, columns); 0 where undefined."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1).astype(np.float64)
    support, predicted = counts.sum(axis=-1), counts.sum(axis=-2)[..., : counts.shape[-2]]
    return {
        "prec": hits / np.maximum(predicted, 1),
        "rec": hits / np.maximum(support, 1),
        "f1": 2 * hits / np.maximum(support + predicted, 1),
    }


def macro_labels(gold: Ints, hyp: Ints, n_labels: int, *, legacy: bool = False) -> npt.NDArray[np.bool_]:
    """Return which labels (labels,) the macro mean is over.

    The labels that the gold has: one set for every model. The original leaves it to scikit-learn, which also
    counts a label that a model predicts and the gold never has.
    """
    present = np.bincount(gold, minlength=n_labels) > 0
    return present | (np.bincount(hyp[hyp >= 0], minlength=n_labels) > 0) if legacy else present
