"""Scan of all candidates in low precision, which keeps the ones that can be among the k best of each query.

A score is the product of a query's row and a candidate's row, plus terms that are added exactly. The product is
computed in low precision: int8 with one scale per query and one per tile of candidates, bfloat16, or float32. By the
Cauchy-Schwarz inequality its error is at most |dq||c| + |q||dc|, where dq and dc are the rounding residues, whose norms
are computed. The k-th greatest block maximum minus this error is a score that k candidates are certain to reach, and
candidates that cannot reach it are pruned. The candidates kept therefore include the k best for any data; their number
affects only the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from utils.numerics import products
from utils.retrieval.pruning import KeptCandidates, MatrixValues, Threshold
from utils.retrieval.rows import U32

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from utils.retrieval.pruning import LowerBounds

PRECISIONS = ("int8", "bf16", "fp32")
QUERY_TILE, CANDIDATE_TILE = 1024, 4096  # on the CPU: what its caches hold
GPU_QUERIES, GPU_CANDIDATES = 16_384, 32_768  # large enough that launching a kernel takes no notable time
GPU_SHARE = 8  # the products of a tile may take 1 / GPU_SHARE of the free memory
GPU_MIN_ROWS = 32  # the least number of rows of a GPU's integer products
ROUND_UP = 1.0 + 2.0**-16  # covers the rounding of norms that are computed in float32


class Scorer(Protocol):
    """Scores to be searched: `value(product)`, where the product is that of scaled rows."""

    shape: tuple[int, int]
    dim: int
    q: Tensor
    c: Tensor
    q_factor: Tensor
    c_factor: Tensor
    row_scale: Tensor

    def queries(self, rows: slice) -> Tensor:
        """Return the scaled rows of some queries (q, d)."""
        ...

    def is_product(self) -> bool:
        """Whether the value is the product itself."""
        ...

    def products(self, queries: Tensor, cols: slice) -> Tensor:
        """Return the float32 products of scaled queries (q, d) with the scaled rows of some candidates (q, t)."""
        ...

    def value(self, product: Tensor, rows: slice, cols: slice) -> Tensor:
        """Return the values (q, t) of products (q, t); they increase with the product."""
        ...

    def subsample(self, query_step: int, step: int) -> Scorer:
        """Return the scores of every query_step-th query with every step-th candidate."""
        ...


@dataclass(frozen=True)
class Tile:
    """Rounded candidates: rows (t, d), the first index, their scale, and the greatest norms of rows and residues."""

    rows: Tensor
    start: int
    width: int
    scale: float
    norm: float
    residue: float


@dataclass(frozen=True)
class RoundedQueries:
    """Rounded queries: rows (q, d), padded, their scales (q,), and the norms of rows and residues (q,)."""

    rows: Tensor
    scales: Tensor
    norms: Tensor
    residues: Tensor


class Scan:
    """The candidates of a scorer, rounded once, which are scanned for one tile of queries after the other."""

    def __init__(self, scorer: Scorer, precision: str) -> None:
        self.scorer, self.precision = scorer, precision
        self.tile = tile_sizes(scorer.c.device)[1]
        self.mean = mean_candidate(
            scorer
        )  # (d,) float32, subtracted from all candidates: smaller rows have smaller residues
        self.tiles = [self._round(start) for start in range(0, scorer.shape[1], self.tile)]

    def _round(self, start: int) -> Tile:
        """Return a rounded tile of candidates, in few passes over the rows, since every search does this."""
        import torch

        which = slice(start, start + self.tile)
        rows = self.scorer.c[which] * self.scorer.c_factor[which].float()[:, None]
        rows -= self.mean
        scale = 1.0
        if self.precision == "int8":
            scale = max(float(torch.stack(rows.aminmax()).abs().max()) / 127, 1e-30)
            rounded = rows.mul_(1 / scale).round()
        else:
            rounded = rows.bfloat16().float() if self.precision == "bf16" else rows.clone()
        rows -= rounded
        residue = float(rows.norm(dim=1).max()) * scale * ROUND_UP
        norm = float(rounded.norm(dim=1).max()) * scale * ROUND_UP + residue
        return Tile(_pad(rounded.to(self._kind())), start, len(rounded), scale, norm, residue)

    def keep_candidates(self, rows: slice, k: int, lower_bounds: LowerBounds | None = None) -> KeptCandidates:
        """Return all candidates that can be among the k best of these queries.

        `lower_bounds` returns lower bounds (q, j) of the scores of candidates (q, j), centred as `KeptCandidates.upper`
        is. They raise the threshold.
        """
        import torch

        scorer = self.scorer
        queries = scorer.queries(rows)
        n = len(queries)
        rounded = self.round_queries(queries)
        relative = 2.0**-8 if self.precision == "bf16" else 16 * U32  # bfloat16 products are rounded when written
        threshold = Threshold(n, k, relative, queries.device)
        buffer = self._buffer(len(rounded.rows))
        for number, tile in enumerate(self.tiles, 1):
            error = self.error(rounded, tile) * scorer.row_scale[rows].float()
            unit = rounded.scales * tile.scale
            raw = self._product(rounded.rows, tile, buffer)[:n]  # (q, t)
            if not scorer.is_product():
                error += relative * rounded.norms * tile.norm * scorer.row_scale[rows].float()
                cols = slice(tile.start, tile.start + tile.width)
                centred = (queries @ self.mean)[:, None]  # (q, 1): what centring takes from each product
                raw = scorer.value((raw.float() * unit[:, None]).add_(centred), rows, cols)
                unit = torch.ones_like(unit)
            values = MatrixValues(raw, k)
            is_power_of_two = number & (number - 1) == 0  # the threshold rises less and less
            threshold.add(values, unit, error, tile.start, lower_bounds if is_power_of_two else None)
        return threshold.kept()

    def error(self, queries: RoundedQueries, tile: Tile) -> Tensor:
        """Return how far the products of the rounded queries with a tile can be from the true ones (q,)."""
        slack = 4 * (self.scorer.dim + 16) * U32  # of float32 sums of unit rows, here and where products are exact
        return queries.residues * tile.norm + queries.norms * tile.residue + slack * (1 + queries.norms)

    def centring(self, rows: slice) -> Tensor:
        """Return what centring takes from the scores of these queries (q,): 0 if the scores are not products."""
        return self.scorer.queries(rows) @ self.mean * float(self.scorer.is_product())

    def round_queries(self, queries: Tensor) -> RoundedQueries:
        """Return queries (q, d) in the scan's precision, as rows that are multiples of a scale."""
        import torch

        if self.precision == "int8":
            scales = (queries.abs().amax(dim=1) / 127).clamp_min(1e-30)
            rounded = (queries / scales[:, None]).round().to(self._kind())
        else:
            scales = torch.ones(len(queries), device=queries.device)
            rounded = queries.to(self._kind())
        back = rounded.float() * scales[:, None]
        norms = back.norm(dim=1) * ROUND_UP
        return RoundedQueries(_pad(rounded), scales, norms, (queries - back).norm(dim=1) * ROUND_UP)

    def _kind(self) -> torch.dtype:
        """Return the type of rounded rows."""
        import torch

        return {"int8": torch.int8, "bf16": torch.bfloat16, "fp32": torch.float32}[self.precision]

    def _buffer(self, n: int) -> Tensor:
        """Return memory for the products of n queries with a tile; allocating it for every tile takes too long."""
        import torch

        kind = torch.int32 if self.precision == "int8" else self._kind()
        return torch.empty(n * (self.tile + 8), dtype=kind, device=self.mean.device)

    def _product(self, queries: Tensor, tile: Tile, buffer: Tensor) -> Tensor:
        """Return the products of rounded queries (q, d) with a tile: (q, t)."""
        import torch

        if self.precision == "fp32":
            return products(queries, tile.rows)[:, : tile.width].contiguous()
        out = buffer[: len(queries) * len(tile.rows)].view(len(queries), len(tile.rows))
        found: Tensor = (torch._int_mm if self.precision == "int8" else torch.mm)(queries, tile.rows.t(), out=out)
        if len(tile.rows) > tile.width:  # the last tile
            found = found[:, : tile.width].contiguous()
        return found if self.precision == "int8" else found.float()


def mean_candidate(scorer: Scorer) -> Tensor:
    """Return about the mean of all scaled candidates (d,); results do not depend on it, so a sample suffices."""
    c, factor = scorer.c, scorer.c_factor.float()
    step = max(1, len(c) // 4096)
    found: Tensor = (c[::step] * factor[::step, None]).mean(dim=0)
    return found


def tile_sizes(device: torch.device) -> tuple[int, int]:
    """Return the number of queries and of candidates that are multiplied at once on this device."""
    if device.type == "cpu":
        return QUERY_TILE, CANDIDATE_TILE
    import torch

    free = torch.cuda.mem_get_info(device)[0] // (4 * GPU_SHARE)  # products
    return max(GPU_MIN_ROWS, min(GPU_QUERIES, free // GPU_CANDIDATES)), GPU_CANDIDATES


def _pad(rows: Tensor) -> Tensor:
    """Return rows (n, d) padded with zeros to multiples of eight, on a GPU to GPU_MIN_ROWS rows at least."""
    import torch

    missing = -rows.shape[1] % 8
    more = max(-len(rows) % 8, GPU_MIN_ROWS - len(rows)) if rows.device.type == "cuda" else 0
    return torch.nn.functional.pad(rows, (0, missing, 0, more)) if missing or more else rows
