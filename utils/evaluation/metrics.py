"""Metrics of retrieval and classification from gold and predicted indices; every function is pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def predict_at_k(gold: Ints, retrieved: Ints, k: int) -> Ints:
    """Return MINERS' prediction (n,): the gold index if it is among the k nearest candidates, else the nearest one.

    gold (n,), retrieved (n, >= k), best first. The definition is that of Winata et al. 2024, arXiv 2406.07424. For
    k > 1 the resulting figures are therefore hit rates in the form of classification scores, not the F1 of mined pairs.
    """
    hit = (retrieved[:, :k] == gold[:, None]).any(axis=1)
    return np.where(hit, gold, retrieved[:, 0])


def item_scores(gold: Ints, hyp: Ints) -> dict[str, npt.NDArray[np.float64]]:
    """Return for each item (n,) whether its prediction is correct (acc, rec), and its gold class's precision and F1.

    Classes are sentence ids. The mean over items is the support-weighted mean over classes. It equals
    scikit-learn's accuracy_score and precision_recall_fscore_support(average="weighted", zero_division=0),
    which MINERS' own code calls. A prediction of -1 means that there is none.
    """
    size = int(max(gold.max(), hyp.max())) + 1
    hits = np.bincount(gold[gold == hyp], minlength=size)
    support, predicted = np.bincount(gold, minlength=size), np.bincount(hyp[hyp >= 0], minlength=size)
    precision = np.divide(hits, predicted, out=np.zeros(size), where=predicted > 0)
    f1 = 2 * hits / np.maximum(support + predicted, 1)
    right = (gold == hyp).astype(np.float64)
    return {"acc": right, "prec": precision[gold], "rec": right, "f1": f1[gold]}


def reciprocal_ranks(gold: Ints, retrieved: Ints, k: int) -> npt.NDArray[np.float64]:
    """Return 1 / rank of the gold candidate for each query, 0 if it is not among the k nearest: (n,)."""
    hit = retrieved[:, :k] == gold[:, None]
    return np.where(hit.any(axis=1), 1.0 / (hit.argmax(axis=1) + 1), 0.0)


def text_ids(texts: Sequence[str]) -> Ints:
    """Return an integer id for each text (n,); equal texts have the same id."""
    ids: dict[str, int] = {}
    return np.array([ids.setdefault(text, len(ids)) for text in texts], dtype=np.int64)


def dedup_hits(gold: Ints, retrieved: Ints, ids: Ints, k: int) -> npt.NDArray[np.bool_]:
    """Return whether one of the k retrieved texts equals the gold text: (n,)."""
    found = np.where(retrieved[:, :k] < 0, -1, ids[retrieved[:, :k]])  # -1: the query has no vector
    hits: npt.NDArray[np.bool_] = (found == ids[gold][:, None]).any(axis=1)
    return hits


def ceiling_hyps(gold: Ints, ids: Ints, k: int) -> Ints:
    """Return the predictions of a perfect encoder at k: (n,).

    gold (n,), ids (m,) from `text_ids`. Candidates with equal texts have equal scores, and ties go to the lower
    index. So the gold candidate is found only if it is one of the first k candidates with its text. No encoder can
    score higher.
    """
    _, first, inverse, counts = np.unique(ids, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(inverse, kind="stable")  # candidates by text, equal texts by index
    starts = np.cumsum(counts) - counts
    rank = np.empty(len(ids), dtype=np.int64)  # position of a candidate among the candidates with its text
    rank[order] = np.arange(len(ids)) - starts[inverse[order]]
    return np.where(rank[gold] < k, gold, first[inverse][gold])


def confusion(gold: Ints, hyp: Ints, n_labels: int) -> Ints:
    """Return how often gold label i was predicted as label j: (labels, labels).

    If a prediction names no label (-1), there is one more column, which counts these.
    """
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
    """Return which labels (labels,) enter the macro mean: those that occur in the gold, the same for every model.

    `legacy` reproduces MINERS' published figures: its code calls scikit-learn without a list of labels, which also
    averages over labels that a model predicts although the gold never has them.
    """
    present = np.bincount(gold, minlength=n_labels) > 0
    return present | (np.bincount(hyp[hyp >= 0], minlength=n_labels) > 0) if legacy else present
