"""Scores of pairs of a query and a candidate: float32 products with a bound of their error, and exact scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from utils.retrieval.fused_kernels import fused_kernels
from utils.retrieval.rows import U32
from utils.retrieval.similarities import Margin, Product

if TYPE_CHECKING:
    from torch import Tensor

PADDED = frozenset({"cpu"})  # devices on which exact scores of padding take less time than to leave them out
RESCORE_BYTES = {"cpu": 1 << 21, "cuda": 1 << 28}  # rows that are gathered at once: what a core's cache holds


@dataclass(frozen=True)
class Queries:
    """A tile of queries: their numbers (q,) and their scaled rows (q, d), float32."""

    rows: Tensor
    scaled: Tensor


def lower_bounds(scorer: Product | Margin, tile: Queries, candidates: Tensor) -> Tensor:
    """Return lower bounds of the scores of the given candidates (q, j): float32 scores minus their error, (q, j)."""
    import torch

    n, j = candidates.shape
    ordered, order = candidates.sort(dim=1)
    counts = torch.full((n,), j, device=candidates.device)
    products = pair_products(scorer, tile, ordered.reshape(-1), counts)
    values = scorer.pair_values(tile.rows.repeat_interleave(j), ordered.reshape(-1), products).view(n, j)
    return torch.empty_like(values).scatter_(1, order, values - float32_error(scorer, tile.rows, values))


def float32_error(scorer: Product | Margin, rows: Tensor, values: Tensor) -> Tensor:
    """Return the worst-case error of float32 values (q, j) of pairs."""
    return 4 * (scorer.dim + 16) * U32 * scorer.row_scale[rows].float()[:, None] + 16 * U32 * values.abs()


def pair_values(scorer: Product | Margin, tile: Queries, queries: Tensor, candidates: Tensor) -> Tensor:
    """Return the float32 scores (s,) of pairs, sorted by query: positions in the tile (s,), and candidates (s,)."""
    kernels = fused_kernels(candidates.device)
    if kernels is not None:
        products = kernels.pair_sums(tile.scaled, scorer.c, queries, candidates, exact=False)
    else:
        counts = queries.bincount(minlength=len(tile.rows))
        products = pair_products(scorer, tile, candidates, counts)
    return scorer.pair_values(tile.rows[queries], candidates, products)


def kth_values(values: Tensor, queries: Tensor, counts: Tensor, k: int) -> Tensor:
    """Return the k-th greatest of each query's values (q,), at most rounded down; minus infinity if it has fewer.

    The values (s,) are sorted by query (s,), `counts` (q,) of each.
    """
    kernels = fused_kernels(values.device)
    if kernels is not None:
        ends = counts.cumsum(0)
        return kernels.reached_values(values, ends - counts, ends, k)
    rows, _ = grid(queries, values, counts, -float("inf"))
    if rows.shape[1] < k:
        return rows.new_full((len(counts),), -float("inf"))
    found: Tensor = rows.topk(k, dim=1).values[:, -1]
    return found


def grid(queries: Tensor, values: Tensor, counts: Tensor, fill: float) -> tuple[Tensor, Tensor]:
    """Return values (s,), sorted by query, as one padded row per query (q, j), and which are not padding (q, j)."""
    import torch

    width = max(int(counts.max()), 1)
    first = counts.cumsum(0) - counts
    place = torch.arange(len(queries), device=queries.device) - first[queries]
    rows = values.new_full((len(counts), width), fill)
    rows[queries, place] = values
    return rows, torch.arange(width, device=queries.device) < counts[:, None]


def pair_products(scorer: Product | Margin, tile: Queries, candidates: Tensor, counts: Tensor) -> Tensor:
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


def _gathered_products(scorer: Product | Margin, tile: Queries, candidates: Tensor, counts: Tensor) -> Tensor:
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


def exact_grid(
    scorer: Product | Margin, rows: Tensor, queries: Tensor, candidates: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the candidates of each query and their exact scores rounded to float32, both (q, j).

    The pairs are queries (s,), as positions in rows (q,), and candidates (s,), sorted by both, `counts` (q,) of each
    query. Scores of padding are minus infinity.
    """
    kept, is_real = grid(queries, candidates, counts, 0)
    if rows.device.type in PADDED:
        return kept, exact_scores(scorer, rows, kept).float().masked_fill(~is_real, -float("inf"))
    scores = exact_scores(scorer, rows[queries], candidates[:, None])[:, 0].float()
    return kept, grid(queries, scores, counts, -float("inf"))[0]


def exact_scores(scorer: Product | Margin, rows: Tensor, candidates: Tensor) -> Tensor:
    """Return the float64 scores of queries (q,) with candidates (q, j), computed for some queries at a time: (q, j)."""
    import torch

    step = max(1, RESCORE_BYTES[rows.device.type] // (8 * scorer.dim * candidates.shape[1]))
    parts = [scorer.exact(rows[i : i + step], candidates[i : i + step]) for i in range(0, len(rows), step)]
    return torch.cat(parts) if parts else torch.zeros(candidates.shape, dtype=torch.float64, device=rows.device)
