"""Exact top-k search of sparse rows (scipy CSR), which stay sparse, by dot product or cosine.

The products are sums in float64, each in the order of the query's columns, and are rounded to float32; ties go to the
lower index. So a score does not depend on the tiles, which bound the memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from utils.errors import UserError
from utils.retrieval.mapped_rows import is_mapped, release
from utils.retrieval.rows import check_dot_range, check_rows
from utils.retrieval.shards import merge
from utils.schema import TopK

if TYPE_CHECKING:
    from utils.schema import SparseRows

Floats = npt.NDArray[np.float64]
CANDIDATES = 1 << 16  # in a tile
TILE_VALUES = 1 << 22  # non-zero values of the candidates of a tile
TILE_SCORES = 1 << 22  # scores of a tile


def sparse_topk(queries: SparseRows, candidates: SparseRows, k: int, similarity: str = "cosine") -> TopK:
    """Return the k best candidates (m, d) of each query (n, d), best first, ties to the lower index.

    The values and columns of rows may be memory maps, which are read tile by tile. Raises UserError for another
    similarity than cosine and dot, for NaN, for zero rows under cosine, and for dot products outside the range of
    float32.
    """
    asked, searched = _sides(queries, candidates, similarity)
    best: TopK | None = None
    for start, end in searched.tiles:
        right = searched.part(start, end).T.tocsr()
        step = max(1, TILE_SCORES // (end - start))
        parts = [
            _best((asked.part(first, first + step) @ right).toarray().astype(np.float32), min(k, end - start))
            for first in range(0, asked.n, step)
        ]
        found = TopK(np.concatenate([one.indices for one in parts]) + start, np.concatenate([p.scores for p in parts]))
        best = found if best is None else merge(best, found, k)
    assert best is not None  # a search has candidates
    return best


def sparse_scores(queries: SparseRows, candidates: SparseRows, similarity: str = "cosine") -> Any:
    """Return a function from query numbers (q,) to their float64 scores with all candidates (q, m)."""
    asked, searched = _sides(queries, candidates, similarity)
    whole = None if is_mapped(candidates.data) else [searched.part(*tile).T.tocsr() for tile in searched.tiles]

    def scores(rows: npt.NDArray[np.int64]) -> Floats:
        found: Floats = np.empty((len(rows), searched.n))
        left = asked.chosen(rows)
        for number, (start, end) in enumerate(searched.tiles):
            right = whole[number] if whole else searched.part(start, end).T.tocsr()
            found[:, start:end] = (left @ right).toarray()
        return found

    return scores


class _Side:
    """The rows of one side of a search, of which a part at a time is in float64, of unit length for cosines."""

    def __init__(self, rows: SparseRows, side: str, *, is_cosine: bool) -> None:
        self.rows, self.n, self.is_cosine = rows, rows.shape[0], is_cosine
        self.tiles = _tiles(rows)
        lengths = [_norms(self._read(slice(*tile))) for tile in self.tiles]
        self.norms: Floats = np.concatenate([*lengths, np.empty(0)])
        check_rows(self.norms, side, zeros_allowed=not is_cosine)

    def part(self, start: int, end: int) -> Any:
        """Return the rows from `start` to `end` (t, d)."""
        end = min(end, self.n)
        return self._scaled(self._read(slice(start, end)), self.norms[start:end])

    def chosen(self, numbers: npt.NDArray[np.int64]) -> Any:
        """Return the rows of some numbers (q, d)."""
        return self._scaled(self._read(numbers), self.norms[numbers])

    def _read(self, which: Any) -> Any:
        from scipy.sparse import csr_array

        found = csr_array(self.rows[which], dtype=np.float64, copy=True)
        for values in (self.rows.data, self.rows.indices):
            release(values)
        found.sum_duplicates()
        return found

    def _scaled(self, rows: Any, norms: Floats) -> Any:
        if self.is_cosine:
            rows.data /= np.repeat(norms, np.diff(rows.indptr))
        return rows


def _sides(queries: SparseRows, candidates: SparseRows, similarity: str) -> tuple[_Side, _Side]:
    """Return both sides of a search, after the checks of their rows."""
    if similarity not in ("cosine", "dot"):
        raise UserError(f"--similarity {similarity} with sparse vectors", "they are compared by cosine or dot")
    if queries.shape[1] != candidates.shape[1]:
        what = f"queries have {queries.shape[1]} dimensions, candidates {candidates.shape[1]}"
        raise UserError(what, "encode both with the same encoder")
    is_cosine = similarity == "cosine"
    asked, searched = (
        _Side(queries, "queries", is_cosine=is_cosine),
        _Side(candidates, "candidates", is_cosine=is_cosine),
    )
    if not is_cosine:
        check_dot_range(asked.norms, searched.norms)
    return asked, searched


def _norms(rows: Any) -> Floats:
    """Return the lengths of rows (t,)."""
    found: Floats = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1), dtype=np.float64).reshape(-1))
    return found


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
