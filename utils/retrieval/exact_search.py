"""The k best candidates of each query by any scorer, in torch: a fast scan, then exact scores.

A scan in low precision (utils/retrieval/quantized_scan.py) keeps all candidates that can be among the k best. They are
scored in float32, and those that its error leaves in doubt in float64. If a problem is too small for that to pay, a
plain float32 scan keeps k + SLACK candidates per query. A query is certified if no other candidate can reach its k-th
score by the worst-case rounding error of a float32 product (Higham 2002, section 3.1). Queries that are not certified,
for example because more candidates tie, are searched again with float64 scores of all candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from utils.parallel import Worker, cpu_workers, map_parts
from utils.retrieval.bar_scan import BarScan
from utils.retrieval.pair_scores import (
    Queries,
    exact_grid,
    exact_scores,
    float32_error,
    grid,
    kth_values,
    lower_bounds,
    pair_values,
)
from utils.retrieval.pruning import KeptCandidates
from utils.retrieval.quantized_scan import Scan, tile_sizes
from utils.retrieval.rows import U32, first_of_equals
from utils.retrieval.scan_choice import bar_scan, choose_scan
from utils.retrieval.similarities import WORK_BYTES, Margin, Product
from utils.schema import TopK

if TYPE_CHECKING:
    import torch
    from torch import Tensor

FEW, RANKING = 64, 0.2  # from so many neighbours and this share of the candidates on, all are scored in float64
MANY = 256  # from so many neighbours on, tiles are smaller, since each query keeps more candidates
PRUNE_AGAIN = 4  # candidates kept per query, in multiples of k, from which pruning by lower bounds of scores pays
AGAIN = 32  # queries from which those with too many candidates are scanned again, in float32
SLACK = 16  # candidates beyond k that the plain scan keeps
QUERY_TILE = 1024
FEW_SCORES = 1 << 22  # scores below which several threads do not pay
CANDIDATE_TILE = 16384
GPU_WORK = 16  # temporary arrays on a GPU, in multiples of those on the CPU


def search(scorer: Product | Margin, k: int, precision: str | None = None) -> TopK:
    """Return the k best candidates of each query by their exact scores, ties to the lower index; 1 <= k <= m.

    `precision` is that of the scan; it defaults to the fastest.
    """
    import torch

    n, m = scorer.shape
    found = TopK(np.empty((n, k), dtype=np.int64), np.empty((n, k), dtype=np.float32))
    left = np.arange(n)  # queries whose k best are not certain yet
    with torch.inference_mode():
        if not (k > FEW and k > RANKING * m):  # otherwise most candidates are needed, and pruning does not pay
            scan = _scan(scorer, k, precision)
            left = _search_tiles(scorer, scan, k, left, found)
            if scan is not None and scan.precision != "fp32" and len(left) >= AGAIN:
                some = scorer.select(torch.as_tensor(left, device=scorer.q.device))
                left = _search_tiles(some, Scan(some, "fp32"), k, left, found)
        rows = torch.as_tensor(left, device=scorer.q.device)
        for chunk, best, value in _search_float64(scorer, rows, k):
            _write(found, chunk.cpu().numpy(), best, value)
    return found


def _scan(scorer: Product | Margin, k: int, precision: str | None) -> Scan | BarScan | None:
    """Return the scan in a precision, or the fastest one; None if a search without a scan is meant or as fast."""
    if precision is None:
        return choose_scan(scorer, k)
    if precision == "plain":
        return None
    return (bar_scan(scorer, k) if precision == "bf16" else None) or Scan(scorer, precision)


def _search_tiles(
    scorer: Product | Margin, scan: Scan | BarScan | None, k: int, numbers: npt.NDArray[np.int64], found: TopK
) -> npt.NDArray[np.int64]:
    """Write the k best of the queries of a scorer under their numbers (n,); return those that are not certain."""
    import torch

    n, m = scorer.shape
    device = scorer.q.device
    is_small = device.type != "cpu" or n * m < FEW_SCORES
    workers = [Worker(None, str(device), torch.get_num_threads())] if is_small else cpu_workers(None)
    rounds = -(-n // (len(workers) * _tile_rows(scan, k, device)))
    size = -(-n // (len(workers) * rounds))  # the same number of tiles for every worker

    def search_tile(_: Worker, queries: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        rows = torch.as_tensor(queries, device=device)
        part = slice(int(queries[0]), int(queries[-1]) + 1)
        if scan is None:
            return _rescore(scorer, rows, *_scan_plainly(scorer, part, min(m, k + SLACK)), k)
        tile = Queries(rows, scorer.queries(part))
        if isinstance(scan, BarScan):
            return _search_by_bars(scorer, scan, tile, k)
        return _search_by_scan(scorer, scan, tile, part, k)

    uncertain = [numbers[:0]]
    parts = [np.arange(at, min(n, at + size)) for at in range(0, n, size)]
    for queries, (best, value, certified) in map_parts(workers, search_tile, parts, "queries"):
        _write(found, numbers[queries], best, value)
        uncertain.append(numbers[queries[~certified.cpu().numpy()]])
    return np.concatenate(uncertain)


def _tile_rows(scan: Scan | BarScan | None, k: int, device: torch.device) -> int:
    """Return the number of queries that are searched at once."""
    if scan is None:
        return QUERY_TILE
    return scan.tile_rows(k) if isinstance(scan, BarScan) else max(64, tile_sizes(device)[0] * MANY // max(k, MANY))


def _write(found: TopK, numbers: npt.NDArray[np.int64], best: Tensor, value: Tensor) -> None:
    found.indices[numbers], found.scores[numbers] = best.cpu().numpy(), value.cpu().numpy()


def _search_by_bars(scorer: Product | Margin, scan: BarScan, tile: Queries, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the k best of a tile of queries (q, k), the scores, and which of them are certified (q,)."""
    import torch

    parts = []
    for part, kept in scan.keep_candidates(tile, k):
        some = Queries(tile.rows[part], tile.scaled[part])
        ranked = _rank(scorer, some.rows, *_prune_by_float32(scorer, some, kept, k), k)
        parts.append((*ranked, ~kept.overflowed))
    best, value, certified = (torch.cat(list(each)) for each in zip(*parts, strict=True))
    return best, value, certified


def _search_by_scan(
    scorer: Product | Margin, scan: Scan, tile: Queries, part: slice, k: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the k best of a tile of queries (q, k), the scores, and which of them are certified (q,)."""
    centring = scan.centring(part)
    kept = scan.keep_candidates(part, k, lambda chosen: lower_bounds(scorer, tile, chosen) - centring[:, None])
    if len(kept.queries) > PRUNE_AGAIN * k * len(tile.rows):
        kept = _prune_by_likeliest(scorer, tile, kept, centring, k)
    best, value = _rank(scorer, tile.rows, *_prune_by_float32(scorer, tile, kept, k), k)
    return best, value, ~kept.overflowed


def _prune_by_likeliest(
    scorer: Product | Margin, tile: Queries, kept: KeptCandidates, centring: Tensor, k: int
) -> KeptCandidates:
    """Prune the candidates that cannot reach the lower bounds of the k likeliest, by upper bound, of their query."""
    counts = kept.queries.bincount(minlength=len(tile.rows))
    assert kept.upper is not None  # a scan that writes products has bounds
    bounds, _ = grid(kept.queries, kept.upper, counts, -float("inf"))
    full = counts >= k  # overflowed queries list none
    if bounds.shape[1] < k or not full.any():
        return kept
    places = bounds.topk(k, dim=1).indices  # (q, k)
    chosen = ((counts.cumsum(0) - counts)[:, None] + places).clamp_max(max(len(kept.candidates) - 1, 0))
    reached = lower_bounds(scorer, tile, kept.candidates[chosen]).amin(dim=1)
    floor = reached.masked_fill(~full, -float("inf"))
    is_kept = kept.upper + centring[kept.queries] >= floor[kept.queries]
    return KeptCandidates(kept.queries[is_kept], kept.candidates[is_kept], kept.upper[is_kept], kept.overflowed)


def _prune_by_float32(
    scorer: Product | Margin, tile: Queries, kept: KeptCandidates, k: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Score the candidates in float32, and keep those that can be among the k best by the error of these scores.

    Returns pairs, as queries (s,) and candidates (s,), sorted by both, and the number of each query's pairs (q,).
    """
    counts = kept.queries.bincount(minlength=len(tile.rows))
    queries, candidates = kept.queries, kept.candidates
    if int(counts.max()) > k:
        values = pair_values(scorer, tile, queries, candidates)
        floor = kth_values(values, queries, counts, k)
        floor -= float32_error(scorer, tile.rows, floor[:, None])[:, 0]
        is_kept = values >= floor[queries]
        queries, candidates = queries[is_kept], candidates[is_kept]
        counts = queries.bincount(minlength=len(tile.rows))
    if kept.upper is None:  # not sorted by candidate yet
        m = scorer.shape[1]
        both = (queries * m + candidates).sort().values
        queries, candidates = both // m, both % m
    return queries, candidates, counts


def _rank(
    scorer: Product | Margin, rows: Tensor, queries: Tensor, candidates: Tensor, counts: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """Return the k best of pairs (s,) of some queries, `counts` (q,) of each: candidates (q, k) and exact scores."""
    import torch

    kept, exact = exact_grid(scorer, rows, queries, candidates, counts)
    if exact.shape[1] < k:  # every query has overflowed and is searched in full later
        missing = (0, k - exact.shape[1])
        exact, kept = torch.nn.functional.pad(exact, missing), torch.nn.functional.pad(kept, missing)
    value, order = exact.sort(dim=1, descending=True, stable=True)
    return kept.gather(1, order[:, :k]), value[:, :k]


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
    value, order = exact_scores(scorer, rows, kept).float().sort(dim=1, descending=True, stable=True)
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
    is_on_cpu = rows.device.type == "cpu"  # a GPU scores identical candidates faster than they are found
    found = first_of_equals(scorer.c.numpy()) if is_on_cpu else None
    first = None if found is None else torch.as_tensor(found)
    step = max(1, WORK_BYTES * (1 if is_on_cpu else GPU_WORK) // (24 * scorer.shape[1]))
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
        scores[row, col] = exact_scores(scorer, rows[pairs // m], (pairs % m)[:, None])[:, 0].float()[back]
    return scores
