#!/usr/bin/env python3
"""Exact search on a GPU: against the bare products in bfloat16, and plain torch in float32 and bfloat16.

    python bench/gpu_search.py --out DIR
    python bench/gpu_search.py --rehearse

Both sides are on the GPU before the time starts. The bare products are those of all queries with all candidates, tile
by tile, which nothing reads; plain torch adds the k best of each tile. Plain torch is measured on a share of the
queries, and beside it ours on the same share.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._gpu import Figures, parse, peak_flops, seconds_of, tiles
from utils.retrieval.topk import topk

K = 10
SIZES = {"wide": (100_000, 1_000_000, 1024), "square": (1_000_000, 1_000_000, 384)}
TINY = {"wide": (300, 9_000, 64), "square": (2_000, 3_000, 24)}
QUERY_TILE, CANDIDATE_TILE = 16_384, 32_768  # of the bare products
PLAIN_TILE = 4096  # queries of plain torch at a time
SHARE = 16  # plain torch takes one query in SHARE
CHECKED = 10_000


def rows(n: int, d: int, device: str, seed: int, kind: str) -> torch.Tensor:
    """Return random rows, or rows around 1,000 centres with cosines of 0.7 to 0.95."""
    drawn = torch.Generator(device).manual_seed(seed)
    noise = torch.randn(n, d, device=device, generator=drawn)
    if kind == "random":
        return noise
    centres = torch.randn(1000, d, device=device, generator=torch.Generator(device).manual_seed(0))
    common = torch.randn(1, d, device=device, generator=torch.Generator(device).manual_seed(1)) * 2
    which = torch.randint(0, len(centres), (n,), device=device, generator=drawn)
    return noise.mul_(0.6).add_(centres[which]).add_(common)


def bare(q: torch.Tensor, c: torch.Tensor) -> None:
    """Multiply all tiles; q and c are in the precision of the scan."""
    out = torch.empty(QUERY_TILE * CANDIDATE_TILE, device=q.device, dtype=q.dtype)
    for a in tiles(q, QUERY_TILE):
        for b in tiles(c, CANDIDATE_TILE):
            torch.mm(a, b.T, out=out[: len(a) * len(b)].view(len(a), len(b)))


def best_of_tile(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the k best products of a tile and their candidates."""
    top = (a @ b.T).topk(K, dim=1)
    return top.values, top.indices


def plain(q: torch.Tensor, c: torch.Tensor, dtype: torch.dtype, one_tile: Any = best_of_tile) -> torch.Tensor:
    """Return the k best candidates by products of unit rows and torch.topk, tile by tile."""
    found = []
    b = torch.nn.functional.normalize(c).to(dtype)
    for a in tiles(torch.nn.functional.normalize(q).to(dtype), PLAIN_TILE):
        tops = [one_tile(a, part) for part in tiles(b, CANDIDATE_TILE)]
        indices = torch.cat([top[1] + at * CANDIDATE_TILE for at, top in enumerate(tops)], dim=1)
        found.append(indices.gather(1, torch.cat([top[0] for top in tops], dim=1).topk(K, dim=1).indices))
    return torch.cat(found)


def n_right(q: torch.Tensor, c: torch.Tensor, found: Any, count: int) -> int:
    """Return how many of `count` queries have the k best of float64 scores, up to scores that round to equal ones."""
    picked = torch.linspace(0, len(q) - 1, min(count, len(q)), device=q.device).long()
    lengths = c.double().norm(dim=1)
    indices = torch.from_numpy(found.indices).to(q.device)
    right = 0
    for some in tiles(picked, max(1, 2_000_000_000 // (8 * len(c)))):
        rows64 = torch.nn.functional.normalize(q[some].double())
        scores = torch.cat([rows64 @ part.double().T for part in tiles(c, 100_000)], dim=1) / lengths
        best = scores.topk(K, dim=1).values.float()
        ours = scores.gather(1, indices[some]).float()
        distinct = indices[some].sort(dim=1).values.diff(dim=1).gt(0).all(dim=1)
        right += int(((ours == best).all(dim=1) & distinct).sum())
    return right


def measure(name: str, size: tuple[int, int, int], kind: str, device: str, figures: Figures) -> None:
    """Measure all methods on rows of one kind."""
    n, m, d = size
    q, c = rows(n, d, device, 2, kind), rows(m, d, device, 3, kind)
    operations = 2.0 * n * m * d

    def record(method: str, work: Callable[[], object], share: float = 1.0, repeats: int = 3) -> float:
        times = seconds_of(work, device, repeats)
        middle = statistics.median(times)
        about = {"seconds": times, "median": middle, "tflops": operations * share / middle / 1e12}
        figures.add(f"{name}, {kind}, {method}", about)
        return middle

    limit = record("bare bf16", partial(bare, q.bfloat16(), c.bfloat16()))
    found = topk(q, c, K, device=device)
    ours = record("ours", lambda: topk(q, c, K, device=device))
    figures.add(f"{name}, {kind}, ours / bare", ours / limit)
    part = q[::SHARE].contiguous()
    middle = record("ours on a share", lambda: topk(part, c, K, device=device), 1 / SHARE)
    ways: dict[str, Callable[[], object]] = {
        "torch fp32": lambda: plain(part, c, torch.float32),
        "torch bf16": lambda: plain(part, c, torch.bfloat16),
    }
    for method, work in ways.items():
        figures.add(f"{name}, {kind}, {method} / ours", record(f"{method} on a share", work, 1 / SHARE, 1) / middle)
    checked = min(CHECKED, n)
    figures.add(f"{name}, {kind}, rows right of {checked}", n_right(q, c, found, CHECKED))


def profile(size: tuple[int, int, int], device: str, figures: Figures) -> None:
    """Write the kernels that take most of the time."""
    from torch.profiler import ProfilerActivity, profile

    n, m, d = size
    q, c = rows(n, d, device, 2, "random"), rows(m, d, device, 3, "random")
    topk(q, c, K, device=device)
    kinds = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device == "cuda" else [])
    with profile(activities=kinds) as seen:
        topk(q, c, K, device=device)
    column = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
    top = sorted(seen.key_averages(), key=lambda row: -getattr(row, column))[:24]
    found = {row.key[:70]: [round(getattr(row, column) / 1000, 2), row.count] for row in top}
    figures.add(f"kernels of {n} x {m} x {d}: ms, calls", found)


def tune(size: tuple[int, int, int], figures: Figures) -> None:
    """Write the speed of the kernel that appends hits, for other shapes of its programs."""
    from utils.retrieval import triton_kernels
    from utils.retrieval.torch_kernels import Lists

    _, m, d = size
    n = 65_536
    q, c = (torch.nn.functional.normalize(rows(count, d, "cuda", count, "random")).bfloat16() for count in (n, m))
    bar = torch.full((n,), 4.0 / d**0.5, device="cuda")  # reached by 1 in 30,000 candidates
    counts = torch.zeros(n, dtype=torch.int32, device="cuda")
    lists = Lists(counts, *(torch.empty((n, 4096), dtype=torch.int32, device="cuda") for _ in range(2)))
    kept = triton_kernels.LARGE, triton_kernels.GROUP

    def scan() -> None:
        counts.zero_()
        triton_kernels.append_hits(q, c, bar, bar, None, 0, lists)

    for shape in (
        (128, 256, 64, 8, 3), (128, 256, 64, 8, 4), (128, 128, 64, 8, 3), (128, 128, 64, 4, 3), (256, 128, 64, 8, 3),
        (128, 256, 128, 8, 2),
    ):  # fmt: skip
        for group in (8,):
            triton_kernels.LARGE, triton_kernels.GROUP = shape, group
            try:
                middle = statistics.median(seconds_of(scan, "cuda", 3))
                figures.add(f"append {d} {shape} group {group}", {"tflops": 2e-12 * n * m * d / middle})
            except Exception as error:
                figures.add(f"append {d} {shape} group {group}", repr(error)[:200])
    triton_kernels.LARGE, triton_kernels.GROUP = kept


def compiled(size: tuple[int, int, int], device: str, figures: Figures) -> None:
    """Write the time of plain torch in bfloat16 whose product and selection torch.compile has compiled, on a share."""
    n, m, d = size
    q, c = rows(n // SHARE, d, device, 2, "random"), rows(m, d, device, 3, "random")
    one_tile = torch.compile(best_of_tile)
    times = seconds_of(lambda: plain(q, c, torch.bfloat16, one_tile), device, 1)
    figures.add(f"{n // SHARE} x {m} x {d}, torch.compile bf16: seconds", statistics.median(times))


def from_host(size: tuple[int, int, int], device: str, figures: Figures) -> None:
    """Write the time of a search whose rows are numpy arrays, copies included."""
    n, m, d = size
    q, c = (rows(count, d, device, count, "random").cpu().numpy() for count in (n, m))
    times = seconds_of(lambda: topk(q, c, K, device=device), device, 2)
    figures.add(f"{n} x {m} x {d} from numpy arrays: seconds", statistics.median(times))


def main() -> None:
    """Measure and write, the most important first."""
    parser = parse(__doc__)
    parser.add_argument("--tune", action="store_true", help="also other shapes of the kernel, and a profile")
    parser.add_argument("--kinds", nargs="+", choices=("random", "clustered"), default=("random", "clustered"))
    parser.add_argument("--only", nargs="+", choices=tuple(SIZES), default=tuple(SIZES))
    args = parser.parse_args()
    device = "cpu" if args.rehearse else "cuda"
    figures = Figures("search", args.out, device)
    figures.add("peak bf16 TFLOP/s", peak_flops(device, size=256 if args.rehearse else 8192) / 1e12)
    sizes = {name: (TINY if args.rehearse else SIZES)[name] for name in args.only}
    for kind in args.kinds[:1]:
        for name, size in sizes.items():
            measure(name, size, kind, device, figures)
    if args.tune or args.rehearse:
        for size in sizes.values():
            profile((min(size[0], 200_000), *size[1:]), device, figures)
    if args.tune and device == "cuda":
        for size in sizes.values():
            tune(size, figures)
    for kind in args.kinds[1:]:
        for name, size in sizes.items():
            measure(name, size, kind, device, figures)
    from_host(next(iter(sizes.values())), device, figures)
    if device == "cuda":
        compiled(next(iter(sizes.values())), device, figures)


if __name__ == "__main__":
    main()
