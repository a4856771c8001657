"""Scores of given pairs of rows, and rankings without one candidate a query; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from utils.retrieval.topk import build_score_function
from utils.schema import TopK

if TYPE_CHECKING:
    from utils.schema import Vectors

    Numbers = npt.NDArray[np.int64]

BLOCK = 64  # pairs that are scored at once, with each other's candidates too


def aligned_scores(
    members: Sequence[tuple[Vectors, Vectors]],
    weights: Sequence[float],
    left: Numbers,
    right: Numbers,
    *,
    similarity: str = "cosine",
    device: str = "cpu",
) -> npt.NDArray[np.float32]:
    """Return the score of the query left[i] with the candidate right[i], for each pair (p,).

    members: (queries (n, d_i), candidates (m, d_i)) of each encoder, whose weighted mean is taken. A score is the
    float64 value rounded to float32, as in a search; NaN where a text has no vector.
    """
    import torch

    total = np.zeros(len(left))
    for (queries, candidates), weight in zip(members, weights, strict=True):
        there = np.flatnonzero(_has_vector(queries, left) & _has_vector(candidates, right))
        found = np.full(len(left), np.nan)
        for start in range(0, len(there), BLOCK):
            block = there[start : start + BLOCK]
            score = build_score_function(queries[left[block]], candidates[right[block]], similarity, device)
            with torch.inference_mode():
                found[block] = score(torch.arange(len(block), device=device)).diagonal().cpu().numpy()
        total += found * (weight / sum(weights))
    return total.astype(np.float32)


def without_own(found: TopK, own: Numbers) -> TopK:
    """Return rankings (n, k - 1) without the candidate own[i] of each query; the last one goes where it is not there.

    An index below 0 is no candidate, and -2 in `own` leaves out the last one.
    """
    kept = found.indices != own[:, None]
    kept[kept.all(axis=1), -1] = False
    shape = (len(own), found.indices.shape[1] - 1)
    return TopK(found.indices[kept].reshape(shape), found.scores[kept].reshape(shape))


def _has_vector(rows: Any, numbers: Numbers) -> npt.NDArray[np.bool_]:
    if not isinstance(rows, np.ndarray):  # rows of other kinds are of local encoders, which have vectors of all texts
        return np.ones(len(numbers), dtype=np.bool_)
    found: npt.NDArray[np.bool_] = ~np.isnan(rows[numbers, 0])
    return found
