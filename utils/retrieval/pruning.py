"""Pruning of candidates by bounds of their scores, tile by tile; pure.

Every query has a threshold: a score that at least k candidates are certain to reach. It comes from the block maxima of
the approximate scores minus their error, or from lower bounds of the scores of a few likely candidates, and it rises
with every tile. Candidates that cannot reach it are pruned: whole blocks by one comparison, the others one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    LowerBounds = Callable[[Tensor], Tensor]  # from candidates (q, j) to lower bounds of their scores (q, j)

BLOCK = 32  # candidates per block, of which only the maximum is compared first
MAX_KEPT = 4096  # candidates kept per query; a query with more is searched in full
INT32 = 2.0**31 - 2**8  # the greatest number that float32 and int32 both represent


@dataclass(frozen=True)
class KeptCandidates:
    """The candidates of a tile of queries that were not pruned, sorted by query and candidate.

    `queries` (s,) are positions within the tile, `candidates` (s,) are indices, and `upper` (s,) are upper bounds of
    the scores, without the part that centring takes from all scores of a query; a scan that writes no products has
    none, and its candidates are sorted by query alone. `overflowed` (q,) marks queries with too many candidates, which
    are not listed.
    """

    queries: Tensor
    candidates: Tensor
    upper: Tensor | None
    overflowed: Tensor


class MatrixValues:
    """Approximate scores of queries with a tile of candidates (q, t), in blocks of which the last may be short."""

    def __init__(self, values: Tensor, k: int) -> None:
        self.width, self.block = values.shape[1], block_size(values.shape[1], k)
        self._blocks = _split_blocks(values, self.block)  # (q, b, block)
        self.maxima = self._blocks.amax(dim=2)

    def in_blocks(self, query: Tensor, block: Tensor) -> Tensor:
        """Return the values of the given queries (h,) in the given blocks (h,), both by number: (h, block)."""
        rows = query * self.maxima.shape[1] + block
        return self._blocks.view(-1, self.block).index_select(0, rows)


class Threshold:
    """For n queries, scores that k candidates are certain to reach, and the candidates that can reach them.

    Values have an absolute error, which comes with them, and a relative one of at most `relative`.
    """

    def __init__(self, n: int, k: int, relative: float, device: torch.device) -> None:
        import torch

        self.k, self.relative = k, relative
        self.limit = max(MAX_KEPT, 16 * k)
        self.by_maxima = torch.full((n, k), -torch.inf, device=device)  # lower bounds from block maxima
        self.by_scores = self.by_maxima.clone()  # lower bounds from scores of likely candidates
        self.counts = torch.zeros(n, dtype=torch.long, device=device)
        self.parts: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(
        self, tile: MatrixValues, unit: Tensor, error: Tensor, start: int, lower_bounds: LowerBounds | None
    ) -> None:
        """Raise the threshold by a tile of values, and keep the candidates that can reach it.

        Values are multiples of `unit` (q,), have the error `error` (q,), and belong to the candidates from `start` on.
        """
        top = tile.maxima.topk(min(self.k, tile.maxima.shape[1]), dim=1)
        reached = top.values.float() * unit[:, None]
        self.by_maxima = _k_best(self.by_maxima, reached - error[:, None] - reached.abs() * self.relative)
        if lower_bounds is not None and tile.width // tile.block >= self.k:
            self.by_scores = _k_best(self.by_scores, lower_bounds(_find_maxima(tile, top.indices) + start))
        self._keep(tile, unit, error, start)

    def current(self) -> Tensor:
        """Return the threshold of each query (q,)."""
        return self.by_maxima[:, -1].maximum(self.by_scores[:, -1])

    def _keep(self, tile: MatrixValues, unit: Tensor, error: Tensor, start: int) -> None:
        maxima, size = tile.maxima, tile.block
        floor = self._floor(unit, error, maxima)
        hit = (maxima >= floor[:, None]).view(-1).nonzero().squeeze(1)
        if not len(hit):
            return
        query = hit // maxima.shape[1]
        values = tile.in_blocks(query, hit % maxima.shape[1])  # (h, block)
        reaching = (values >= floor.index_select(0, query)[:, None]).view(-1).nonzero().squeeze(1)
        row = reaching // size
        query = query.index_select(0, row)
        place = hit.index_select(0, row) % maxima.shape[1] * size + reaching % size
        value = values.view(-1).index_select(0, reaching).float().mul_(unit.index_select(0, query))
        if maxima.shape[1] * size > tile.width:  # the last tile is padded
            real = place < tile.width
            query, place, value = query[real], place[real], value[real]
        self.counts += query.bincount(minlength=len(self.counts))
        upper = value + error.index_select(0, query) + value.abs() * self.relative
        self.parts.append((query, place + start, upper))

    def _floor(self, unit: Tensor, error: Tensor, maxima: Tensor) -> Tensor:
        """Return the value (q,) below which a candidate cannot reach the threshold, in the type of the maxima."""
        floor = self.current()
        floor = (floor - error - 2 * self.relative * (floor.abs() + error)) / unit
        floor = floor.masked_fill(self.counts > self.limit, float("inf"))
        if not maxima.is_floating_point():  # integers are compared as they are; floor() rounds to the safe side
            floor = floor.clamp(-INT32, INT32).floor().to(maxima.dtype)
        return floor

    def kept(self) -> KeptCandidates:
        """Return the candidates that can reach the current threshold, sorted by query and candidate."""
        import torch

        overflowed = self.counts > self.limit
        none = self.counts.new_zeros(0)
        parts = zip(*self.parts, strict=True) if self.parts else ([none], [none], [none.float()])
        query, candidate, upper = (torch.cat(list(part)) for part in parts)
        kept = (upper >= self.current()[query]) & ~overflowed[query]
        query, candidate, upper = query[kept], candidate[kept], upper[kept]
        span = int(candidate.max()) + 1 if len(candidate) else 1
        both, order = (query * span + candidate).sort()
        return KeptCandidates(both // span, both % span, upper[order], overflowed)


def _find_maxima(tile: MatrixValues, chosen: Tensor) -> Tensor:
    """Return the positions (q, j) in the tile of the maxima of the given blocks (q, j), by number."""
    import torch

    n, j = chosen.shape
    queries = torch.arange(n, device=chosen.device).repeat_interleave(j)
    places = tile.in_blocks(queries, chosen.view(-1)).argmax(dim=1)
    return chosen * tile.block + places.view_as(chosen)


def _k_best(old: Tensor, new: Tensor) -> Tensor:
    """Return the k greatest of old (q, k) and new (q, j), greatest first."""
    import torch

    return torch.cat((old, new), dim=1).topk(old.shape[1], dim=1).values


def block_size(width: int, k: int) -> int:
    """Return the number of candidates per block: a power of two with at least 2 k blocks in a tile of this width."""
    block = BLOCK
    while block > 1 and width // block < 2 * k:
        block //= 2
    return block


def _split_blocks(values: Tensor, block: int) -> Tensor:
    """Return values (q, t) as (q, b, block), padded with the lowest value."""
    import torch

    missing = -values.shape[1] % block
    if missing:  # the last tile
        lowest = torch.iinfo(values.dtype).min if values.dtype == torch.int32 else -torch.inf
        values = torch.nn.functional.pad(values, (0, missing), value=lowest)
    return values.view(len(values), -1, block)
