"""Ensembles of encoders (DistFuse): weighted scores, weighted distances, reciprocal rank fusion; pure.

Winata et al. 2024, section 3.4, sum weighted Euclidean distances; reciprocal rank fusion is Cormack, Clarke and
Buettcher 2009, with its constant of 60.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.errors import UserError
from utils.retrieval.kinds_of_rows import first_of_equal_texts, is_dense
from utils.retrieval.similarities import WORK_BYTES
from utils.retrieval.topk import build_score_function, concatenate, topk
from utils.schema import TopK

if TYPE_CHECKING:
    from torch import Tensor

    from utils.schema import Vectors

RRF = 60  # the constant of reciprocal rank fusion
TENTHS, FIFTHS = 10, 5  # steps of the weight grid for two encoders, and for more


def fused_topk(
    members: Sequence[tuple[Vectors, Vectors]],
    weights: Sequence[float],
    k: int,
    *,
    fuse: str = "score",
    normalize: str = "none",
    similarity: str = "cosine",
    device: str = "cpu",
    precision: str | None = None,
) -> TopK:
    """Return the k best candidates of each query by several encoders together, best first, ties to the lower index.

    members: (queries (n, d_i), candidates (m, d_i)) of each encoder; weights >= 0, not all 0. `fuse` is what is ranked
    by: score, the weighted mean of the similarities; distance, the negative weighted mean of Euclidean distances; rank,
    the weighted mean of 1 / (60 + rank). `normalize` first rescales each encoder's scores of a query over all
    candidates: zscore or minmax. Rows of several vectors have the similarity MaxSim. A single encoder, and the mean of
    cosines or dot products of dense rows, are searched by `topk`, which `precision` is for. Raises UserError as `topk`
    does.
    """
    if len(members) == 1:
        single = "euclidean" if fuse == "distance" else similarity
        return topk(*members[0], k, similarity=single, device=device, precision=precision)
    dense = all(is_dense(*member) for member in members)
    if dense and fuse == "score" and normalize == "none" and similarity in ("cosine", "dot"):
        queries, candidates = zip(*members, strict=True)
        left, right = (concatenate(side, weights, similarity) for side in (queries, candidates))
        return topk(left, right, k, similarity=similarity, device=device, precision=precision)
    return _search_fused(
        members, weights, k, fuse, normalize, "euclidean" if fuse == "distance" else similarity, device
    )


def _search_fused(
    members: Sequence[tuple[Vectors, Vectors]],
    weights: Sequence[float],
    k: int,
    fuse: str,
    normalize: str,
    similarity: str,
    device: str,
) -> TopK:
    """Rank all candidates by fused float64 scores, for a block of queries at a time."""
    import torch

    n, m = (side.shape[0] for side in members[0])
    if not 1 <= k <= m:
        raise UserError(f"k = {k}, but there are {m} candidates", f"give 1 to {m}")
    total = sum(weights)
    scorers = [build_score_function(queries, candidates, similarity, device) for queries, candidates in members]
    first = [first_of_equal_texts(candidates) for _, candidates in members]
    indices, scores = np.empty((n, k), dtype=np.int64), np.empty((n, k), dtype=np.float32)
    step = max(1, WORK_BYTES // (16 * m))
    with torch.inference_mode():
        for start in range(0, n, step):
            rows = torch.arange(start, min(n, start + step), device=device)
            fused = torch.zeros((len(rows), m), dtype=torch.float64, device=device)
            for scorer, weight, same in zip(scorers, weights, first, strict=True):
                values = scorer(rows)
                values = values[:, same] if same is not None else values
                fused += weight / total * (_reciprocal_ranks(values) if fuse == "rank" else _rescale(values, normalize))
            value, order = fused.float().sort(dim=1, descending=True, stable=True)
            indices[start : start + len(rows)] = order[:, :k].cpu().numpy()
            scores[start : start + len(rows)] = value[:, :k].cpu().numpy()
    return TopK(indices, scores)


def _rescale(values: Tensor, normalize: str) -> Tensor:
    """Return each row (q, m) rescaled to mean 0 and deviation 1, or to 0 to 1; a constant row becomes zeros."""
    if normalize == "zscore":
        spread = values.std(dim=1, correction=0, keepdim=True)
        return (values - values.mean(dim=1, keepdim=True)) / spread.where(spread > 0, spread + 1)
    if normalize == "minmax":
        low, high = values.amin(dim=1, keepdim=True), values.amax(dim=1, keepdim=True)
        return (values - low) / (high - low).where(high > low, high * 0 + 1)
    return values


def _reciprocal_ranks(values: Tensor) -> Tensor:
    """Return 1 / (60 + rank) of each candidate in its row (q, m); ranks start at 1, equal scores share one."""
    import torch

    rounded = values.float()
    ordered, order = rounded.sort(dim=1, descending=True, stable=True)
    position = torch.arange(values.shape[1], device=values.device).expand_as(order)
    new = torch.ones_like(ordered, dtype=torch.bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    rank = torch.where(new, position, 0).cummax(dim=1).values + 1  # equal scores have the rank of the first
    return torch.zeros_like(values).scatter_(1, order, 1.0 / (RRF + rank.double()))


def weight_grid(n_members: int) -> list[tuple[float, ...]]:
    """Return all weights that sum to 1, in steps of 0.1 for two encoders and 0.2 for more; weights may be 0."""
    steps = TENTHS if n_members == 2 else FIFTHS
    points = itertools.product(range(steps + 1), repeat=n_members)
    return [tuple(part / steps for part in point) for point in points if sum(point) == steps]


def tune(
    n_members: int, evaluate: Callable[[Sequence[float]], float]
) -> tuple[tuple[float, ...], list[dict[str, Any]]]:
    """Return the weights with the highest validation score, and the whole grid with its scores.

    `evaluate` returns the score of weights. Among equal scores the most even weights are chosen, then the first ones
    in the order of the grid.
    """
    grid: list[dict[str, Any]] = [
        {"weights": list(weights), "score": evaluate(weights)} for weights in weight_grid(n_members)
    ]
    equal = 1 / n_members
    best = max(grid, key=lambda point: (point["score"], -sum((weight - equal) ** 2 for weight in point["weights"])))
    return tuple(best["weights"]), grid
