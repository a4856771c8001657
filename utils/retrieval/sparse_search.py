"""Exact top-k search of sparse rows (scipy CSR), which stay sparse, by dot product or cosine.

The products are sums in float64, each in the order of the query's columns, and are rounded to float32; ties go to the
lower index. So a score does not depend on the tiles, which bound the memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from utils.errors import UserError
from utils.retrieval.rows import check_dot_range, check_rows
from utils.retrieval.shards import merge
from utils.schema import TopK

if TYPE_CHECKING:
    from utils.schema import SparseRows

Floats = npt.NDArray[np.float64]
CANDIDATES = 1 << 16  # in a tile
TILE_VALUES = 1 << 24  # non-zero values of the candidates of a tile
TILE_SCORES = 1 << 22  # scores of a tile


def sparse_topk(queries: SparseRows, candidates: SparseRows, k: int, similarity: str = "cosine") -> TopK:
    """Return the k best candidates (m, d) of each query (n, d), best first, ties to the lower index.

    Raises UserError for another similarity than cosine and dot, for NaN, for zero rows under cosine, and for dot
    products outside the range of float32.
    """
    q, c = _scaled(queries, candidates, similarity)
    best: TopK | None = None
    for start, end in _tiles(c):
        right = c[start:end].T.tocsr()
        parts = [
            _best((q[first : first + step] @ right).toarray().astype(np.float32), min(k, end - start))
            for step in [max(1, TILE_SCORES // (end - start))]
            for first in range(0, q.shape[0], step)
        ]
        found = TopK(np.concatenate([one.indices for one in parts]) + start, np.concatenate([p.scores for p in parts]))
        best = found if best is None else merge(best, found, k)
    assert best is not None  # a search has candidates
    return best


def sparse_scores(queries: SparseRows, candidates: SparseRows, similarity: str = "cosine") -> Any:
    """Return a function from query numbers (q,) to their float64 scores with all candidates (q, m)."""
    q, c = _scaled(queries, candidates, similarity)
    right = c.T.tocsr()

    def scores(rows: npt.NDArray[np.int64]) -> Floats:
        found: Floats = (q[rows] @ right).toarray()
        return found

    return scores


def _scaled(queries: SparseRows, candidates: SparseRows, similarity: str) -> tuple[Any, Any]:
    """Return both sides in float64, of unit length for cosines."""
    from scipy.sparse import csr_array

    if similarity not in ("cosine", "dot"):
        raise UserError(f"--similarity {similarity} with sparse vectors", "they are compared by cosine or dot")
    if queries.shape[1] != candidates.shape[1]:
        what = f"queries have {queries.shape[1]} dimensions, candidates {candidates.shape[1]}"
        raise UserError(what, "encode both with the same encoder")
    sides = []
    norms = []
    for rows, side in ((queries, "queries"), (candidates, "candidates")):
        found = csr_array(rows, dtype=np.float64, copy=True)
        found.sum_duplicates()
        norms.append(np.sqrt(np.asarray(found.multiply(found).sum(axis=1), dtype=np.float64).reshape(-1)))
        check_rows(norms[-1], side, zeros_allowed=similarity == "dot")
        if similarity == "cosine":
            found.data /= np.repeat(norms[-1], np.diff(found.indptr))
        sides.append(found)
    if similarity == "dot":
        check_dot_range(*norms)
    return sides[0], sides[1]


def _tiles(candidates: Any) -> list[tuple[int, int]]:
    """Return the first and the last row of each tile, which has one row at least."""
    ends, tiles, start = candidates.indptr, [], 0
    while start < candidates.shape[0]:
        by_values = int(np.searchsorted(ends, ends[start] + TILE_VALUES, side="right")) - 1
        end = min(candidates.shape[0], start + CANDIDATES, max(start + 1, by_values))
        tiles.append((start, end))
        start = end
    return tiles


def _best(scores: npt.NDArray[np.float32], k: int) -> TopK:
    """Return the k greatest of each row of scores (q, t), greatest first, ties to the lower index."""
    n, width = scores.shape
    if 2 * k >= width:
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return TopK(order, np.take_along_axis(scores, order, 1))
    worst = np.partition(scores, width - k, axis=1)[:, width - k]
    row, place = np.nonzero(scores >= worst[:, None])  # by row, then by index
    values = scores[row, place]
    order = np.lexsort((place, -values, row))
    first = np.searchsorted(row, np.arange(n))
    chosen = order[(first[:, None] + np.arange(k)).reshape(-1)]
    return TopK(place[chosen].reshape(n, k), values[chosen].reshape(n, k))
