"""The two sides of a late-interaction search on a device, and the scores of pairs, in float32 and in float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from utils.errors import UserError
from utils.retrieval.mapped_rows import blocks, release
from utils.retrieval.rows import U32, inverse_power_of_two, row_norms, sum_products

if TYPE_CHECKING:
    from torch import Tensor

    from utils.retrieval.token_rows import Ints, TokenRows
    from utils.schema import Rows

Floats = npt.NDArray[np.float64]
PAIR_BYTES = {"cpu": 1 << 22, "cuda": 1 << 28}  # vectors that are gathered at once, to score pairs
GPU_SHARE = 0.5  # of the free memory that the vectors of a side may take; else they stay in the host's memory
MODERATE = 2.0**30  # norms between its inverse and itself are left as they are


@dataclass(frozen=True)
class Side:
    """The vectors of one side, each text with at least one: (sum of lengths, d), in whose place `scale` is applied.

    offsets (n + 1,) and lengths (n,) are those of the texts; norms (sum of lengths,) those of the vectors, and longest
    (n,) the greatest of each text, both scaled. source: the array that the vectors come from, perhaps a memory map.
    """

    vectors: Tensor
    source: Rows
    offsets: Ints
    lengths: Ints
    norms: Floats
    longest: Floats
    scale: float
    device: str

    @classmethod
    def of(cls, rows: TokenRows, device: str, side: str) -> Side:
        """Return a side on a device. Raises UserError for NaN or infinity; `side` is "queries" or "candidates"."""
        norms = _norms(rows)
        wrong = np.flatnonzero(~np.isfinite(norms))
        if len(wrong):
            text = int(np.searchsorted(rows.offsets, wrong[0], side="right")) - 1
            raise UserError(f"row {text} of the {side} holds NaN or infinity", "encode again with --dtype fp32")
        top = float(norms.max())
        scale = 1.0 if top == 0 or 1 / MODERATE <= top <= MODERATE else inverse_power_of_two(top)
        norms *= scale
        longest: Floats = np.maximum.reduceat(norms, rows.offsets[:-1])
        return cls(_placed(rows, device), rows.vectors, rows.offsets, rows.lengths, norms, longest, scale, device)

    def padded(self, texts: Ints, *, zeros: bool = False) -> Tensor:
        """Return the scaled vectors of some texts (t, longest, d), float32.

        A shorter text is padded by its last vector, which changes no maximum, or with zeros, which change no sum.
        """
        import torch

        lengths = self.lengths[texts]
        place = np.minimum(np.arange(lengths.max()), lengths[:, None] - 1) + self.offsets[texts][:, None]
        index = torch.from_numpy(place.reshape(-1)).to(self.vectors.device)
        found = self.vectors.index_select(0, index).to(self.device).view(*place.shape, -1)
        if self.scale != 1.0:
            found = found * self.scale
        if zeros and int(lengths.min()) < found.shape[1]:
            found[torch.from_numpy(np.arange(found.shape[1]) >= lengths[:, None]).to(self.device)] = 0
        return found

    def rows(self, places: Ints) -> npt.NDArray[np.float64]:
        """Return the scaled vectors at some places (p, d) in float64, in the host's memory."""
        import torch

        index = torch.from_numpy(places).to(self.vectors.device)
        return self.vectors.index_select(0, index).cpu().numpy().astype(np.float64) * self.scale


class PairScores:
    """Scores of pairs of a query and a candidate: the sum over the query's vectors of the greatest product."""

    def __init__(self, queries: Side, candidates: Side) -> None:
        self.queries, self.candidates = queries, candidates
        dim = queries.vectors.shape[1]
        self.product_error = 2 * (dim + 16) * U32 * float(candidates.norms.max())  # of a unit vector's float32 product
        sums = np.add.reduceat(queries.norms, queries.offsets[:-1])
        rest = (queries.lengths + 16) * U32 * float(candidates.norms.max())  # of the float32 sum of the maxima
        self.error: Floats = sums * (self.product_error + rest)  # (n,) of a float32 score

    def approximate(self, queries: Ints, candidates: Ints) -> npt.NDArray[np.float32]:
        """Return the scores of pairs (s,) by float32 products; they are off by `error` of their query at most."""
        values = np.empty(len(queries), dtype=np.float32)
        for part in self._parts(queries, candidates):
            values[part] = self._products(queries[part], candidates[part]).amax(dim=2).sum(dim=1).cpu().numpy()
            self.release()
        return values

    def exact(self, queries: Ints, candidates: Ints) -> Floats:
        """Return the scores of pairs (s,) in float64, each product and each sum computed by itself, in one order.

        Only products within the error of float32 of the greatest one are computed.
        """
        scores: Floats = np.empty(len(queries))
        back = 1 / (self.queries.scale * self.candidates.scale)
        for part in self._parts(queries, candidates):
            scores[part] = self._sums(queries[part], candidates[part]) * back
            self.release()
        return scores

    def release(self) -> None:
        """Give back the memory of what has been read of memory maps."""
        for side in (self.queries, self.candidates):
            release(side.source)

    def _sums(self, queries: Ints, candidates: Ints) -> Floats:
        import torch

        products = self._products(queries, candidates)  # (p, query vectors, candidate vectors)
        best = products.amax(dim=2, keepdim=True)
        left, right = self.queries, self.candidates
        inside = torch.from_numpy(np.arange(products.shape[1]) < left.lengths[queries][:, None]).to(best.device)
        real = torch.from_numpy(np.arange(products.shape[2]) < right.lengths[candidates][:, None]).to(best.device)
        norms = torch.from_numpy(_padded_norms(left, queries)).to(best.device)[:, :, None]
        near = (products >= best - 2 * self.product_error * norms) & inside[:, :, None] & real[:, None, :]
        pair, ours, theirs = (places.cpu().numpy() for places in near.nonzero(as_tuple=True))
        sums = np.zeros(products.shape[:2])
        step = max(1, PAIR_BYTES["cpu"] // (16 * left.vectors.shape[1]))
        exact = np.empty(len(pair))
        for start in range(0, len(pair), step):
            some = slice(start, start + step)
            query, candidate = queries[pair[some]], candidates[pair[some]]
            exact[some] = sum_products(
                left.rows(left.offsets[query] + ours[some]), right.rows(right.offsets[candidate] + theirs[some])
            )
        token = pair * products.shape[1] + ours
        first = np.flatnonzero(np.diff(token, prepend=-1))
        sums.reshape(-1)[token[first]] = np.maximum.reduceat(exact, first)
        total: Floats = np.cumsum(sums, axis=1)[:, -1]  # in order, so that zeros at the end change nothing
        return total

    def _products(self, queries: Ints, candidates: Ints) -> Tensor:
        """Return the float32 products of pairs (p, query vectors, candidate vectors)."""
        left = self.queries.padded(queries, zeros=True)
        return left @ self.candidates.padded(candidates).transpose(1, 2)

    def _parts(self, queries: Ints, candidates: Ints) -> list[Ints]:
        """Return the pairs in parts of bounded size, texts of like length together."""
        if not len(queries):
            return []
        order = np.lexsort((candidates, self.candidates.lengths[candidates], self.queries.lengths[queries]))
        dim = self.queries.vectors.shape[1]
        longest = self.queries.lengths[queries], self.candidates.lengths[candidates]
        size = 4 * (sum(longest) * dim + longest[0] * longest[1])[order]  # bytes
        filled = np.cumsum(size) // PAIR_BYTES[self.queries.device[:4].rstrip(":")]
        return [order[part] for part in np.split(np.arange(len(order)), np.flatnonzero(np.diff(filled)) + 1)]


def _padded_norms(side: Side, texts: Ints) -> npt.NDArray[np.float32]:
    lengths = side.lengths[texts]
    place = np.minimum(np.arange(lengths.max()), lengths[:, None] - 1) + side.offsets[texts][:, None]
    return side.norms[place].astype(np.float32)


def _norms(rows: TokenRows) -> Floats:
    """Return the norm of each vector (sum of lengths,), reading a memory map block by block."""
    found: Floats = np.empty(len(rows.vectors))
    for part in blocks(rows.vectors):
        found[part] = row_norms(rows.vectors[part])
    return found


def _placed(rows: TokenRows, device: str) -> Tensor:
    """Return the vectors as a tensor, on the device where they fit there."""
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that a read-only memory map cannot be written
        tensor = torch.as_tensor(rows.vectors)
    if device == "cpu" or tensor.nbytes > GPU_SHARE * torch.cuda.mem_get_info(device)[0]:
        return tensor
    moved = tensor.to(device)
    release(rows.vectors)
    return moved
