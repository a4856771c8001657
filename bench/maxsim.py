#!/usr/bin/env python3
"""Exact late interaction (MaxSim), compared with sentence-transformers' own function on the same vectors.

    python bench/maxsim.py
    python bench/maxsim.py --queries 1000 --passages 20000 --data topics --repeats 3
    python bench/maxsim.py --ragged --cuda

Each repeat runs both in turn: the suite's `max_sim_topk`, and `maxsim` with the k best of its scores. Medians and
ranges are printed and written to bench/results/, with the share of queries whose k passages are the same, the greatest
difference of their scores, and the peak of memory above the inputs of each.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._memory import peak_above, start_peak
from bench._results import write_results
from utils.cli.main import run
from utils.cli.types import positive
from utils.retrieval.max_sim import max_sim_topk
from utils.retrieval.token_rows import TokenRows, offsets_of


def make_rows(
    n: int, length: int, dim: int, data: str, rng: np.random.Generator, *, ragged: bool, shared: Any
) -> TokenRows:
    """Return n texts of `length` unit vectors, or of 1 to `length` where they are ragged.

    Their vectors are random, or lie around 2,000 directions in the way of words, most of them around few.
    """
    lengths = rng.integers(1, length + 1, n) if ragged else np.full(n, length)
    vectors = rng.standard_normal((int(lengths.sum()), dim), dtype=np.float32)
    if data == "topics":
        words = np.minimum(rng.zipf(1.2, len(vectors)) - 1, len(shared) - 1)
        vectors = vectors * np.float32(0.5) + shared[words]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return TokenRows(vectors, offsets_of(lengths))


def ours(queries: TokenRows, passages: TokenRows, k: int, device: str) -> tuple[Any, Any]:
    """Return the k best passages of each query and their scores by the suite."""
    found = max_sim_topk(queries, passages, k, device=device)
    return found.indices, found.scores


def by_sentence_transformers(queries: TokenRows, passages: TokenRows, k: int, device: str) -> tuple[Any, Any]:
    """Return the same by sentence-transformers' function: its scores of all pairs, and the k best of them."""
    from sentence_transformers.util import maxsim

    sides: list[Any] = []
    for rows in (queries, passages):
        if len(set(rows.lengths.tolist())) == 1:  # needs no padding
            sides.append(torch.from_numpy(rows.vectors).view(len(rows), -1, rows.shape[1]))
        else:
            sides.append([torch.from_numpy(array) for array in rows.arrays()])
    scores, places = maxsim(*sides, device=device).topk(k, dim=1)
    return places.cpu().numpy(), scores.cpu().numpy()


WAYS = {"ours": ours, "sentence_transformers": by_sentence_transformers}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="Exact late interaction, compared with sentence-transformers.")
    parser.add_argument("--queries", type=positive, default=1000)
    parser.add_argument("--passages", type=positive, default=20_000)
    parser.add_argument("--query_vectors", type=positive, default=32)
    parser.add_argument("--passage_vectors", type=positive, default=100)
    parser.add_argument("--dim", type=positive, default=128)
    parser.add_argument("--k", type=positive, default=10)
    parser.add_argument("--data", choices=("random", "topics"), default="random")
    parser.add_argument("--ragged", action="store_true", help="passages of 1 to --passage_vectors vectors")
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--cuda", action="store_true")
    args = parser.parse_args()
    device, rng = "cuda" if args.cuda else "cpu", np.random.default_rng(0)
    shared = rng.standard_normal((2000, args.dim), dtype=np.float32)
    how = {"dim": args.dim, "data": args.data, "rng": rng, "shared": shared}
    queries = make_rows(args.queries, args.query_vectors, **how, ragged=False)
    passages = make_rows(args.passages, args.passage_vectors, **how, ragged=args.ragged)
    for way in WAYS.values():  # warm-up: imports and first calls
        way(queries[:50], passages[:200], min(args.k, 50), device)
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    memory, answers = dict.fromkeys(WAYS, 0.0), dict[str, Any]()
    for _ in range(args.repeats):
        for name, way in WAYS.items():
            before, start = start_peak(), time.perf_counter()
            answers[name] = way(queries, passages, args.k, device)
            seconds[name].append(time.perf_counter() - start)
            memory[name] = max(memory[name], peak_above(before))
    report(args, seconds, memory, answers)


def report(
    args: argparse.Namespace, seconds: dict[str, list[float]], memory: dict[str, float], answers: dict[str, Any]
) -> None:
    """Print medians, ranges and the agreement, and write them."""
    machine = torch.cuda.get_device_name() if args.cuda else f"{platform.machine()}, {torch.get_num_threads()} threads"
    sizes = f"{args.queries:,} x {args.query_vectors} against {args.passages:,} x {args.passage_vectors} x {args.dim}"
    print(f"{sizes}, k = {args.k}, {args.data}{', ragged' * args.ragged}, {machine}")
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, values in seconds.items():
        spread = f"{min(values):.2f} to {max(values):.2f}"
        print(f"  {name:<22}{medians[name]:8.2f} s ({spread}), {memory[name]:.0f} MiB above the inputs")
    (mine, values), (theirs, others) = answers["ours"], answers["sentence_transformers"]
    same = float((mine == theirs).all(axis=1).mean())
    sets = float((np.sort(mine) == np.sort(theirs)).all(axis=1).mean())
    difference = float(np.abs(values - others).max())
    ratio, scores = medians["sentence_transformers"] / medians["ours"], f"scores differ by {difference:.1g}"
    agreement = f"the same passages for {100 * sets:.2f} % of the queries, in the same order for {100 * same:.2f} %"
    print(f"  {ratio:.1f} times as fast; {agreement}; {scores}")
    data = f"{args.data}{'_ragged' * args.ragged}"
    content = {"args": vars(args), "machine": machine, "seconds": seconds, "MiB": memory}
    agreed = {"same": same, "same set": sets, "difference": difference}
    write_results(f"maxsim_{args.queries}x{args.passages}_{data}", {**content, **agreed})


if __name__ == "__main__":
    run(lambda _: main())
