#!/usr/bin/env python3
"""Whether the search on a GPU is right: the k best of 10,000 queries against float64 scores of all candidates.

    python bench/gpu_answers.py --out DIR
    python bench/gpu_answers.py --rehearse

Rows are random, clustered (cosines of 0.7 to 0.95), duplicated and nearly tied. A query is right if its k candidates
are distinct and their float64 scores, rounded to float32, are those of the k best, but for the last bit of a score
that two orders of summation round to different sides.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._gpu import Figures, parse
from utils.constants import SIMILARITIES
from utils.retrieval.topk import margin_topk, topk

KINDS = ("random", "clustered", "duplicated", "near ties")
KS, MARGIN_K = (1, 10, 100), 4
DISTANCES = 20  # one query in DISTANCES is checked
ULP = 2.0**-23


def rows(kind: str, n: int, m: int, d: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return queries (n, d) and candidates (m, d), float32."""
    drawn = torch.Generator(device).manual_seed(d)

    def normal(count: int) -> torch.Tensor:
        return torch.randn(count, d, device=device, generator=drawn)

    if kind == "random":
        return normal(n), normal(m)
    if kind == "duplicated":
        return normal(n), normal(max(1, m // 50))[torch.randint(0, max(1, m // 50), (m,), device=device)]
    centre = normal(1)
    if kind == "clustered":
        return centre + 0.45 * normal(n), centre + 0.45 * normal(m)
    return centre + 0.1 * normal(n), centre + 1e-5 * normal(m)


def scores64(q: torch.Tensor, c: torch.Tensor, similarity: str) -> torch.Tensor:
    """Return the float64 scores of all pairs (n, m)."""
    a, b = q.double(), c.double()
    if similarity == "cosine":
        return torch.nn.functional.normalize(a) @ torch.nn.functional.normalize(b).T
    if similarity == "dot":
        return a @ b.T
    return -torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def margins64(cosines: torch.Tensor, margin: str, forward: torch.Tensor, backward: torch.Tensor) -> torch.Tensor:
    """Return the float64 margins of cosines (q, m), given the mean cosines to the neighbours of both sides."""
    mean = (forward[:, None] + backward) / 2
    return cosines / mean if margin == "ratio" else cosines - mean if margin == "distance" else 2 * (cosines - mean)


def n_right(scores: torch.Tensor, indices: Any, k: int) -> int:
    """Return how many queries (q,) have the k best of float64 scores (q, m)."""
    found = torch.from_numpy(indices).to(scores.device)
    best, ours = scores.topk(k, dim=1).values.float(), scores.gather(1, found).float()
    same = (ours - best).abs() <= ULP * best.abs().clamp_min(1e-30)
    distinct = found.sort(dim=1).values.diff(dim=1).gt(0).all(dim=1)
    return int((same.all(dim=1) & distinct).sum())


def check(kind: str, n: int, m: int, d: int, device: str, figures: Figures) -> None:
    """Write how many queries are right, for each score, k and precision."""
    q, c = rows(kind, n, m, d, device)
    step = max(1, 100_000_000 // m)
    chosen = {(similarity, k, None) for similarity in SIMILARITIES for k in (KS if similarity == "cosine" else (10,))}
    forced = {("cosine", k, name) for k in KS for name in ("int8", "bf16", "fp32")}
    wrong: dict[str, int] = {}
    for similarity, k, precision in sorted(chosen | forced, key=str):
        found = topk(q, c, k, similarity=similarity, device=device, precision=precision).indices
        every = DISTANCES if similarity == "euclidean" else 1  # float64 distances take long
        parts = [slice(at, min(n, at + step), every) for at in range(0, n, step)]
        right = sum(n_right(scores64(q[part], c, similarity), found[part], k) for part in parts)
        checked = sum(len(range(n)[part]) for part in parts)
        wrong[f"{similarity}, k = {k}, {precision or 'chosen'}"] = checked - right
    forward, backward = _neighbourhoods(q, c, step)
    for margin in ("ratio", "distance", "csls"):
        found = margin_topk(q, c, 10, margin=margin, margin_k=MARGIN_K, device=device).indices
        right = 0
        for at in range(0, n, step):
            part = slice(at, at + step)
            cosines = scores64(q[part], c, "cosine")
            right += n_right(margins64(cosines, margin, forward[part], backward), found[part], 10)
        wrong[f"{margin} margin, k = 10"] = n - right
    figures.add(f"{kind}, {n} x {m} x {d}: wrong queries", {"all": sum(wrong.values()), **wrong})


def _neighbourhoods(q: torch.Tensor, c: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean cosines of both sides to their nearest neighbours, as margins use them: rounded to float32."""

    def means(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        parts = [scores64(a[at : at + step], b, "cosine").topk(MARGIN_K, dim=1).values for at in range(0, len(a), step)]
        return torch.cat(parts).float().double().mean(dim=1)

    return means(q, c), means(c, q)


def main() -> None:
    """Check all kinds of rows, and write."""
    args = parse(__doc__).parse_args()
    device = "cpu" if args.rehearse else "cuda"
    figures = Figures("answers", args.out, device)
    if device == "cuda":
        from utils.retrieval.fused_kernels import fused_kernels

        start = time.perf_counter()
        figures.add("Triton kernels used", fused_kernels(torch.device("cuda")) is not None)
        figures.add("seconds to compile and check them", time.perf_counter() - start)
    n, m = (200, 3000) if args.rehearse else (10_000, 40_000)
    for d in (24, 40) if args.rehearse else (384, 768, 1024):
        for kind in KINDS:
            check(kind, n, m, d, device, figures)


if __name__ == "__main__":
    main()
