"""Exact top-k retrieval: tiles over both sides, memory bounded by the tile, ties to the lower index.

The score of a query and a candidate is its float64 value rounded to float32, so it does not depend on tile
sizes, batch neighbours or the device. A scan in low precision (utils/scan.py) keeps all candidates that can be among
the k best; they are scored in float32, and those that its error leaves in doubt in float64. Where few candidates make
that not worth while, a plain float32 scan keeps k + SLACK a row, and a row is certified when, by the worst-case
rounding error of a float32 product (Higham 2002, section 3.1), no other candidate can reach its k-th score. Rows that
are not certified (ties at the border, as exact duplicates make them) are searched again in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.errors import UserError
from utils.retrieval.exact_search import search
from utils.retrieval.quantized_scan import PRECISIONS
from utils.retrieval.shards import over_slabs
from utils.retrieval.similarities import Margin, Product
from utils.schema import MARGINS, SIMILARITIES, TopK

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from utils.schema import Rows


def topk(
    queries: Rows | Tensor,
    candidates: Rows | Tensor,
    k: int,
    *,
    similarity: str = "cosine",
    device: str = "cpu",
    precision: str | None = None,
) -> TopK:
    """Return the k most similar candidates of each query, best first, ties to the lower index.

    queries (n, d) and candidates (m, d) are float32 rows (others are rounded to it): numpy, where a memory map is read
    slab by slab, torch, or lists; scores are cosines, dot products or negative Euclidean distances. `precision` is that
    of the scan (int8, bf16, fp32, or plain: float32 without block maxima); None takes the fastest one, and all give the
    same. Raises UserError for NaN, for zero rows under cosine, and for k > m.
    """
    if similarity not in SIMILARITIES:
        raise UserError(f"unknown similarity {similarity!r}", f"choose from: {', '.join(SIMILARITIES)}")
    queries, candidates = _rows(queries), _rows(candidates)
    _check(k, precision, device)

    def one(part: slice, place: str) -> TopK:
        scorer = _scorer(queries, candidates[part], similarity, place)
        return search(scorer, min(k, scorer.shape[1]), precision)

    return over_slabs(candidates, k, device, one)


def margin_topk(
    queries: Rows | Tensor,
    candidates: Rows | Tensor,
    k: int,
    *,
    margin: str,
    margin_k: int,
    device: str = "cpu",
    precision: str | None = None,
) -> TopK:
    """Return the k candidates of greatest margin for each query, over all candidates.

    With a = cos(x, y) and b the mean of x's and y's average cosine to their `margin_k` nearest neighbours on the
    other side: ratio a / b, distance a - b, absolute a (Artetxe and Schwenk 2019, arXiv 1811.01136, section 3),
    csls 2a - r(x) - r(y) (Conneau et al. 2018, arXiv 1710.04087, section 2.3). `precision` as in `topk`.
    """
    if margin not in MARGINS:
        raise UserError(f"unknown margin {margin!r}", f"choose from: {', '.join(MARGINS)}")
    queries, candidates = _rows(queries), _rows(candidates)
    _check(k, precision, device)
    if margin in ("none", "absolute"):
        return topk(queries, candidates, k, device=device, precision=precision)
    few = min(len(queries), len(candidates))
    if not 1 <= margin_k <= few:
        raise UserError(f"--margin_k {margin_k}, but the smaller side has {few} texts", f"give 1 to {few}")
    forward, backward = (
        topk(ours, theirs, margin_k, device=device, precision=precision).scores.mean(axis=1, dtype=np.float64)
        for ours, theirs in ((queries, candidates), (candidates, queries))
    )  # (n,), (m,)

    def one(part: slice, place: str) -> TopK:
        product = _scorer(queries, candidates[part], "cosine", place)
        return search(Margin(product, margin, forward, backward[part]), min(k, product.shape[1]), precision)

    return over_slabs(candidates, k, device, one)


def concatenate(members: Sequence[Rows], weights: Sequence[float], similarity: str = "cosine") -> Rows:
    """Join several encoders' rows so that one cosine, or one dot product, is the weighted mean of theirs.

    Rows, of unit length for cosines, scaled by sqrt(weight / sum of weights), side by side: (n, d1 + d2 + ...).
    """
    total = float(sum(weights))
    parts = [
        (_unit(rows) if similarity == "cosine" else rows) * np.float32(np.sqrt(weight / total))
        for rows, weight in zip(members, weights, strict=True)
    ]
    return np.ascontiguousarray(np.concatenate(parts, axis=1), dtype=np.float32)


def pair_scores(
    queries: Rows | Tensor, candidates: Rows | Tensor, similarity: str, device: str
) -> Callable[[Tensor], Tensor]:
    """Return a function from query numbers (q,) to their float64 scores with all candidates (q, m)."""
    return _scorer(queries, candidates, similarity, device).full


def _unit(rows: Rows) -> Rows:
    norms = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))
    if (norms == 0).any():
        raise UserError(
            f"embedding {int(np.argmin(norms))} is all zeros: its cosine is not defined", "is its text empty?"
        )
    return np.asarray(rows / norms[:, None], dtype=np.float32)


def _rows(rows: Any) -> Any:
    """Return rows as an array of numpy or a tensor of torch: lists and tables become arrays."""
    if hasattr(rows, "detach"):
        return rows.detach()
    found = np.asarray(rows)
    if found.dtype.kind not in "fiu":
        found = found.astype(np.float32)
    if not found.dtype.isnative or any(stride < 0 for stride in found.strides):  # which torch does not take
        found = np.ascontiguousarray(found, dtype=np.float32)
    return found


def _check(k: Any, precision: str | None, device: str) -> None:
    """Raise UserError for a k that is no whole number, an unknown precision, and a device that is not there."""
    import torch

    if isinstance(k, bool) or not isinstance(k, (int, np.integer)):
        raise UserError(f"k = {k!r}", "give a whole number from 1 to the number of candidates")
    if precision is not None and precision not in (*PRECISIONS, "plain"):
        raise UserError(f"unknown precision {precision!r}", f"choose from: {', '.join(PRECISIONS)}, plain")
    if device != "cpu" and not (device.startswith("cuda") and torch.cuda.is_available()):
        raise UserError(f"no device {device!r} here", "use cpu" + (", or cuda" if torch.cuda.is_available() else ""))


def _scorer(queries: Rows | Tensor, candidates: Rows | Tensor, similarity: str, device: str) -> Product:
    q, c = _tensor(queries, "queries", device), _tensor(candidates, "candidates", device)
    if q.shape[1] != c.shape[1]:
        raise UserError(
            f"queries have {q.shape[1]} dimensions, candidates {c.shape[1]}", "encode both with the same encoder"
        )
    return Product(q, c, similarity)


def _tensor(rows: Any, name: str, device: str) -> torch.Tensor:
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a file opened for reading cannot be written
        tensor = torch.as_tensor(rows, dtype=torch.float32, device=device)
    if tensor.ndim != 2 or not tensor.shape[0]:
        raise UserError(f"{name} have the shape {tuple(tensor.shape)}, expected (n, d) with n > 0", "one row a text")
    return tensor.contiguous()
