"""Exact top-k retrieval by cosine, dot product, Euclidean distance, and margins.

The score of a query and a candidate is its float64 value rounded to float32, and ties go to the lower index. So scores
depend neither on tile sizes nor on the other rows of a batch nor on the device. Small problems are searched in numpy
(utils/retrieval/small_search.py), others in torch (utils/retrieval/exact_search.py), shard by shard, so that memory is
bounded by the shard.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from utils.constants import MARGINS, SIMILARITIES
from utils.errors import UserError, counted
from utils.retrieval.exact_search import search
from utils.retrieval.kinds_of_rows import check_max_sim, is_dense, is_sparse, refuse_others
from utils.retrieval.mapped_rows import LARGE, blocks, is_mapped, new_rows
from utils.retrieval.max_sim import max_sim_scores, max_sim_topk
from utils.retrieval.quantized_scan import PRECISIONS
from utils.retrieval.rows import row_norms
from utils.retrieval.shards import search_shards
from utils.retrieval.similarities import Margin, Product
from utils.retrieval.small_search import SmallMargin, SmallProduct, is_small, search_small
from utils.retrieval.sparse_search import sparse_scores, sparse_topk
from utils.schema import TopK

if TYPE_CHECKING:
    from torch import Tensor

    from utils.retrieval.token_rows import TokenRows
    from utils.schema import Rows, Vectors


def topk(
    queries: Vectors | Tensor,
    candidates: Vectors | Tensor,
    k: int,
    *,
    similarity: str = "cosine",
    device: str = "cpu",
    precision: str | None = None,
) -> TopK:
    """Return the k most similar candidates of each query, best first, ties to the lower index.

    queries (n, d) and candidates (m, d) are numpy arrays, torch tensors or nested lists; they are rounded to float32. A
    memory-mapped array is read shard by shard. Scores are cosines, dot products or negative Euclidean distances.
    `precision` is that of the scan: int8, bf16, fp32, or plain (float32 without pruning). It defaults to the fastest;
    the results do not depend on it. Raises UserError for NaN, for zero rows under cosine, and for k > m.

    Rows of several vectors (TokenRows) are compared by MaxSim, whatever the similarity of single vectors is, and sparse
    rows (scipy) by cosine or dot product; both have no Euclidean distance.
    """
    if similarity not in SIMILARITIES:
        raise UserError(f"unknown similarity {similarity!r}", f"choose from: {', '.join(SIMILARITIES)}")
    if not is_dense(queries, candidates):
        _check(k, candidates.shape[0], precision, device)
        return _topk_of_others(queries, candidates, k, similarity, device, precision)
    q, c = _rows(queries), _rows(candidates)
    _check(k, len(c), precision, device)
    if prefers_numpy(q, c, k, device, precision):
        return search_small(SmallProduct(q, c, similarity), k)
    if is_mapped(q) and q.nbytes > LARGE:
        some = blocks(q, size=LARGE)
        return _joined(
            [topk(np.array(q[part]), c, k, similarity=similarity, device=device, precision=precision) for part in some]
        )

    def search_shard(shard: slice, place: str) -> TopK:
        scorer = build_product(q, c[shard], similarity, place)
        return search(scorer, min(k, scorer.shape[1]), precision)

    return search_shards(c, k, device, search_shard)


def _topk_of_others(queries: Any, candidates: Any, k: int, similarity: str, device: str, precision: str | None) -> TopK:
    """Return what `topk` does for sparse rows, and for rows of several vectors."""
    if is_sparse(queries):
        return sparse_topk(queries, candidates, k, similarity)
    check_max_sim(similarity)
    return max_sim_topk(queries, candidates, k, device=device, precision=precision)


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
    """Return the k candidates with the greatest margin for each query, over all candidates.

    With a = cos(x, y), r the mean cosine of a text to its `margin_k` nearest neighbours on the other side, and
    b = (r(x) + r(y)) / 2: ratio a / b, distance a - b, absolute a (Artetxe and Schwenk 2019, arXiv 1811.01136,
    section 3), csls 2a - r(x) - r(y) (Conneau et al. 2018, arXiv 1710.04087, section 2.3). `precision` and errors as
    in `topk`; UserError also for a margin_k above the number of texts on either side.
    """
    if margin not in MARGINS:
        raise UserError(f"unknown margin {margin!r}", f"choose from: {', '.join(MARGINS)}")
    refuse_others((queries, candidates), "margins are")
    q, c = _rows(queries), _rows(candidates)
    _check(k, len(c), precision, device)
    if margin in ("none", "absolute"):
        return topk(q, c, k, device=device, precision=precision)
    check_margin_k(margin_k, len(q), len(c))
    forward, backward = (
        topk(ours, theirs, margin_k, device=device, precision=precision).scores.mean(axis=1, dtype=np.float64)
        for ours, theirs in ((q, c), (c, q))
    )  # (n,), (m,)
    if prefers_numpy(q, c, k, device, precision):
        return search_small(SmallMargin(SmallProduct(q, c, "cosine"), margin, forward, backward), k)

    def search_shard(shard: slice, place: str) -> TopK:
        product = build_product(q, c[shard], "cosine", place)
        return search(Margin(product, margin, forward, backward[shard]), min(k, product.shape[1]), precision)

    return search_shards(c, k, device, search_shard)


def check_margin_k(margin_k: int, n_queries: int, n_candidates: int) -> None:
    """Raise UserError where a side has fewer texts than a margin takes neighbours."""
    smaller = min(n_queries, n_candidates)
    if not 1 <= margin_k <= smaller:
        what = f"--margin_k {margin_k}, but the smaller side has {counted(smaller, 'text')}"
        raise UserError(what, f"give 1 to {smaller}" if smaller > 1 else "give it more texts, or --margin_k 1")


def concatenate(members: Sequence[Rows], weights: Sequence[float], similarity: str = "cosine") -> Rows:
    """Join the rows of several encoders so that their cosine, or dot product, is the weighted mean of the encoders'.

    The rows, normalised to unit length for cosines, are scaled by sqrt(weight / sum of weights) and put side by side:
    (n, d1 + d2 + ...).
    """
    refuse_others(members, "mean vectors are")
    total = float(sum(weights))
    joined = new_rows((len(members[0]), sum(rows.shape[1] for rows in members)), None)
    ends = np.cumsum([rows.shape[1] for rows in members])
    for rows, weight, end in zip(members, weights, ends, strict=True):
        scale, columns = np.float32(np.sqrt(weight / total)), slice(end - rows.shape[1], end)
        for part in blocks(rows, joined):
            joined[part, columns] = (
                _unit_rows(rows[part], part.start) if similarity == "cosine" else rows[part]
            ) * scale
    return joined


def build_score_function(
    queries: Vectors | Tensor, candidates: Vectors | Tensor, similarity: str, device: str
) -> Callable[[Tensor], Tensor]:
    """Return a function from query numbers (q,) to their float64 scores with all candidates (q, m)."""
    if is_dense(queries, candidates):
        return build_product(queries, candidates, similarity, device).full
    if is_sparse(queries):
        found = sparse_scores(queries, candidates, similarity)
    else:
        check_max_sim(similarity)
        found = max_sim_scores(cast("TokenRows", queries), cast("TokenRows", candidates), device)

    def score(rows: Tensor) -> Tensor:
        import torch

        return torch.from_numpy(found(rows.cpu().numpy())).to(device)

    return score


def build_product(queries: Rows | Tensor, candidates: Rows | Tensor, similarity: str, device: str) -> Product:
    """Return the scorer of these rows on a device; UserError for rows of other shapes or that cannot be scored."""
    q, c = _tensor(queries, "queries", device), _tensor(candidates, "candidates", device)
    if q.shape[1] != c.shape[1]:
        raise UserError(
            f"queries have {q.shape[1]} dimensions, candidates {c.shape[1]}", "encode both with the same encoder"
        )
    return Product(q, c, similarity)


def prefers_numpy(queries: Any, candidates: Any, k: int, device: str, precision: str | None) -> bool:
    """Whether to search in numpy: the problem is small, and torch is neither imported nor asked for."""
    return device == "cpu" and precision is None and "torch" not in sys.modules and is_small(queries, candidates, k)


def _joined(parts: Sequence[TopK]) -> TopK:
    """Return the rankings of several blocks of queries as one."""
    return TopK(np.concatenate([one.indices for one in parts]), np.concatenate([one.scores for one in parts]))


def _unit_rows(rows: Rows, start: int) -> Rows:
    """Return rows of length 1; the first has the number `start` in a message."""
    norms = row_norms(rows)
    if (norms == 0).any():
        what = f"embedding {start + int(np.argmin(norms))} is all zeros: its cosine is not defined"
        raise UserError(what, "check whether its text is empty")
    return np.asarray(rows / norms[:, None], dtype=np.float32)


def _rows(rows: Any) -> Any:
    """Return rows as a numpy array or a torch tensor; lists and tables become arrays."""
    if hasattr(rows, "detach"):
        return rows.detach()
    found = np.asarray(rows)
    if found.dtype.kind not in "fiu":
        found = found.astype(np.float32)
    if not found.dtype.isnative or any(stride < 0 for stride in found.strides):  # torch does not accept these
        found = np.ascontiguousarray(found, dtype=np.float32)
    return found


def _check(k: Any, m: int, precision: str | None, device: str) -> None:
    """Raise UserError if k is not a whole number from 1 to m, the precision is unknown, or the device is absent."""
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)):
        raise UserError(f"k = {k!r}", "give a whole number from 1 to the number of candidates")
    if not 1 <= k <= m:
        hint = f"give 1 to {m}" if m else "check that the data set has texts"
        raise UserError(f"k = {k}, but there are {m} candidates", hint)
    if precision is not None and precision not in (*PRECISIONS, "plain"):
        raise UserError(f"unknown precision {precision!r}", f"choose from: {', '.join(PRECISIONS)}, plain")
    if device == "cpu":
        return
    import torch

    has_cuda = torch.cuda.is_available()
    if not (device.startswith("cuda") and has_cuda):
        raise UserError(f"device {device!r} is not available", "use cpu or cuda" if has_cuda else "use cpu")


def _tensor(rows: Any, side: str, device: str) -> Tensor:
    """Return rows (n, d) as a contiguous float32 tensor on the device; UserError for another shape."""
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that a read-only memory map cannot be written
        tensor = torch.as_tensor(rows, dtype=torch.float32, device=device)
    if tensor.ndim != 2 or not tensor.shape[0]:
        what = f"{side} have the shape {tuple(tensor.shape)}, expected (n, d) with n > 0"
        raise UserError(what, "give one row per text")
    return tensor.contiguous()
