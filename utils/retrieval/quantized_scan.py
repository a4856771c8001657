"""A fast scan over all candidates that keeps, for each query, all that can be among its k best.

A score is a product of a query's row and a candidate's, plus terms that are added exactly. The product is taken in low
precision: int8 with a scale a query and a scale a tile of candidates, bfloat16, or float32. By Cauchy and Schwarz it is
off by at most |dq||c| + |q||dc|, with dq and dc the rounding residues, whose norms are computed. The k-th greatest of
the tiles' block maxima, less that error, is a score that k candidates certainly reach; whatever cannot reach it is
dismissed. So the survivors hold the k best, whatever the data; how many they are decides the time alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from utils.numerics import has_fast_bf16, int8_is_exact, products
from utils.retrieval.fused_kernels import FusedValues, has_kernels
from utils.retrieval.pruning import BLOCK, CROWD, U32, Bar, Survivors, WrittenValues, block_size

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from utils.retrieval.pruning import Exact, Values

PRECISIONS = ("int8", "bf16", "fp32")
QUERY_TILE, CANDIDATE_TILE = 1024, 4096  # on the CPU: what the cores' caches hold
GPU_QUERIES, GPU_CANDIDATES = 16_384, 32_768  # so many that a GPU is busy longer than a launch takes
GPU_SHARE = 8  # one part in so many of the free memory is for a tile's products
GPU_FEWEST = 32  # rows that a GPU's integer products want
MIN_CANDIDATES = 2048  # fewer are not worth a scan in low precision
MAX_K = 1024  # more neighbours are not worth block maxima
SAMPLE, THIN = 64, 2048  # queries and candidates on which the precisions are tried
WORTH = {"int8": 0.007, "bf16": 0.02}  # survivors, as a share of the candidates, at which the next precision is faster
ROUND_UP = 1.0 + 2.0**-16  # norms of residues are taken in float32


class Scorer(Protocol):
    """What is searched: scores are `to_value(product)`, the product of scaled rows."""

    shape: tuple[int, int]
    dim: int
    q: Tensor
    c: Tensor
    q_factor: Tensor
    c_factor: Tensor
    row_scale: Tensor

    def queries(self, rows: slice) -> Tensor:
        """Some queries' scaled rows (q, d)."""
        ...

    def is_product(self) -> bool:
        """Whether the value is the product itself."""
        ...

    def value(self, product: Tensor, rows: slice, cols: slice) -> Tensor:
        """Turn products (q, t) into values, monotone in the product."""
        ...

    def thinned(self, query_step: int, step: int) -> Scorer:
        """The same scores of every so many queries and candidates."""
        ...


@dataclass(frozen=True)
class Tile:
    """Some candidates, rounded: rows (t, d), where they begin, their unit, the greatest norms of rows and residues."""

    rows: Tensor
    start: int
    width: int
    scale: float
    norm: float
    residue: float


class Scan:
    """The candidates of a scorer, rounded once, and searched by tiles of queries."""

    def __init__(self, scorer: Scorer, precision: str) -> None:
        self.scorer, self.precision = scorer, precision
        self.tile = tile_sizes(scorer.c.device)[1]
        self.mean = self._mean()  # (d,) float32: what all candidates have in common is left out of the product
        self.tiles = [self._round(start) for start in range(0, scorer.shape[1], self.tile)]

    def _mean(self) -> Tensor:
        c, factor = self.scorer.c, self.scorer.c_factor.float()
        step = max(1, len(c) // 4096)  # of a sample: any vector would do, the mean makes the residues small
        found: Tensor = (c[::step] * factor[::step, None]).mean(dim=0)
        return found

    def _round(self, start: int) -> Tile:
        """Round a tile of candidates; few passes over it, since this is done for every search."""
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
        return Tile(_padded(rounded.to(self._kind())), start, len(rounded), scale, norm, residue)

    def survivors(self, rows: slice, k: int, exact: Exact | None = None) -> Survivors:
        """Return all candidates that can be among the k best of these queries.

        `exact` turns candidates (q, k) into values that theirs certainly reach, counted as `Survivors.upper` is.
        """
        import torch

        scorer = self.scorer
        queries = scorer.queries(rows)
        n = len(queries)
        rounded, scales, q_norm, q_residue = self._round_queries(queries)
        constant = (queries @ self.mean)[:, None]  # (q, 1): what the centring takes from each product
        slack = 4 * (scorer.dim + 16) * U32  # of float32 sums of unit rows, here and where the products are exact
        relative = 2.0**-8 if self.precision == "bf16" else 16 * U32  # bfloat16 products are rounded when written
        fused = scorer.is_product() and has_kernels(self.mean.device.type, self.precision)
        bar = Bar(n, k, relative, queries.device)
        space = self._space(0 if fused else len(rounded))
        for number, tile in enumerate(self.tiles, 1):
            error = q_residue * tile.norm + q_norm * tile.residue + slack * (1 + q_norm)
            error = error * scorer.row_scale[rows].float()
            unit = scales * tile.scale
            if fused and block_size(tile.width, k) == BLOCK:
                values: Values = FusedValues(rounded[:n], tile.rows[: tile.width], BLOCK)
            else:
                raw = self._product(rounded, tile, space)[:n]  # (q, t)
                if not scorer.is_product():
                    error += relative * q_norm * tile.norm * scorer.row_scale[rows].float()
                    cols = slice(tile.start, tile.start + tile.width)
                    raw = scorer.value((raw.float() * unit[:, None]).add_(constant), rows, cols)
                    unit = torch.ones_like(unit)
                values = WrittenValues(raw, k)
            bar.add(values, unit, error, tile.start, exact if number & (number - 1) == 0 else None)
        return bar.survivors()

    def centring(self, rows: slice) -> Tensor:
        """Return what is missing from the `upper` values of these queries (q,): nothing where they are no products."""
        return self.scorer.queries(rows) @ self.mean * float(self.scorer.is_product())

    def _round_queries(self, queries: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return rounded queries (q, d), their scales, and the norms of the rounded rows and of the residues (q,)."""
        import torch

        if self.precision == "int8":
            scales = (queries.abs().amax(dim=1) / 127).clamp_min(1e-30)
            rounded = (queries / scales[:, None]).round().to(self._kind())
        else:
            scales = torch.ones(len(queries), device=queries.device)
            rounded = queries.to(self._kind())
        back = rounded.float() * scales[:, None]
        norms = back.norm(dim=1) * ROUND_UP
        return _padded(rounded), scales, norms, (queries - back).norm(dim=1) * ROUND_UP

    def _kind(self) -> torch.dtype:
        """Return what rounded rows are stored as."""
        import torch

        return {"int8": torch.int8, "bf16": torch.bfloat16, "fp32": torch.float32}[self.precision]

    def _space(self, n: int) -> Tensor:
        """Return room for the products of n queries with a tile: fresh memory for each would cost more than they do."""
        import torch

        kind = torch.int32 if self.precision == "int8" else self._kind()
        return torch.empty(n * (self.tile + 8), dtype=kind, device=self.mean.device)

    def _product(self, queries: Tensor, tile: Tile, space: Tensor) -> Tensor:
        import torch

        if self.precision == "fp32":
            return products(queries, tile.rows)[:, : tile.width].contiguous()
        out = space[: len(queries) * len(tile.rows)].view(len(queries), len(tile.rows))
        found: Tensor = (torch._int_mm if self.precision == "int8" else torch.mm)(queries, tile.rows.t(), out=out)
        if len(tile.rows) > tile.width:  # the last tile
            found = found[:, : tile.width].contiguous()
        return found if self.precision == "int8" else found.float()


def tile_sizes(device: torch.device) -> tuple[int, int]:
    """Return how many queries and candidates are multiplied at once on this device."""
    if device.type == "cpu":
        return QUERY_TILE, CANDIDATE_TILE
    import torch

    free = torch.cuda.mem_get_info(device)[0] // (4 * GPU_SHARE)  # products
    return max(GPU_FEWEST, min(GPU_QUERIES, free // GPU_CANDIDATES)), GPU_CANDIDATES


def _padded(rows: Tensor) -> Tensor:
    """Return rows (n, d) with zeros up to multiples of eight, and no fewer than a GPU's integer products want."""
    import torch

    missing = -rows.shape[1] % 8
    more = max(-len(rows) % 8, GPU_FEWEST - len(rows)) if rows.device.type == "cuda" else 0
    return torch.nn.functional.pad(rows, (0, missing, 0, more)) if missing or more else rows


def choose(scorer: Scorer, k: int) -> Scan | None:
    """Return the fastest scan for these data, tried on a few queries; None where a plain search is as fast."""
    n, m = scorer.shape
    if m < MIN_CANDIDATES or k > MAX_K or n < 2 * SAMPLE:
        return None
    is_cpu = scorer.c.device.type == "cpu"
    precisions = [name for name in PRECISIONS[:2] if (int8_is_exact() if name == "int8" and is_cpu else True)]
    if not has_fast_bf16(scorer.c.device):
        precisions = [name for name in precisions if name != "bf16"]
    step = max(1, m // THIN)
    thin = scorer.thinned(max(1, n // SAMPLE), step)
    for precision in precisions:
        found = Scan(thin, precision).survivors(slice(0, thin.shape[0]), max(1, round(k / step)))
        expected = step * (len(found.queries) + int(found.crowded.sum()) * CROWD) / thin.shape[0]
        if expected <= max(4 * k, WORTH[precision] * m):
            return Scan(scorer, precision)
    return Scan(scorer, "fp32")
