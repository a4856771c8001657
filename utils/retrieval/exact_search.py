"""The k best candidates of each query by any scorer, in torch: a fast scan, then exact scores.

A scan in low precision (utils/retrieval/quantized_scan.py) keeps all candidates that can be among the k best. They are
scored in float32, and those that its error leaves in doubt in float64. If a problem is too small for that to pay, a
plain float32 scan keeps k + SLACK candidates per query. A query is certified if no other candidate can reach its k-th
score by the worst-case rounding error of a float32 product (Higham 2002, section 3.1). Queries that are not certified,
for example because more candidates tie, are searched again with float64 scores of all candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from utils.parallel import Worker, cpu_workers, map_parts
from utils.retrieval.pruning import KeptCandidates
from utils.retrieval.quantized_scan import Scan, tile_sizes
from utils.retrieval.rows import U32, first_of_equals
from utils.retrieval.scan_choice import choose_scan
from utils.retrieval.similarities import WORK_BYTES, Margin, Product
from utils.schema import TopK

if TYPE_CHECKING:
    from torch import Tensor

FEW, RANKING = 64, 0.2  # from so many neighbours and this share of the candidates on, all are scored in float64
MANY = 256  # from so many neighbours on, tiles are smaller, since each query keeps more candidates
PRUNE_AGAIN = 4  # candidates kept per query, in multiples of k, from which pruning by lower bounds of scores pays
SLACK = 16  # candidates beyond k that the plain scan keeps
QUERY_TILE = 1024
FEW_SCORES = 1 << 22  # scores below which several threads do not pay
CANDIDATE_TILE = 16384
RESCORE_BYTES = {"cpu": 1 << 21, "cuda": 1 << 28}  # rows that are gathered at once: what a core's cache holds


def search(scorer: Product | Margin, k: int, precision: str | None = None) -> TopK:
    """Return the k best candidates of each query by their exact scores, ties to the lower index; 1 <= k <= m.

    `precision` is that of the scan; it defaults to the fastest.
    """
    import torch

    n, m = scorer.shape
    indices = np.empty((n, k), dtype=np.int64)
    scores = np.empty((n, k), dtype=np.float32)
    uncertified: list[npt.NDArray[np.int64]] = []
    is_ranking = k > FEW and k > RANKING * m  # most candidates are needed, so pruning does not pay
    with torch.inference_mode():
        for queries, (best, value, certified) in [] if is_ranking else _search_tiles(scorer, k, precision):
            indices[queries], scores[queries] = best.cpu().numpy(), value.cpu().numpy()
            uncertified.append(queries[~certified.cpu().numpy()])
        rows = torch.as_tensor(np.arange(n) if is_ranking else np.concatenate(uncertified), device=scorer.q.device)
        for chunk, best, value in _search_float64(scorer, rows, k):
            indices[chunk.cpu().numpy()], scores[chunk.cpu().numpy()] = best.cpu().numpy(), value.cpu().numpy()
    return TopK(indices, scores)


@dataclass(frozen=True)
class _Queries:
    """A tile of queries: their numbers (q,) and their scaled rows (q, d), float32."""

    rows: Tensor
    scaled: Tensor


def _search_tiles(
    scorer: Product | Margin, k: int, precision: str | None
) -> Iterator[tuple[npt.NDArray[np.int64], tuple[Tensor, Tensor, Tensor]]]:
    """Yield tiles of queries (q,) with their k best (q, k), the scores, and which of them are certified (q,)."""
    import torch

    n, m = scorer.shape
    scan = choose_scan(scorer, k) if precision is None else None if precision == "plain" else Scan(scorer, precision)
    is_small = scorer.q.device.type != "cpu" or n * m < FEW_SCORES
    workers = [Worker(None, str(scorer.q.device), torch.get_num_threads())] if is_small else cpu_workers(None)
    most = QUERY_TILE if scan is None else max(64, tile_sizes(scorer.q.device)[0] * MANY // max(k, MANY))
    rounds = -(-n // (len(workers) * most))
    size = -(-n // (len(workers) * rounds))  # the same number of tiles for every worker

    def search_tile(_: Worker, queries: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        rows = torch.as_tensor(queries, device=scorer.q.device)
        part = slice(int(queries[0]), int(queries[-1]) + 1)
        if scan is None:
            return _rescore(scorer, rows, *_scan_plainly(scorer, part, min(m, k + SLACK)), k)
        return _search_by_scan(scorer, scan, part, rows, k)

    return map_parts(workers, search_tile, [np.arange(at, min(n, at + size)) for at in range(0, n, size)], "queries")


def _search_by_scan(
    scorer: Product | Margin, scan: Scan, part: slice, rows: Tensor, k: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the k best of a tile of queries (q, k), the scores, and which of them are certified (q,)."""
    tile = _Queries(rows, scorer.queries(part))
    centring = scan.centring(part)
    kept = scan.keep_candidates(part, k, lambda chosen: _lower_bounds(scorer, tile, chosen) - centring[:, None])
    if len(kept.queries) > PRUNE_AGAIN * k * len(rows):
        kept = _prune_by_likeliest(scorer, tile, kept, centring, k)
    best, value = _rank(scorer, rows, *_prune_by_float32(scorer, tile, kept, k), k)
    return best, value, ~kept.overflowed


def _prune_by_likeliest(
    scorer: Product | Margin, tile: _Queries, kept: KeptCandidates, centring: Tensor, k: int
) -> KeptCandidates:
    """Prune the candidates that cannot reach the lower bounds of the k likeliest, by upper bound, of their query."""
    counts = kept.queries.bincount(minlength=len(tile.rows))
    grid, _ = _grid(kept.queries, kept.upper, counts, -float("inf"))
    full = counts >= k  # overflowed queries list none
    if grid.shape[1] < k or not full.any():
        return kept
    places = grid.topk(k, dim=1).indices  # (q, k)
    chosen = ((counts.cumsum(0) - counts)[:, None] + places).clamp_max(max(len(kept.candidates) - 1, 0))
    reached = _lower_bounds(scorer, tile, kept.candidates[chosen]).amin(dim=1)
    floor = reached.masked_fill(~full, -float("inf"))
    is_kept = kept.upper + centring[kept.queries] >= floor[kept.queries]
    return KeptCandidates(kept.queries[is_kept], kept.candidates[is_kept], kept.upper[is_kept], kept.overflowed)


def _lower_bounds(scorer: Product | Margin, tile: _Queries, candidates: Tensor) -> Tensor:
    """Return lower bounds of the scores of the given candidates (q, j): float32 scores minus their error, (q, j)."""
    import torch

    n, j = candidates.shape
    ordered, order = candidates.sort(dim=1)
    counts = torch.full((n,), j, device=candidates.device)
    products = _pair_products(scorer, tile, ordered.reshape(-1), counts)
    values = scorer.pair_values(tile.rows.repeat_interleave(j), ordered.reshape(-1), products).view(n, j)
    return torch.empty_like(values).scatter_(1, order, values - _float32_error(scorer, tile.rows, values))


def _float32_error(scorer: Product | Margin, rows: Tensor, values: Tensor) -> Tensor:
    """Return the worst-case error of float32 values (q, j) of pairs."""
    return 4 * (scorer.dim + 16) * U32 * scorer.row_scale[rows].float()[:, None] + 16 * U32 * values.abs()


def _prune_by_float32(scorer: Product | Margin, tile: _Queries, kept: KeptCandidates, k: int) -> tuple[Tensor, Tensor]:
    """Score the candidates in float32, and keep those that can be among the k best by the error of these scores.

    Returns candidates (q, j) in the order of their indices, padded, and which of them are not padding (q, j).
    """
    import torch

    rows = tile.rows
    counts = torch.bincount(kept.queries, minlength=len(rows))
    queries, candidates = kept.queries, kept.candidates
    if int(counts.max()) > k:
        products = _pair_products(scorer, tile, candidates, counts)
        values = scorer.pair_values(rows[queries], candidates, products)
        grid, _ = _grid(queries, values, counts, -torch.inf)
        floor = grid.topk(k, dim=1).values[:, -1] if grid.shape[1] >= k else grid.new_full((len(rows),), -torch.inf)
        floor -= _float32_error(scorer, rows, floor[:, None])[:, 0]
        is_kept = values >= floor[queries]
        queries, candidates = queries[is_kept], candidates[is_kept]
        counts = torch.bincount(queries, minlength=len(rows))
    return _grid(queries, candidates, counts, 0)


def _grid(queries: Tensor, values: Tensor, counts: Tensor, fill: float) -> tuple[Tensor, Tensor]:
    """Return values (s,), sorted by query, as one padded row per query (q, j), and which are not padding (q, j)."""
    import torch

    width = max(int(counts.max()), 1)
    first = counts.cumsum(0) - counts
    place = torch.arange(len(queries), device=queries.device) - first[queries]
    grid = values.new_full((len(counts), width), fill)
    grid[queries, place] = values
    return grid, torch.arange(width, device=queries.device) < counts[:, None]


def _pair_products(scorer: Product | Margin, tile: _Queries, candidates: Tensor, counts: Tensor) -> Tensor:
    """Return float32 products (s,) of the scaled queries, `counts` (q,) of each, with the unscaled candidates (s,)."""
    import warnings

    import torch

    if candidates.device.type == "cuda":
        return _gathered_products(scorer, tile, candidates, counts)
    ends = torch.cat((counts.new_zeros(1), counts.cumsum(0)))
    zeros = tile.scaled.new_zeros(len(candidates))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that its sparse tensors are in beta state
        pattern = torch.sparse_csr_tensor(ends, candidates, zeros, (len(tile.rows), scorer.shape[1]))
        products: Tensor = torch.sparse.sampled_addmm(pattern, tile.scaled, scorer.c.t(), beta=0.0).values()
    return products


def _gathered_products(scorer: Product | Margin, tile: _Queries, candidates: Tensor, counts: Tensor) -> Tensor:
    """Return the same by gathering rows, for which a GPU's memory is fast enough; does not use TF32."""
    import torch

    queries = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
    step = max(1, RESCORE_BYTES[candidates.device.type] // (8 * scorer.dim))
    products = tile.scaled.new_empty(len(candidates))
    for start in range(0, len(candidates), step):
        part = slice(start, start + step)
        rows = scorer.c.index_select(0, candidates[part])
        products[part] = rows.mul_(tile.scaled.index_select(0, queries[part])).sum(dim=1)
    return products


def _rank(scorer: Product | Margin, rows: Tensor, kept: Tensor, real: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k best of candidates (q, j) by exact scores (q, k), and the scores; `real` (q, j) excludes padding."""
    import torch

    exact = _exact_scores(scorer, rows, kept).float().masked_fill(~real, -torch.inf)
    if exact.shape[1] < k:  # every query has overflowed and is searched in full later
        missing = (0, k - exact.shape[1])
        exact, kept = torch.nn.functional.pad(exact, missing), torch.nn.functional.pad(kept, missing)
    value, order = exact.sort(dim=1, descending=True, stable=True)
    return kept.gather(1, order[:, :k]), value[:, :k]


def _exact_scores(scorer: Product | Margin, rows: Tensor, candidates: Tensor) -> Tensor:
    """Return the float64 scores of queries (q,) with candidates (q, j), computed for some queries at a time: (q, j)."""
    import torch

    step = max(1, RESCORE_BYTES[rows.device.type] // (8 * scorer.dim * candidates.shape[1]))
    return torch.cat([scorer.exact(rows[i : i + step], candidates[i : i + step]) for i in range(0, len(rows), step)])


def _scan_plainly(scorer: Product | Margin, rows: slice, keep: int) -> tuple[Tensor, Tensor]:
    """Return the greatest float32 values of some queries (q, keep) and their candidates (q, keep), in no order."""
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
    """Score those of the candidates (q, keep) exactly that can be among the k best by their float32 values (q, keep).

    Returns the k best (q, k), their scores, and which queries are certified (q,).
    """
    import torch

    error = 2 * (scorer.dim + 16) * U32 * scorer.row_scale[rows].float()[:, None]  # (q, 1) of a value
    ordered, order = values.sort(dim=1, descending=True)
    in_doubt = ordered >= ordered[:, k - 1 : k] - 2.5 * error - 4 * U32 * ordered[:, k - 1 : k].abs()
    width = int(in_doubt.sum(dim=1).max())
    floor = ordered[:, min(width, ordered.shape[1] - 1)]
    kept = kept.gather(1, order[:, :width]).sort(dim=1).values  # by index: a stable sort breaks ties to the lower
    value, order = _exact_scores(scorer, rows, kept).float().sort(dim=1, descending=True, stable=True)
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
        scores[row, col] = _exact_scores(scorer, rows[pairs // m], (pairs % m)[:, None])[:, 0].float()[back]
    return scores
