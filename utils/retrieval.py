"""Exact top-k retrieval: tiles over both sides, memory bounded by the tile, ties to the lower index.

The score of a query and a candidate is its float64 value rounded to float32, so it does not depend on tile
sizes, batch neighbours or the device. A scan in low precision (utils/scan.py) keeps all candidates that can be among
the k best; they are scored in float32, and those that its error leaves in doubt in float64. Where few candidates make
that not worth while, a plain float32 scan keeps k + SLACK a row, and a row is certified when, by the worst-case
rounding error of a float32 product (Higham 2002, section 3.1), no other candidate can reach its k-th score. Rows that
are not certified (ties at the border, as exact duplicates make them) are searched again in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from utils.lanes import Lane, cpu_lanes, over_lanes
from utils.scan import QUERY_TILE as SCAN_TILE
from utils.scan import Scan, choose
from utils.schema import MARGINS, SIMILARITIES, TopK, UserError
from utils.survivors import U32, Survivors

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from utils.schema import Rows

LIFT = 4  # survivors a query, in multiples of k, at which exact values of the likeliest ones pay
SLACK = 16  # candidates kept beyond k before the exact scores are taken
QUERY_TILE = 1024
CANDIDATE_TILE = 16384
WORK_BYTES = 1 << 27  # float64 scratch of the float64 search
RESCORE_BYTES = {"cpu": 1 << 21, "cuda": 1 << 28}  # of rescoring: what a core's cache holds
MIN_NEIGHBOURHOOD = 1e-6  # ratio margin: neighbourhoods at or below zero have no ratio


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

    queries (n, d) and candidates (m, d) are float32 rows, numpy or torch; scores are cosines, dot products or
    negative Euclidean distances. `precision` is that of the scan (int8, bf16, fp32, or plain: float32 without block
    maxima); None takes the fastest one, and all give the same. Raises UserError for NaN, for zero rows under cosine,
    and for k > m.
    """
    if similarity not in SIMILARITIES:
        raise UserError(f"unknown similarity {similarity!r}", f"choose from: {', '.join(SIMILARITIES)}")
    return _search(_scorer(queries, candidates, similarity, device), k, precision)


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
    product = _scorer(queries, candidates, "cosine", device)
    if margin in ("none", "absolute"):
        return _search(product, k, precision)
    n, m = product.shape
    if not 1 <= margin_k <= min(n, m):
        raise UserError(f"--margin_k {margin_k}, but the smaller side has {min(n, m)} texts", f"give 1 to {min(n, m)}")
    forward = _search(product, margin_k, precision).scores.mean(axis=1, dtype=np.float64)  # (n,)
    backward = _search(product.swapped(), margin_k, precision).scores.mean(axis=1, dtype=np.float64)  # (m,)
    return _search(_Margin(product, margin, forward, backward), k, precision)


def concatenate(members: Sequence[Rows], weights: Sequence[float]) -> Rows:
    """Join several encoders' rows so that one cosine is the weighted mean of theirs.

    Unit rows scaled by sqrt(weight / sum of weights), side by side: (n, d1 + d2 + ...), of unit length.
    """
    total = float(sum(weights))
    parts = [_unit(rows) * np.float32(np.sqrt(weight / total)) for rows, weight in zip(members, weights, strict=True)]
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


class _Product:
    """Scores from one matrix product; scan space is 2qc - |c|^2 for Euclidean, the score itself otherwise."""

    def __init__(self, queries: Tensor, candidates: Tensor, similarity: str) -> None:
        self.q, self.c, self.similarity = queries, candidates, similarity
        self.shape = (queries.shape[0], candidates.shape[0])
        self.dim = queries.shape[1]
        q_norms, c_norms = _norms(queries), _norms(candidates)  # (n,), (m,) float64
        _no_odd_rows(q_norms, "queries", zeros=similarity != "cosine")
        _no_odd_rows(c_norms, "candidates", zeros=similarity != "cosine")
        if similarity == "cosine":
            self.q_factor, self.c_factor = 1 / q_norms, 1 / c_norms
            self.row_scale = self.q_factor * 0 + 1
        else:  # powers of two keep the scan's products in range and change no rounding
            q_top, c_top = float(q_norms.max()), float(c_norms.max())
            if similarity == "euclidean":
                q_top = c_top = max(q_top, c_top)
            self.q_factor = q_norms * 0 + _power_of_two(q_top)
            self.c_factor = c_norms * 0 + _power_of_two(c_top)
            self.row_scale = self.q_factor * 0 + (4 if similarity == "euclidean" else 1)
        self.q_squared = (q_norms * self.q_factor) ** 2  # (n,) in scan units
        self.c_squared = (c_norms * self.c_factor) ** 2  # (m,)

    def swapped(self) -> _Product:
        """The same scores with the sides exchanged."""
        return _Product(self.c, self.q, self.similarity)

    def thinned(self, query_step: int, step: int) -> _Product:
        """The same scores of every so many queries and candidates; the scale of dot products may be another."""
        return _Product(self.q[::query_step].contiguous(), self.c[::step].contiguous(), self.similarity)

    def scan(self, rows: slice, cols: slice) -> Tensor:
        """Approximate values in scan space: (q, t) float32."""
        c_scan = _scaled(self.c[cols], self.c_factor[cols])
        return self.value(_scaled(self.q[rows], self.q_factor[rows]) @ c_scan.T, rows, cols)

    def is_product(self) -> bool:
        """Whether scan space is the product of scaled rows itself."""
        return self.similarity != "euclidean"

    def value(self, product: Tensor, rows: slice, cols: slice) -> Tensor:
        """Turn products of scaled rows (q, t) into scan space; the argument may be changed."""
        return product if self.is_product() else product.mul_(2).sub_(self.c_squared[cols].float())

    def pair_values(self, rows: Tensor, cols: Tensor, products: Tensor) -> Tensor:
        """Turn products of chosen scaled queries and bare candidates (s,) into scan space, float32."""
        products = products * self.c_factor[cols].float()
        return products if self.is_product() else 2 * products - self.c_squared[cols].float()

    def full(self, rows: Tensor) -> Tensor:
        """Scores of some queries with all candidates, in float64: (q, m)."""
        q = self.q[rows].double() * self.q_factor[rows, None]
        product = self.q.new_empty((len(rows), self.shape[1]), dtype=q.dtype)
        step = max(1, WORK_BYTES // (8 * self.dim))
        for start in range(0, self.shape[1], step):
            cols = slice(start, start + step)
            product[:, cols] = q @ (self.c[cols].double() * self.c_factor[cols, None]).T
        if self.similarity == "euclidean":
            return self.to_score(rows, product.mul_(2).sub_(self.c_squared))
        return self.to_score(rows, product)

    def exact(self, rows: Tensor, cols: Tensor) -> Tensor:
        """Scores of queries (q,) with chosen candidates (q, j), in float64, each summed alone: (q, j)."""
        q = self.q[rows].double()[:, None, :]  # (q, 1, d)
        c = self.c.index_select(0, cols.reshape(-1)).double().view(*cols.shape, -1)  # (q, j, d)
        if self.similarity == "euclidean":
            return -c.sub_(q).square_().sum(-1).sqrt()
        dots = c.mul_(q).sum(-1)
        return dots * self.q_factor[rows, None] * self.c_factor[cols] if self.similarity == "cosine" else dots

    def to_score(self, rows: Tensor, values: Tensor) -> Tensor:
        """Turn float64 values of scan space (q, j) into scores; monotone."""
        if self.similarity == "cosine":
            return values
        if self.similarity == "dot":
            return values / (self.q_factor[0] * self.c_factor[0])
        return -(self.q_squared[rows, None] - values).clamp_min(0).sqrt() / self.q_factor[0]


class _Margin:
    """Margins over a cosine product, with the mean cosines to the nearest neighbours of each side."""

    def __init__(
        self, product: _Product, margin: str, forward: npt.NDArray[np.float64], backward: npt.NDArray[np.float64]
    ) -> None:
        import torch

        self.product, self.margin, self.shape, self.dim = product, margin, product.shape, product.dim
        self.q, self.c = product.q, product.c
        self.q_factor, self.c_factor = product.q_factor, product.c_factor
        self.r_q = torch.as_tensor(forward, device=product.q.device)  # (n,)
        self.r_c = torch.as_tensor(backward, device=product.q.device)  # (m,)
        ones = product.row_scale
        if margin == "ratio":  # the slope of a / b is 1 / b
            self.row_scale = 1 / ((self.r_q + self.r_c.min()) / 2).clamp_min(MIN_NEIGHBOURHOOD)
        else:
            self.row_scale = ones * (4 if margin == "csls" else 2)

    def _apply(self, cosines: Tensor, r_q: Tensor, r_c: Tensor) -> Tensor:
        if self.margin == "ratio":
            return cosines / ((r_q + r_c) / 2).clamp_min(MIN_NEIGHBOURHOOD)
        if self.margin == "distance":
            return cosines - (r_q + r_c) / 2
        return 2 * cosines - r_q - r_c

    def thinned(self, query_step: int, step: int) -> _Margin:
        """The same margins of every so many queries and candidates."""
        r_q, r_c = self.r_q[::query_step].cpu().numpy(), self.r_c[::step].cpu().numpy()
        return _Margin(self.product.thinned(query_step, step), self.margin, r_q, r_c)

    def scan(self, rows: slice, cols: slice) -> Tensor:
        """Approximate margins: (q, t) float32."""
        return self.value(self.product.scan(rows, cols), rows, cols)

    def is_product(self) -> bool:
        """A margin is none."""
        return False

    def value(self, product: Tensor, rows: slice, cols: slice) -> Tensor:
        """Turn cosines (q, t) into margins."""
        return self._apply(product, self.r_q[rows, None].float(), self.r_c[cols].float())

    def pair_values(self, rows: Tensor, cols: Tensor, products: Tensor) -> Tensor:
        """Turn products of chosen unit queries and bare candidates (s,) into margins, float32."""
        cosines = self.product.pair_values(rows, cols, products)
        return self._apply(cosines, self.r_q[rows].float(), self.r_c[cols].float())

    def full(self, rows: Tensor) -> Tensor:
        """Margins of some queries with all candidates, in float64: (q, m)."""
        return self._apply(self.product.full(rows), self.r_q[rows, None], self.r_c)

    def exact(self, rows: Tensor, cols: Tensor) -> Tensor:
        """Margins of queries (q,) with chosen candidates (q, j), in float64: (q, j)."""
        return self._apply(self.product.exact(rows, cols), self.r_q[rows, None], self.r_c[cols])

    def to_score(self, rows: Tensor, values: Tensor) -> Tensor:
        """Scan space is the score."""
        return values


def _search(scorer: _Product | _Margin, k: int, precision: str | None = None) -> TopK:
    import torch

    n, m = scorer.shape
    if not 1 <= k <= m:
        raise UserError(f"k = {k}, but there are {m} candidates", f"give 1 to {m}")
    indices = np.empty((n, k), dtype=np.int64)
    scores = np.empty((n, k), dtype=np.float32)
    left: list[npt.NDArray[np.int64]] = []  # queries to be searched in full
    with torch.inference_mode():
        for queries, (best, value, certified) in _search_tiles(scorer, k, precision):
            indices[queries], scores[queries] = best.cpu().numpy(), value.cpu().numpy()
            left.append(queries[~certified.cpu().numpy()])
        for rows, best, value in _search_float64(
            scorer, torch.as_tensor(np.concatenate(left), device=scorer.q.device), k
        ):
            indices[rows.cpu().numpy()], scores[rows.cpu().numpy()] = best.cpu().numpy(), value.cpu().numpy()
    return TopK(indices, scores)


@dataclass(frozen=True)
class _Queries:
    """Some queries: their numbers (q,), and their scaled rows (q, d), float32."""

    rows: Tensor
    scaled: Tensor


def _search_tiles(
    scorer: _Product | _Margin, k: int, precision: str | None
) -> Iterator[tuple[npt.NDArray[np.int64], tuple[Tensor, Tensor, Tensor]]]:
    """Yield tiles of queries (q,) with their k best (q, k), the scores, and which of them are certified (q,)."""
    import torch

    n, m = scorer.shape
    scan = choose(scorer, k) if precision is None else None if precision == "plain" else Scan(scorer, precision)
    lanes = cpu_lanes(None) if scorer.q.device.type == "cpu" else [Lane(None, "cuda", 1)]
    rounds = -(-n // (len(lanes) * (QUERY_TILE if scan is None else SCAN_TILE)))
    size = -(-n // (len(lanes) * rounds))  # as many tiles in every lane

    def work(_: Lane, queries: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        rows = torch.as_tensor(queries, device=scorer.q.device)
        part = slice(int(queries[0]), int(queries[-1]) + 1)
        if scan is None:
            return _rescore(scorer, rows, *_scan(scorer, part, min(m, k + SLACK)), k)
        tile = _Queries(rows, _scaled(scorer.q[rows], scorer.q_factor[rows]))
        centring = scan.centring(part)
        found = scan.survivors(part, k, lambda chosen: _reached(scorer, tile, chosen) - centring[:, None])
        if len(found.queries) > LIFT * k * len(rows):
            found = _lifted(scorer, tile, found, centring, k)
        best, value = _ranked(scorer, rows, *_narrowed(scorer, tile, found, k), k)
        return best, value, ~found.crowded

    return over_lanes(lanes, work, [np.arange(at, min(n, at + size)) for at in range(0, n, size)], "queries")


def _lifted(scorer: _Product | _Margin, tile: _Queries, found: Survivors, centring: Tensor, k: int) -> Survivors:
    """Drop the survivors that cannot reach the k-th of the exact values of each query's k likeliest ones."""
    counts = found.queries.bincount(minlength=len(tile.rows))
    grid, _ = _grid(found.queries, found.upper, counts, -float("inf"))
    full = counts >= k  # crowded queries have none
    if grid.shape[1] < k or not full.any():
        return found
    places = grid.topk(k, dim=1).indices  # (q, k)
    chosen = ((counts.cumsum(0) - counts)[:, None] + places).clamp_max(max(len(found.candidates) - 1, 0))
    reached = _reached(scorer, tile, found.candidates[chosen]).amin(dim=1)
    floor = reached.masked_fill(~full, -float("inf"))
    kept = found.upper + centring[found.queries] >= floor[found.queries]
    return Survivors(found.queries[kept], found.candidates[kept], found.upper[kept], found.crowded)


def _reached(scorer: _Product | _Margin, tile: _Queries, candidates: Tensor) -> Tensor:
    """Return values that those of chosen candidates (q, j) certainly reach: float32 ones less their error, (q, j)."""
    import torch

    n, j = candidates.shape
    ordered, order = candidates.sort(dim=1)
    counts = torch.full((n,), j, device=candidates.device)
    products = _sampled_products(scorer, tile, ordered.reshape(-1), counts)
    values = scorer.pair_values(tile.rows.repeat_interleave(j), ordered.reshape(-1), products).view(n, j)
    error = 4 * (scorer.dim + 16) * U32 * scorer.row_scale[tile.rows].float()[:, None] + 16 * U32 * values.abs()
    return torch.empty_like(values).scatter_(1, order, values - error)


def _narrowed(scorer: _Product | _Margin, tile: _Queries, found: Survivors, k: int) -> tuple[Tensor, Tensor]:
    """Score the survivors in float32 and keep those that can be among the k best by its error.

    Returns candidates (q, j) in the order of their indices, and which of them are real (q, j): the rest is padding.
    """
    import torch

    rows = tile.rows
    counts = torch.bincount(found.queries, minlength=len(rows))
    if int(counts.max()) > k:
        products = _sampled_products(scorer, tile, found.candidates, counts)
        values = scorer.pair_values(rows[found.queries], found.candidates, products)
        grid, _ = _grid(found.queries, values, counts, -torch.inf)
        floor = grid.topk(k, dim=1).values[:, -1] if grid.shape[1] >= k else grid.new_full((len(rows),), -torch.inf)
        error = 4 * (scorer.dim + 16) * U32 * scorer.row_scale[rows].float() + 16 * U32 * floor.abs()
        kept = values >= (floor - error)[found.queries]
        queries, candidates = found.queries[kept], found.candidates[kept]
        counts = torch.bincount(queries, minlength=len(rows))
    else:
        queries, candidates = found.queries, found.candidates
    return _grid(queries, candidates, counts, 0)


def _grid(queries: Tensor, values: Tensor, counts: Tensor, fill: float) -> tuple[Tensor, Tensor]:
    """Put the values (s,) of each query, which stand together, into a row of their own: (q, j), and which are real."""
    import torch

    width = max(int(counts.max()), 1)
    first = counts.cumsum(0) - counts
    place = torch.arange(len(queries), device=queries.device) - first[queries]
    grid = values.new_full((len(counts), width), fill)
    grid[queries, place] = values
    return grid, torch.arange(width, device=queries.device) < counts[:, None]


def _sampled_products(scorer: _Product | _Margin, tile: _Queries, candidates: Tensor, counts: Tensor) -> Tensor:
    """Return float32 products (s,) of the queries, `counts` (q,) each, with candidates (s,) as they are."""
    import warnings

    import torch

    ends = torch.cat((counts.new_zeros(1), counts.cumsum(0)))
    zeros = tile.scaled.new_zeros(len(candidates))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that sparse tensors are young
        pattern = torch.sparse_csr_tensor(ends, candidates, zeros, (len(tile.rows), scorer.shape[1]))
        products: Tensor = torch.sparse.sampled_addmm(pattern, tile.scaled, scorer.c.t(), beta=0.0).values()
    return products


def _ranked(scorer: _Product | _Margin, rows: Tensor, kept: Tensor, real: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Score candidates (q, j) exactly; return the k best (q, k) and their scores; rows without k are left for later."""
    import torch

    exact = _exact(scorer, rows, kept).float().masked_fill(~real, -torch.inf)
    if exact.shape[1] < k:  # only where no row has k: all are crowded
        missing = (0, k - exact.shape[1])
        exact, kept = torch.nn.functional.pad(exact, missing), torch.nn.functional.pad(kept, missing)
    value, order = exact.sort(dim=1, descending=True, stable=True)
    return kept.gather(1, order[:, :k]), value[:, :k]


def _exact(scorer: _Product | _Margin, rows: Tensor, kept: Tensor) -> Tensor:
    """Return the float64 scores of queries (q,) with chosen candidates (q, j), some queries at a time."""
    import torch

    step = max(1, RESCORE_BYTES[rows.device.type] // (8 * scorer.dim * kept.shape[1]))
    return torch.cat([scorer.exact(rows[i : i + step], kept[i : i + step]) for i in range(0, len(rows), step)])


def _scan(scorer: _Product | _Margin, rows: slice, keep: int) -> tuple[Tensor, Tensor]:
    """Return the indices (q, keep) of the best scan values and their minimum (q,): what is left out is below it."""
    import torch

    values = indices = None
    for start in range(0, scorer.shape[1], CANDIDATE_TILE):
        tile = scorer.scan(rows, slice(start, start + CANDIDATE_TILE))  # (q, t)
        top = tile.topk(min(keep, tile.shape[1]), dim=1, sorted=False)
        if values is None or indices is None:
            values, indices = top.values, top.indices + start
            continue
        values = torch.cat((values, top.values), dim=1)
        indices = torch.cat((indices, top.indices + start), dim=1)
        top = values.topk(min(keep, values.shape[1]), dim=1, sorted=False)
        values, indices = top.values, indices.gather(1, top.indices)
    assert values is not None and indices is not None  # m >= 1
    return indices, values.min(dim=1).values


def _rescore(
    scorer: _Product | _Margin, rows: Tensor, kept: Tensor, floor: Tensor, k: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Score the kept candidates exactly; return the k best (q, k), their scores, and which rows are certified."""
    import torch

    kept = kept.sort(dim=1).values  # index order, so that a stable sort by score breaks ties to the lower index
    value, order = _exact(scorer, rows, kept).float().sort(dim=1, descending=True, stable=True)
    best, value = kept.gather(1, order[:, :k]), value[:, :k]
    if kept.shape[1] == scorer.shape[1]:
        return best, value, torch.ones(len(rows), dtype=torch.bool, device=rows.device)
    error = (
        2 * (scorer.dim + 16) * U32 * scorer.row_scale[rows]
    )  # (q,) bound on |scan - exact|, and the rounding to float32
    ceiling = scorer.to_score(rows, (floor.double() + error)[:, None])[:, 0]
    return best, value, value[:, -1].double() > ceiling + 2 * U32 * ceiling.abs()


def _search_float64(scorer: _Product | _Margin, rows: Tensor, k: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Search some rows by float64 scores of all candidates; identical candidates get identical scores."""
    if not len(rows):
        return
    first = first_of_equals(scorer.c)
    step = max(1, WORK_BYTES // (8 * scorer.shape[1]))
    for start in range(0, len(rows), step):
        chunk = rows[start : start + step]
        values = scorer.full(chunk).float()
        values = values[:, first] if first is not None else values
        value, order = values.sort(dim=1, descending=True, stable=True)
        yield chunk, order[:, :k], value[:, :k]


def first_of_equals(rows: Tensor) -> Tensor | None:
    """Return for each row the index of the first identical one (m,), or None where all differ."""
    import torch

    seen: dict[bytes, int] = {}
    host = rows.cpu().numpy()
    first = [seen.setdefault(row.tobytes(), index) for index, row in enumerate(host)]
    return None if len(seen) == len(first) else torch.as_tensor(first, device=rows.device)


def _scorer(queries: Rows | Tensor, candidates: Rows | Tensor, similarity: str, device: str) -> _Product:
    q, c = _tensor(queries, "queries", device), _tensor(candidates, "candidates", device)
    if q.shape[1] != c.shape[1]:
        raise UserError(
            f"queries have {q.shape[1]} dimensions, candidates {c.shape[1]}", "encode both with the same encoder"
        )
    return _Product(q, c, similarity)


def _tensor(rows: Any, name: str, device: str) -> torch.Tensor:
    import torch

    tensor = torch.as_tensor(rows, dtype=torch.float32, device=device)
    if tensor.ndim != 2 or not tensor.shape[0]:
        raise UserError(f"{name} have the shape {tuple(tensor.shape)}, expected (n, d) with n > 0", "one row a text")
    return tensor.contiguous()


def _no_odd_rows(norms: Tensor, name: str, *, zeros: bool) -> None:
    """Raise UserError where a row holds NaN or infinity, which its length (n,) shows, or zeros alone."""
    odd = (~norms.isfinite()).nonzero()
    if len(odd):
        raise UserError(f"row {int(odd[0])} of the {name} holds NaN or infinity", "encode again, in --dtype fp32")
    zero = (norms == 0).nonzero()
    if len(zero) and not zeros:
        which = {"queries": "query", "candidates": "candidate"}[name]
        raise UserError(f"{which} {int(zero[0])} is all zeros: its cosine is not defined", "is its text empty?")


def _norms(rows: Tensor) -> Tensor:
    """Return the lengths of rows (n,), float64."""
    import torch

    if rows.device.type == "cpu":  # numpy casts block by block; torch would copy all rows first
        host = rows.numpy()
        return torch.from_numpy(np.sqrt(np.einsum("nd,nd->n", host, host, dtype=np.float64)))
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    return norms


def _power_of_two(norm: float) -> float:
    return 2.0 ** -int(np.ceil(np.log2(norm))) if norm > 0 else 1.0


def _scaled(rows: Tensor, factor: Tensor) -> Tensor:
    import torch

    step = max(1, WORK_BYTES // (8 * rows.shape[1]))
    out = torch.empty_like(rows)
    for i in range(0, rows.shape[0], step):
        out[i : i + step] = (rows[i : i + step].double() * factor[i : i + step, None]).float()
    return out
