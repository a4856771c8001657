"""Scores of all candidates of a late-interaction search, tile by tile: in bfloat16 to prune, or in float64.

The products of a block of the queries' vectors with the vectors of some candidates are one matrix product, of which
each candidate's maxima are taken, and then each query's sums. A product of rounded vectors is off by at most
|dq||c| + |q||dc| (Cauchy-Schwarz), where dq and dc are the rounding residues; a maximum by no more than the greatest
error of a product; and a sum by the sum of these errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from utils.numerics import has_fast_bf16, products
from utils.retrieval.pruning import MatrixValues, Threshold
from utils.retrieval.rows import U32

if TYPE_CHECKING:
    from torch import Tensor

    from utils.retrieval.max_sim_sides import PairScores
    from utils.retrieval.token_rows import Ints

    Kept = tuple[Ints, Ints, npt.NDArray[np.float32], npt.NDArray[np.bool_]]

BLOCK = 1024  # candidates between two steps of the threshold
BLOCK_BYTES = {"cpu": 1 << 26, "cuda": 1 << 30}  # of their vectors, in float32
TILE = {"cpu": (512, 1600), "cuda": (16_384, 16_384)}  # vectors of queries and of candidates in one product
ROUND_UP = 1.0 + 2.0**-16  # covers the rounding of norms that are computed in float32
OUTPUT = 2.0**-8  # the relative error of a product that is rounded to bfloat16


@dataclass(frozen=True)
class _Queries:
    """The rounded vectors of some queries (q, longest, d), and the sums of the norms of vectors and residues (q,)."""

    rows: Tensor
    norms: Tensor
    residues: Tensor


class Scan:
    """The candidates of a search, longest first, in blocks whose candidates are padded to one length."""

    def __init__(self, pairs: PairScores, precision: str | None) -> None:
        """Precision: bf16, fp32, plain (the same), fp64, or None for the faster one of bf16 and fp32."""
        import torch

        self.pairs, self.device = pairs, torch.device(pairs.queries.device)
        kinds = {"bf16": torch.bfloat16, "fp64": torch.float64}
        fastest = "bf16" if has_fast_bf16(self.device) else "fp32"
        self.kind = kinds.get(precision or fastest, torch.float32)
        self.relative = OUTPUT if self.kind == torch.bfloat16 else 16 * U32
        self.order = np.argsort(-pairs.candidates.lengths, kind="stable")
        longest = int(pairs.candidates.lengths.max())
        size = BLOCK_BYTES[self.device.type] // (4 * longest * pairs.candidates.vectors.shape[1])
        self.blocks = [self.order[at : at + max(1, min(BLOCK, size))] for at in self._starts(max(1, min(BLOCK, size)))]

    def full(self, part: Ints) -> npt.NDArray[np.float64]:
        """Return the scores of some queries with all candidates (q, m), of vectors that are not scaled back."""
        queries = self._round_queries(part)
        scores = np.empty((len(part), len(self.order)))
        for block in self.blocks:
            scores[:, block] = self._sums(queries.rows, self.pairs.candidates.padded(block).to(self.kind))[0].cpu()
            self.pairs.release()
        return scores

    def _starts(self, size: int) -> range:
        return range(0, len(self.order), size)

    def keep(self, part: Ints, k: int) -> Kept:
        """Return all candidates that can be among the k best of some queries (q,).

        They are pairs, sorted by query: the query's place in `part`, the candidate and an upper bound of its score. The
        last array (q,) marks the queries with so many candidates that they are not listed.
        """
        queries = self._round_queries(part)
        threshold = Threshold(len(part), k, self.relative, self.device)
        start = 0
        for block in self.blocks:
            sums, error = self._scores(queries, block)
            threshold.add(MatrixValues(sums, k), error * 0 + 1, error, start, None)
            start += len(block)
            self.pairs.release()
        kept = threshold.kept()
        assert kept.upper is not None  # of scores that are in memory
        place, candidate = kept.queries.cpu().numpy(), self.order[kept.candidates.cpu().numpy()]
        return place, candidate, kept.upper.cpu().numpy(), kept.overflowed.cpu().numpy()

    def _round_queries(self, part: Ints) -> _Queries:
        rows = self.pairs.queries.padded(part, zeros=True)
        rounded = rows.to(self.kind)
        back = rounded.float()
        residues = (rows - back).norm(dim=2).sum(dim=1) * ROUND_UP  # 0 in float32 and float64
        return _Queries(rounded, back.norm(dim=2).sum(dim=1) * ROUND_UP, residues)

    def _scores(self, queries: _Queries, block: Ints) -> tuple[Tensor, Tensor]:
        """Return the approximate scores of the queries with a block of candidates (q, b), and their error (q,)."""
        rows = self.pairs.candidates.padded(block)  # (b, longest, d)
        rounded = rows.to(self.kind)
        norm = float(self.pairs.candidates.longest[block].max()) * ROUND_UP
        residue = 0.0
        if self.kind != rows.dtype:
            rows -= rounded
            residue = float(rows.norm(dim=2).max()) * ROUND_UP
        sums, negative = self._sums(queries.rows, rounded)
        slack = (4 * (rows.shape[2] + 16) + queries.rows.shape[1]) * U32 * (norm + residue)
        error = queries.residues * norm + queries.norms * (residue + slack)
        return sums, error + 2 * self.relative * negative

    def _sums(self, queries: Tensor, block: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sums of maxima (q, b), and the greatest sum of what is below 0 of each query (q,)."""
        import torch

        n, n_vectors, dim = queries.shape
        size, length = block.shape[:2]
        left, right = (max(1, most // long) for most, long in zip(self._tile(), (n_vectors, length), strict=True))
        maxima = torch.empty((size, min(left, n) * n_vectors), dtype=self.kind, device=self.device)
        buffer = torch.empty(min(right, size) * length * maxima.shape[1], dtype=self.kind, device=self.device)
        kind = torch.promote_types(self.kind, torch.float32)
        sums, negative = queries.new_empty((n, size), dtype=kind), queries.new_empty(n, dtype=kind)
        for start in range(0, n, left):
            rows = queries[start : start + left].reshape(-1, dim)
            found = maxima[:, : len(rows)]
            for first in range(0, size, right):
                tile = block[first : first + right]
                found[first : first + right] = _maxima(_products(tile.reshape(-1, dim), rows, buffer), length)
            each = found.to(kind).view(size, -1, n_vectors)
            sums[start : start + left] = each.sum(dim=2).T
            negative[start : start + left] = -each.clamp_max(0).sum(dim=2).amin(dim=0)
        return sums, negative

    def _tile(self) -> tuple[int, int]:
        return TILE[self.device.type]


def _products(rows: Tensor, queries: Tensor, buffer: Tensor) -> Tensor:
    """Return the products of candidates' vectors (t, d) with queries' vectors (q, d): (t, q)."""
    import torch

    if rows.dtype != torch.bfloat16:
        return products(rows, queries)
    out = buffer[: len(rows) * len(queries)].view(len(rows), len(queries))
    return torch.mm(rows, queries.t(), out=out)


def _maxima(values: Tensor, length: int) -> Tensor:
    """Return the greatest of each `length` rows of values (t, q): (t / length, q)."""
    import torch

    if values.dtype != torch.bfloat16 or values.device.type != "cpu":
        return values.view(-1, length, values.shape[1]).amax(dim=1)
    # as whole numbers, which processors compare ten times as fast, bfloat16 numbers have their own order, those below
    # 0 the reverse one
    whole = values.view(torch.int16).view(-1, length, values.shape[1])
    found = whole.amax(dim=1)
    if bool((found < 0).any()):
        found = torch.where(found < 0, whole.amin(dim=1), found)
    return found.view(torch.bfloat16)
