"""Which candidates can still be among the k best of a query, tile after tile of scores known within an error; pure.

A bar rises for each query: a score that k candidates certainly reach. It comes from the greatest scores of blocks of
candidates less the error, or from exact scores of some of the likeliest. What cannot reach it is dismissed: whole
blocks by one comparison, the others element by element.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Exact = Callable[[Tensor], Tensor]

BLOCK = 32  # candidates of which only the greatest is looked at first
CROWD = 4096  # survivors of a query; with more it is searched in full
U32 = 2.0**-24  # unit roundoff of float32
INT32 = 2.0**31 - 2**8  # the greatest that float32 and int32 both hold


@dataclass(frozen=True)
class Survivors:
    """Candidates of a tile of queries, by query and then index: query numbers (s,) within the tile, candidates (s,).

    `upper` (s,) is what their values cannot pass, but for what the centring takes from all values of a query alike.
    `crowded` (q,) marks queries whose survivors are too many and are not listed.
    """

    queries: Tensor
    candidates: Tensor
    upper: Tensor
    crowded: Tensor


class Values(Protocol):
    """Values of queries with a tile of candidates, which stand in blocks of which the last may be short."""

    width: int  # candidates
    block: int  # of them in a block
    maxima: Tensor  # (q, b): the greatest value of each block

    def inside(self, query: Tensor, block: Tensor) -> Tensor:
        """Return the values of chosen queries (h,) in chosen blocks (h,), by number: (h, block)."""
        ...


class WrittenValues:
    """Values that are there as a matrix (q, t)."""

    def __init__(self, values: Tensor, k: int) -> None:
        self.width, self.block = values.shape[1], block_size(values.shape[1], k)
        self._blocks = _blocks(values, self.block)  # (q, b, block)
        self.maxima = self._blocks.amax(dim=2)

    def inside(self, query: Tensor, block: Tensor) -> Tensor:
        """Return the values of chosen queries (h,) in chosen blocks (h,), by number: (h, block)."""
        rows = query * self.maxima.shape[1] + block
        return self._blocks.view(-1, self.block).index_select(0, rows)


class Bar:
    """What k candidates of each of n queries certainly reach, and who has reached it so far.

    Values are off by `relative` to themselves, and by the error that comes with them, at most.
    """

    def __init__(self, n: int, k: int, relative: float, device: torch.device) -> None:
        import torch

        self.k, self.relative = k, relative
        self.limit = max(CROWD, 16 * k)
        self.certain = torch.full((n, k), -torch.inf, device=device)  # by block maxima
        self.exact = self.certain.clone()  # by exact values of some
        self.counts = torch.zeros(n, dtype=torch.long, device=device)
        self.found: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, tile: Values, unit: Tensor, error: Tensor, start: int, exact: Exact | None) -> None:
        """Raise the bar by a tile of values, and keep who reaches it.

        They count in `unit` (q,), are off by `error` (q,), and belong to the candidates from `start` on.
        """
        top = tile.maxima.topk(min(self.k, tile.maxima.shape[1]), dim=1)
        reached = top.values.float() * unit[:, None]
        self.certain = _k_best(self.certain, reached - error[:, None] - reached.abs() * self.relative)
        if exact is not None and tile.width // tile.block >= self.k:
            self.exact = _k_best(self.exact, exact(_greatest(tile, top.indices) + start))
        self._keep(tile, unit, error, start)

    def floor(self) -> Tensor:
        """Return the bar of each query (q,)."""
        return self.certain[:, -1].maximum(self.exact[:, -1])

    def _keep(self, tile: Values, unit: Tensor, error: Tensor, start: int) -> None:
        maxima, size = tile.maxima, tile.block
        floor = self.floor()
        floor = (floor - error - 2 * self.relative * (floor.abs() + error)) / unit
        floor = floor.masked_fill(self.counts > self.limit, float("inf"))
        if not maxima.is_floating_point():  # compared as they are: floor() rounds to the safe side
            floor = floor.clamp(-INT32, INT32).floor().to(maxima.dtype)
        hit = (maxima >= floor[:, None]).view(-1).nonzero().squeeze(1)
        if not len(hit):
            return
        query = hit // maxima.shape[1]
        inside = tile.inside(query, hit % maxima.shape[1])  # (h, block)
        reaching = (inside >= floor.index_select(0, query)[:, None]).view(-1).nonzero().squeeze(1)
        row = reaching // size
        query = query.index_select(0, row)
        place = hit.index_select(0, row) % maxima.shape[1] * size + reaching % size
        value = inside.view(-1).index_select(0, reaching).float().mul_(unit.index_select(0, query))
        if maxima.shape[1] * size > tile.width:  # the last tile is padded
            real = place < tile.width
            query, place, value = query[real], place[real], value[real]
        self.counts += query.bincount(minlength=len(self.counts))
        self.found.append((query, place + start, value + error.index_select(0, query) + value.abs() * self.relative))

    def survivors(self) -> Survivors:
        """Return who has reached the bar where it stands now, by query and candidate."""
        import torch

        crowded = self.counts > self.limit
        none = self.counts.new_zeros(0)
        parts = zip(*self.found, strict=True) if self.found else ([none], [none], [none.float()])
        query, candidate, upper = (torch.cat(list(part)) for part in parts)
        kept = (upper >= self.floor()[query]) & ~crowded[query]
        query, candidate, upper = query[kept], candidate[kept], upper[kept]
        span = int(candidate.max()) + 1 if len(candidate) else 1
        both, order = (query * span + candidate).sort()
        return Survivors(both // span, both % span, upper[order], crowded)


def _greatest(tile: Values, chosen: Tensor) -> Tensor:
    """Return the places (q, j) of the greatest values of chosen blocks (q, j), by number."""
    import torch

    n, j = chosen.shape
    queries = torch.arange(n, device=chosen.device).repeat_interleave(j)
    inside = tile.inside(queries, chosen.view(-1)).argmax(dim=1)
    return chosen * tile.block + inside.view_as(chosen)


def _k_best(old: Tensor, new: Tensor) -> Tensor:
    """Return the k best of old (q, k) and new (q, j), best first."""
    import torch

    return torch.cat((old, new), dim=1).topk(old.shape[1], dim=1).values


def block_size(width: int, k: int) -> int:
    """Return how many candidates share a block maximum: a power of two, so that a tile has at least 2 k blocks."""
    block = BLOCK
    while block > 1 and width // block < 2 * k:
        block //= 2
    return block


def _blocks(values: Tensor, block: int) -> Tensor:
    """Return values (q, t) as (q, b, block), padded with what is lower than all."""
    import torch

    missing = -values.shape[1] % block
    if missing:  # the last tile
        lowest = torch.iinfo(values.dtype).min if values.dtype == torch.int32 else -torch.inf
        values = torch.nn.functional.pad(values, (0, missing), value=lowest)
    return values.view(len(values), -1, block)
