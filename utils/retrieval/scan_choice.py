"""The choice of a scan's precision: what each one would cost with these data on this machine.

Fewer bits make products faster and keep more candidates, which are scored again. The rates of products and of gathered
rows are measured once in a process. The number of candidates kept follows from a sample of the scores: those that are
within the error of the precision below the k-th best score of all candidates, which is extrapolated from the sample.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from utils.numerics import has_fast_bf16, int8_is_exact, products
from utils.parallel import restored_threads
from utils.retrieval.bar_scan import BarScan
from utils.retrieval.fused_kernels import fused_kernels
from utils.retrieval.pruning import MAX_KEPT, MatrixValues
from utils.retrieval.quantized_scan import PRECISIONS, Scan, Scorer

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from utils.retrieval.similarities import Margin, Product

MIN_CANDIDATES = 2048  # with fewer, a scan in low precision does not pay
MAX_K = 1024  # with more neighbours, block maxima do not pay
SAMPLE_QUERIES, SAMPLE_CANDIDATES = 64, 4096  # whose scores are computed
SAMPLE_TILE = 1024  # candidates that are rounded in each precision
TIMED = (512, 2048)  # queries and candidates of the products that are timed: as in a search, they exceed a core's cache
TAIL = 16  # scores of a query from which its best scores are extrapolated
PER_KEPT = 3.0  # the time of a kept candidate, selection included, over that of gathering and multiplying its row
FEW_KEPT = 1.5  # the time of a scan over that of its products up to which no other precision is considered
WHOLE_ROW = 8.0  # the time of scoring a query in float64 with all candidates, over that of float32 products
FEW_PRODUCTS = 2**33  # multiply-adds of a search below which measuring rates takes longer than they save


def choose_scan(scorer: Product | Margin, k: int) -> Scan | BarScan | None:
    """Return the fastest scan for these data; None if a search without a scan is as fast."""
    n, m = scorer.shape
    if m < MIN_CANDIDATES or k > MAX_K or n < 2 * SAMPLE_QUERIES:
        return None
    return bar_scan(scorer, k) or Scan(scorer, chosen_precision(scorer, k))


def bar_scan(scorer: Product | Margin, k: int) -> BarScan | None:
    """Return the scan of a GPU; None on other devices, and where its kernels fail or do not know the scores."""
    kernels = fused_kernels(scorer.c.device)
    form = scorer.form() if kernels is not None and k <= MAX_K else None
    return None if kernels is None or form is None else BarScan(scorer, form, kernels)


def chosen_precision(scorer: Scorer, k: int) -> str:
    """Return the precision whose scan is expected to take the least time."""
    with restored_threads(within=1):  # as each tile of a search has
        return _cheapest(scorer, k)


def forget_rates() -> None:
    """Forget what was measured of this machine."""
    _pair_seconds.cache_clear()
    _row_seconds.cache_clear()


def _cheapest(scorer: Scorer, k: int) -> str:
    n, m = scorer.shape
    device = scorer.c.device
    known = [name for name in PRECISIONS if _is_supported(name, device)]
    if len(known) == 1:
        return known[0]
    sample = scorer.subsample(max(1, n // SAMPLE_QUERIES), max(1, m // SAMPLE_CANDIDATES))
    rows, cols = slice(0, sample.shape[0]), slice(0, sample.shape[1])
    queries = sample.queries(rows)
    scores = sample.value(sample.products(queries, cols), rows, cols)  # (q, sampled candidates)
    best, share = _kth_best(scores, k * sample.shape[1] / m), m / sample.shape[1]
    errors = {name: _error(sample, queries, name) for name in known if name != "fp32"}
    errors["fp32"] = best * 0  # as good as none
    kept = {name: (scores >= (best - error)[:, None]).sum(dim=1) * share for name, error in errors.items()}
    if n * m * scorer.dim < FEW_PRODUCTS:
        return next((name for name in known if float(kept[name].mean()) <= max(4 * k, 0.01 * m)), known[-1])
    gathered = _row_seconds(scorer.dim, device)

    def seconds(name: str) -> float:
        """Return the expected time of one query."""
        some = kept[name].clamp_max(MAX_KEPT).mean().item()
        whole = (kept[name] > MAX_KEPT).float().mean().item()
        full = m * WHOLE_ROW * _pair_seconds("fp32", scorer.dim, device) if whole else 0.0
        return m * _pair_seconds(name, scorer.dim, device) + some * PER_KEPT * gathered + whole * full

    low = {name: seconds(name) for name in known if name != "fp32"}
    fastest = min(low, key=lambda name: low[name])
    if low[fastest] <= FEW_KEPT * m * _pair_seconds(fastest, scorer.dim, device):
        return fastest  # float32 products alone take longer
    return fastest if low[fastest] <= seconds("fp32") else "fp32"


def _is_supported(name: str, device: torch.device) -> bool:
    """Return whether products in a precision are exact, or fast, on a device."""
    if name == "int8":
        return device.type != "cpu" or int8_is_exact()
    return name == "fp32" or has_fast_bf16(device)


def _error(sample: Scorer, queries: Tensor, precision: str) -> Tensor:
    """Return how far the scores of a scan can be from the true ones, for each query of a sample (q,)."""
    import torch

    scan = Scan(sample.subsample(1, max(1, sample.shape[1] // SAMPLE_TILE)), precision)
    rounded = scan.round_queries(queries)
    errors = torch.stack([scan.error(rounded, tile) for tile in scan.tiles])
    return errors.amax(dim=0) * sample.row_scale[: len(queries)].float()


def _kth_best(scores: Tensor, rank: float) -> Tensor:
    """Return the score at a rank, which may be a fraction, of each query (q,).

    Above the best score of a sample the number of scores is taken to fall exponentially, as it does near the best.
    """
    top = scores.topk(min(max(TAIL, math.ceil(rank)), scores.shape[1]), dim=1).values
    if rank >= 1:
        return top[:, math.ceil(rank) - 1]
    spread = (top[:, 0] - top[:, -1]).mean() / math.log(top.shape[1])
    return top[:, 0] + spread * math.log(1 / rank)


@lru_cache
def _pair_seconds(precision: str, dim: int, device: torch.device) -> float:
    """Return the time that a scan takes for one query and one candidate: the product, and the maxima of blocks."""
    import torch

    kind = {"int8": torch.int8, "bf16": torch.bfloat16, "fp32": torch.float32}[precision]
    queries, rows = (torch.ones((size, dim + -dim % 8), dtype=kind, device=device) for size in TIMED)
    out = torch.empty(TIMED, dtype=torch.int32 if precision == "int8" else kind, device=device)

    def multiply() -> None:
        if precision == "fp32":
            found = products(queries, rows)
        else:
            found = (torch._int_mm if precision == "int8" else torch.mm)(queries, rows.t(), out=out)
        MatrixValues(found.float() if precision == "bf16" else found, 1)

    return _fastest(multiply, device) / (TIMED[0] * TIMED[1])


@lru_cache
def _row_seconds(dim: int, device: torch.device) -> float:
    """Return the time of gathering one row of many and multiplying it with a query in float32."""
    import torch

    rows = torch.ones((SAMPLE_CANDIDATES, dim), device=device)
    picked = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:512].to(device)
    return _fastest(lambda: rows.index_select(0, picked).mul_(rows[:1]).sum(dim=1), device) / len(picked)


def _fastest(work: Callable[[], object], device: torch.device) -> float:
    """Return the least of two times of some work in seconds, after a first one that allocates memory."""
    import torch

    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])
