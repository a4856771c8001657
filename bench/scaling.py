#!/usr/bin/env python3
"""Time and memory of the exact search by the number of queries, candidates, dimensions, neighbours and languages.

    python bench/scaling.py
    python bench/scaling.py --repeats 5 --cuda

Needs torch only. Every point runs in its own process, so that its peak memory above the inputs can be measured. Medians
are printed and written to bench/results/, with the exponent p of seconds ~ size^p between the two greatest sizes.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._results import write_results
from utils.cli.main import run
from utils.cli.types import positive

BASE = {"queries": 2000, "candidates": 50_000, "dim": 384, "k": 10, "languages": 1}
SWEEPS = {
    "queries": (500, 2000, 8000, 32_000),
    "candidates": (1000, 10_000, 100_000, 400_000),
    "dim": (128, 384, 768, 1536),
    "k": (1, 10, 100, 1000),
    "languages": (1, 10, 50, 200),
}
PER_LANGUAGE = {"queries": 1000, "candidates": 1000}  # the size of a pair of tatoeba

POINT = """
import json, sys, time
import numpy as np
sys.path.insert(0, sys.argv[1])
from bench._memory import peak_above, start_peak
from utils.retrieval.topk import topk
at, repeats, device = json.loads(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
draw = np.random.default_rng(0)
q, c = (draw.standard_normal((at[side], at["dim"]), dtype=np.float32) for side in ("queries", "candidates"))
topk(q[:200], c[:9000], 10, device=device)
before = start_peak()
seconds = []
for _ in range(repeats):
    start = time.perf_counter()
    for _ in range(at["languages"]):
        topk(q, c, at["k"], device=device)
    seconds.append(time.perf_counter() - start)
print(json.dumps([seconds, peak_above(before)]))
"""


def measure(at: dict[str, int], repeats: int, device: str) -> tuple[list[float], float]:
    """Return the seconds of each repeat, and the MiB of memory above the inputs."""
    command = [sys.executable, "-c", POINT, str(ROOT), json.dumps(at), str(repeats), device]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, memory = json.loads(done.stdout.splitlines()[-1])
    return seconds, memory


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="Time and memory of the exact search by the size of the problem.")
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--only", nargs="+", choices=list(SWEEPS), default=list(SWEEPS))
    parser.add_argument("--cuda", action="store_true")
    args = parser.parse_args()
    device = "cuda" if args.cuda else "cpu"
    results = {}
    for name in args.only:
        base = {**BASE, **(PER_LANGUAGE if name == "languages" else {})}
        print(f"{name} ({', '.join(f'{key} {value:,}' for key, value in base.items() if key != name)})")
        medians = {}
        for size in SWEEPS[name]:
            seconds, memory = measure({**base, name: size}, args.repeats, device)
            medians[size] = statistics.median(seconds)
            results[f"{name}={size}"] = {"seconds": seconds, "median": medians[size], "MiB": memory}
            print(f"  {size:>9,}{medians[size]:9.3f} s{memory:8.0f} MiB", flush=True)
        (small, fast), (great, slow) = sorted(medians.items())[-2:]
        print(f"  seconds ~ {name}^{math.log(slow / fast) / math.log(great / small):.2f}")
    write_results(f"scaling_{device}", {"base": BASE, "machine": platform.machine(), "points": results})


if __name__ == "__main__":
    run(lambda _: main())
