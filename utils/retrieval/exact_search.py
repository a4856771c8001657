"""The k best candidates of each query, by any scorer: scanned fast, rescored exactly, certified row by row; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from utils.errors import UserError
from utils.parallel import Lane, cpu_lanes, over_lanes
from utils.retrieval.pruning import U32, Survivors
from utils.retrieval.quantized_scan import Scan, choose, tile_sizes
from utils.retrieval.rows import first_of_equals
from utils.retrieval.similarities import WORK_BYTES, Margin, Product
from utils.schema import TopK

if TYPE_CHECKING:
    from torch import Tensor

FEW, RANKING = 64, 0.2  # neighbours, and their share of the candidates, from which all are scored in float64
MANY = 256  # neighbours from which tiles are smaller, since each query has more survivors
LIFT = 4  # survivors a query, in multiples of k, at which exact values of the likeliest ones pay
SLACK = 16  # candidates kept beyond k before the exact scores are taken
QUERY_TILE = 1024
FEW_SCORES = 1 << 22  # fewer are not worth threads of their own
CANDIDATE_TILE = 16384
RESCORE_BYTES = {"cpu": 1 << 21, "cuda": 1 << 28}  # of rescoring: what a core's cache holds


def search(scorer: Product | Margin, k: int, precision: str | None = None) -> TopK:
    """Return the k best candidates of each query by their exact scores, ties to the lower index.

    `precision` is that of the scan, None for the fastest. Raises UserError for k > m.
    """
    import torch

    n, m = scorer.shape
    if not 1 <= k <= m:
        raise UserError(f"k = {k}, but there are {m} candidates", f"give 1 to {m}")
    indices = np.empty((n, k), dtype=np.int64)
    scores = np.empty((n, k), dtype=np.float32)
    left: list[npt.NDArray[np.int64]] = []  # queries to be searched in full
    is_ranking = k > FEW and k > RANKING * m  # of nearly everything: chosen ones are not worth looking for
    with torch.inference_mode():
        for queries, (best, value, certified) in [] if is_ranking else _search_tiles(scorer, k, precision):
            indices[queries], scores[queries] = best.cpu().numpy(), value.cpu().numpy()
            left.append(queries[~certified.cpu().numpy()])
        for rows, best, value in _search_float64(
            scorer, torch.as_tensor(np.arange(n) if is_ranking else np.concatenate(left), device=scorer.q.device), k
        ):
            indices[rows.cpu().numpy()], scores[rows.cpu().numpy()] = best.cpu().numpy(), value.cpu().numpy()
    return TopK(indices, scores)


@dataclass(frozen=True)
class _Queries:
    """Some queries: their numbers (q,), and their scaled rows (q, d), float32."""

    rows: Tensor
    scaled: Tensor


def _search_tiles(
    scorer: Product | Margin, k: int, precision: str | None
) -> Iterator[tuple[npt.NDArray[np.int64], tuple[Tensor, Tensor, Tensor]]]:
    """Yield tiles of queries (q,) with their k best (q, k), the scores, and which of them are certified (q,)."""
    import torch

    n, m = scorer.shape
    scan = choose(scorer, k) if precision is None else None if precision == "plain" else Scan(scorer, precision)
    is_small = scorer.q.device.type != "cpu" or n * m < FEW_SCORES
    lanes = [Lane(None, str(scorer.q.device), torch.get_num_threads())] if is_small else cpu_lanes(None)
    most = QUERY_TILE if scan is None else max(64, tile_sizes(scorer.q.device)[0] * MANY // max(k, MANY))
    rounds = -(-n // (len(lanes) * most))
    size = -(-n // (len(lanes) * rounds))  # as many tiles in every lane

    def work(_: Lane, queries: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        rows = torch.as_tensor(queries, device=scorer.q.device)
        part = slice(int(queries[0]), int(queries[-1]) + 1)
        if scan is None:
            return _rescore(scorer, rows, *_scan(scorer, part, min(m, k + SLACK)), k)
        tile = _Queries(rows, scorer.queries(part))
        centring = scan.centring(part)
        found = scan.survivors(part, k, lambda chosen: _reached(scorer, tile, chosen) - centring[:, None])
        if len(found.queries) > LIFT * k * len(rows):
            found = _lifted(scorer, tile, found, centring, k)
        best, value = _ranked(scorer, rows, *_narrowed(scorer, tile, found, k), k)
        return best, value, ~found.crowded

    return over_lanes(lanes, work, [np.arange(at, min(n, at + size)) for at in range(0, n, size)], "queries")


def _lifted(scorer: Product | Margin, tile: _Queries, found: Survivors, centring: Tensor, k: int) -> Survivors:
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


def _reached(scorer: Product | Margin, tile: _Queries, candidates: Tensor) -> Tensor:
    """Return values that those of chosen candidates (q, j) certainly reach: float32 ones less their error, (q, j)."""
    import torch

    n, j = candidates.shape
    ordered, order = candidates.sort(dim=1)
    counts = torch.full((n,), j, device=candidates.device)
    products = _sampled_products(scorer, tile, ordered.reshape(-1), counts)
    values = scorer.pair_values(tile.rows.repeat_interleave(j), ordered.reshape(-1), products).view(n, j)
    return torch.empty_like(values).scatter_(1, order, values - _float32_error(scorer, tile.rows, values))


def _float32_error(scorer: Product | Margin, rows: Tensor, values: Tensor) -> Tensor:
    """Return how far float32 values (q, j) of pairs may be from the true ones."""
    return 4 * (scorer.dim + 16) * U32 * scorer.row_scale[rows].float()[:, None] + 16 * U32 * values.abs()


def _narrowed(scorer: Product | Margin, tile: _Queries, found: Survivors, k: int) -> tuple[Tensor, Tensor]:
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
        floor -= _float32_error(scorer, rows, floor[:, None])[:, 0]
        kept = values >= floor[found.queries]
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


def _sampled_products(scorer: Product | Margin, tile: _Queries, candidates: Tensor, counts: Tensor) -> Tensor:
    """Return float32 products (s,) of the queries, `counts` (q,) each, with candidates (s,) as they are."""
    import warnings

    import torch

    if candidates.device.type == "cuda":
        return _gathered_products(scorer, tile, candidates, counts)
    ends = torch.cat((counts.new_zeros(1), counts.cumsum(0)))
    zeros = tile.scaled.new_zeros(len(candidates))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that sparse tensors are young
        pattern = torch.sparse_csr_tensor(ends, candidates, zeros, (len(tile.rows), scorer.shape[1]))
        products: Tensor = torch.sparse.sampled_addmm(pattern, tile.scaled, scorer.c.t(), beta=0.0).values()
    return products


def _gathered_products(scorer: Product | Margin, tile: _Queries, candidates: Tensor, counts: Tensor) -> Tensor:
    """Return the same by gathering rows, which a GPU does at the speed of its memory; no TF32 in it."""
    import torch

    queries = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
    step = max(1, RESCORE_BYTES[candidates.device.type] // (8 * scorer.dim))
    products = tile.scaled.new_empty(len(candidates))
    for start in range(0, len(candidates), step):
        part = slice(start, start + step)
        rows = scorer.c.index_select(0, candidates[part])
        products[part] = rows.mul_(tile.scaled.index_select(0, queries[part])).sum(dim=1)
    return products


def _ranked(scorer: Product | Margin, rows: Tensor, kept: Tensor, real: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Score candidates (q, j) exactly; return the k best (q, k) and their scores; rows without k are left for later."""
    import torch

    exact = _exact(scorer, rows, kept).float().masked_fill(~real, -torch.inf)
    if exact.shape[1] < k:  # only where no row has k: all are crowded
        missing = (0, k - exact.shape[1])
        exact, kept = torch.nn.functional.pad(exact, missing), torch.nn.functional.pad(kept, missing)
    value, order = exact.sort(dim=1, descending=True, stable=True)
    return kept.gather(1, order[:, :k]), value[:, :k]


def _exact(scorer: Product | Margin, rows: Tensor, kept: Tensor) -> Tensor:
    """Return the float64 scores of queries (q,) with chosen candidates (q, j), some queries at a time."""
    import torch

    step = max(1, RESCORE_BYTES[rows.device.type] // (8 * scorer.dim * kept.shape[1]))
    return torch.cat([scorer.exact(rows[i : i + step], kept[i : i + step]) for i in range(0, len(rows), step)])


def _scan(scorer: Product | Margin, rows: slice, keep: int) -> tuple[Tensor, Tensor]:
    """Return the best scan values (q, keep) and whose they are; what is left out is not above the least of them."""
    import torch

    values = indices = None
    queries = scorer.queries(rows)
    for start in range(0, scorer.shape[1], CANDIDATE_TILE):
        cols = slice(start, start + CANDIDATE_TILE)
        tile = scorer.value(scorer.products(queries, cols), rows, cols)  # (q, t)
        top = tile.topk(min(keep, tile.shape[1]), dim=1, sorted=False)
        if values is None or indices is None:
            values, indices = top.values, top.indices + start
            continue
        values = torch.cat((values, top.values), dim=1)
        indices = torch.cat((indices, top.indices + start), dim=1)
        top = values.topk(min(keep, values.shape[1]), dim=1, sorted=False)
        values, indices = top.values, indices.gather(1, top.indices)
    assert values is not None and indices is not None  # m >= 1
    return values, indices


def _rescore(
    scorer: Product | Margin, rows: Tensor, values: Tensor, kept: Tensor, k: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Score the likeliest of the kept (q, keep) exactly; return the k best (q, k), their scores, and who is certified.

    A query is certified when nothing that is not scored exactly can reach its k-th score.
    """
    import torch

    error = 2 * (scorer.dim + 16) * U32 * scorer.row_scale[rows].float()[:, None]  # (q, 1) of a scan value
    ordered, order = values.sort(dim=1, descending=True)
    in_doubt = ordered >= ordered[:, k - 1 : k] - 2.5 * error - 4 * U32 * ordered[:, k - 1 : k].abs()
    width = int(in_doubt.sum(dim=1).max())
    floor = ordered[:, min(width, ordered.shape[1] - 1)]
    kept = kept.gather(1, order[:, :width]).sort(dim=1).values  # by index: a stable sort breaks ties to the lower
    value, order = _exact(scorer, rows, kept).float().sort(dim=1, descending=True, stable=True)
    best, value = kept.gather(1, order[:, :k]), value[:, :k]
    if width == scorer.shape[1]:
        return best, value, torch.ones(len(rows), dtype=torch.bool, device=rows.device)
    ceiling = scorer.to_score(rows, (floor[:, None] + error).double())[:, 0]
    return best, value, value[:, -1].double() > ceiling + 2 * U32 * ceiling.abs()


def _search_float64(scorer: Product | Margin, rows: Tensor, k: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield chunks of the given queries (q,) with their k best (q, k) and the scores, from scores of all candidates."""
    import torch

    if not len(rows):
        return
    found = first_of_equals(scorer.c.cpu().numpy())
    first = None if found is None else torch.as_tensor(found, device=rows.device)
    step = max(1, WORK_BYTES // (24 * scorer.shape[1]))
    for start in range(0, len(rows), step):
        chunk = rows[start : start + step]
        value, order = _score_all(scorer, chunk, first).sort(dim=1, descending=True, stable=True)
        yield chunk, order[:, :k], value[:, :k]


def _score_all(scorer: Product | Margin, rows: Tensor, first: Tensor | None) -> Tensor:
    """Return the float32 scores of some queries with all candidates (q, m), as `scorer.exact` gives them.

    Those of a float64 matrix product are taken where its error does not change their rounding; the others are summed
    pair by pair, identical candidates, of which `first` is the first one (m,), only once.
    """
    import torch

    m = scorer.shape[1]
    lower, upper = scorer.bounds(rows, scorer.full(rows))
    scores = upper.float()
    row, col = (lower.float() != scores).nonzero(as_tuple=True)
    if len(row):
        pairs, back = torch.unique(row * m + (col if first is None else first[col]), return_inverse=True)
        scores[row, col] = _exact(scorer, rows[pairs // m], (pairs % m)[:, None])[:, 0].float()[back]
    return scores
