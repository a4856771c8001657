"""Joining several encoders' rankings (DistFuse): weighted scores, weighted distances, reciprocal ranks; pure.

Winata et al. 2024, section 3.4, sum weighted Euclidean distances; reciprocal rank fusion is Cormack, Clarke and
Buettcher 2009, with its constant of 60.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.errors import UserError
from utils.retrieval.rows import first_of_equals
from utils.retrieval.similarities import WORK_BYTES
from utils.retrieval.topk import build_score_function, concatenate, topk
from utils.schema import TopK

if TYPE_CHECKING:
    from torch import Tensor

    from utils.schema import Rows

RRF = 60


def fused_topk(
    members: Sequence[tuple[Rows, Rows]],
    weights: Sequence[float],
    k: int,
    *,
    fuse: str = "score",
    normalize: str = "none",
    similarity: str = "cosine",
    device: str = "cpu",
    precision: str | None = None,
) -> TopK:
    """Return the k best candidates by several encoders together, best first, ties to the lower index.

    members: (queries (n, d_i), candidates (m, d_i)) of each encoder; weights >= 0, not all 0. `score`: the weighted
    mean of the similarities; `distance`: the negative weighted sum of Euclidean distances; `rank`: the weighted sum
    of 1 / (60 + rank). `normalize` puts each member's scores of a query on one scale over all candidates first.
    One member is searched as it is, as is the mean cosine or dot product; `precision` is that of their scan
    (utils/retrieval.py).
    Raises UserError for rows that cannot be searched.
    """
    if len(members) == 1:
        single = "euclidean" if fuse == "distance" else similarity
        return topk(*members[0], k, similarity=single, device=device, precision=precision)
    if fuse == "score" and normalize == "none" and similarity in ("cosine", "dot"):
        queries, candidates = zip(*members, strict=True)
        left, right = (concatenate(side, weights, similarity) for side in (queries, candidates))
        return topk(left, right, k, similarity=similarity, device=device, precision=precision)
    return _search(members, weights, k, fuse, normalize, "euclidean" if fuse == "distance" else similarity, device)


def _search(
    members: Sequence[tuple[Rows, Rows]],
    weights: Sequence[float],
    k: int,
    fuse: str,
    normalize: str,
    similarity: str,
    device: str,
) -> TopK:
    """Score a block of queries with all candidates in float64, one member after the other."""
    import torch

    n, m = len(members[0][0]), len(members[0][1])
    if not 1 <= k <= m:
        raise UserError(f"k = {k}, but there are {m} candidates", f"give 1 to {m}")
    total = sum(weights)
    scorers = [build_score_function(queries, candidates, similarity, device) for queries, candidates in members]
    joined = np.concatenate([candidates for _, candidates in members], axis=1)
    first = first_of_equals(joined)
    indices, scores = np.empty((n, k), dtype=np.int64), np.empty((n, k), dtype=np.float32)
    step = max(1, WORK_BYTES // (16 * m))
    with torch.inference_mode():
        for start in range(0, n, step):
            rows = torch.arange(start, min(n, start + step), device=device)
            fused = torch.zeros((len(rows), m), dtype=torch.float64, device=device)
            for scorer, weight in zip(scorers, weights, strict=True):
                values = scorer(rows)
                values = values[:, first] if first is not None else values
                fused += weight / total * (_reciprocal_ranks(values) if fuse == "rank" else _normal(values, normalize))
            value, order = fused.float().sort(dim=1, descending=True, stable=True)
            indices[start : start + len(rows)] = order[:, :k].cpu().numpy()
            scores[start : start + len(rows)] = value[:, :k].cpu().numpy()
    return TopK(indices, scores)


def _normal(values: Tensor, normalize: str) -> Tensor:
    """Put each row (q, m) on one scale; a constant row becomes zeros."""
    if normalize == "zscore":
        spread = values.std(dim=1, correction=0, keepdim=True)
        return (values - values.mean(dim=1, keepdim=True)) / spread.where(spread > 0, spread + 1)
    if normalize == "minmax":
        low, high = values.amin(dim=1, keepdim=True), values.amax(dim=1, keepdim=True)
        return (values - low) / (high - low).where(high > low, high * 0 + 1)
    return values


def _reciprocal_ranks(values: Tensor) -> Tensor:
    """Return 1 / (60 + rank) of each candidate in its row (q, m), rank 1 the best; equal scores share the best rank."""
    import torch

    rounded = values.float()
    ordered, order = rounded.sort(dim=1, descending=True, stable=True)
    position = torch.arange(values.shape[1], device=values.device).expand_as(order)
    new = torch.ones_like(ordered, dtype=torch.bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    rank = torch.where(new, position, 0).cummax(dim=1).values + 1  # equal neighbours keep the first one's rank
    return torch.zeros_like(values).scatter_(1, order, 1.0 / (RRF + rank.double()))


TENTHS, FIFTHS = 10, 5  # steps of the grid: for two members, for more


def weight_grid(n_members: int) -> list[tuple[float, ...]]:
    """Return all weights that sum to 1 in steps of 0.1 (two members) or 0.2 (more), zeros included."""
    steps = TENTHS if n_members == 2 else FIFTHS
    points = itertools.product(range(steps + 1), repeat=n_members)
    return [tuple(part / steps for part in point) for point in points if sum(point) == steps]


def tune(
    n_members: int, evaluate: Callable[[Sequence[float]], float]
) -> tuple[tuple[float, ...], list[dict[str, Any]]]:
    """Return the weights of the highest validation score, and the whole grid with its scores.

    Of equal scores the weights nearest to equal ones win, then the first in the grid's order.
    """
    grid: list[dict[str, Any]] = [
        {"weights": list(weights), "score": evaluate(weights)} for weights in weight_grid(n_members)
    ]
    equal = 1 / n_members
    best = max(grid, key=lambda point: (point["score"], -sum((weight - equal) ** 2 for weight in point["weights"])))
    return tuple(best["weights"]), grid
