#!/usr/bin/env python3
"""Time of a whole bitext command, with an empty and a full cache, compared with a plain script.

    python bench/end_to_end.py
    python bench/end_to_end.py --repeats 3 --dataset nusax --data_dir ~/mirror

Runs alternate (plain, cold, cached, plain, ...), because timings vary between moments. Medians, ratios and the seconds
of each phase of the command are printed and written to bench/results/. The plain script encodes both sides of every
pair by SentenceTransformer at its defaults, multiplies and sorts with numpy. `encode` is the time that
SentenceTransformer takes to encode each distinct text once.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._results import write_results
from utils.cli.main import run
from utils.cli.types import positive

PEER = """
import json, sys, time
import numpy as np
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], device="cpu")
pairs = json.load(open(sys.argv[2]))
start = time.perf_counter()
model.encode(list(dict.fromkeys(text for pair in pairs for side in pair for text in side)))
encode = time.perf_counter() - start
for sources, targets in pairs:
    a, b = model.encode(sources), model.encode(targets)
    a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (a, b))
    found = np.argsort(-(a @ b.T), axis=1)[:, :10]
print(encode, time.perf_counter() - start - encode)
"""


def seconds_of_peer(checkpoint: Path, pairs: Path) -> tuple[float, float]:
    """Return the seconds of encoding each distinct text once, and of the plain script for all pairs."""
    done = subprocess.run(
        [sys.executable, "-c", PEER, str(checkpoint), str(pairs)], capture_output=True, text=True, check=True
    )
    encode, plain = done.stdout.split()[-2:]
    return float(encode), float(plain)


def seconds_of_command(flags: list[str]) -> float:
    """Return the seconds of one whole `python bitext.py` with these flags."""
    start = time.perf_counter()
    subprocess.run([sys.executable, str(ROOT / "bitext.py"), *flags], capture_output=True, check=True, cwd=ROOT)
    return time.perf_counter() - start


def phases(logs: Path) -> dict[str, float]:
    """Return the seconds of each phase from the records of a command, summed over its pairs."""
    found: dict[str, float] = {}
    for path in logs.rglob("eval_*_1.json"):
        for name, value in json.loads(path.read_text(encoding="utf-8"))["run"]["seconds"].items():
            found[name] = found.get(name, 0.0) + value
    return found


def texts_of_pairs(dataset: str, data_dir: Path | None, prompt: str) -> list[tuple[list[str], list[str]]]:
    """Return the sources and targets of each pair of a data set, with the prompt before every text."""
    from utils.data.bitext import bitext_pairs, load_bitext
    from utils.data.registry import DATASETS
    from utils.data.sources import Sources
    from utils.errors import lookup

    spec = lookup(DATASETS["bitext"], dataset)
    where = Sources(data_dir, Path(tempfile.gettempdir()) / "bench_datasets")
    subsets = [load_bitext(spec, src, tgt, where) for src, tgt in bitext_pairs(spec, None, None)]
    return [([prompt + text for text in one.sources], [prompt + text for text in one.targets]) for one in subsets]


def main() -> None:
    """Measure and report."""
    from utils.encoders.bundled import expand_bundled

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="sample")
    parser.add_argument("--data_dir", type=Path)
    parser.add_argument("--repeats", type=positive, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        checkpoint = expand_bundled(work)
        pairs = work / "pairs.json"
        pairs.write_text(json.dumps(texts_of_pairs(args.dataset, args.data_dir, "query: ")))
        seconds: dict[str, list[float]] = {"plain": [], "encode": [], "cold": [], "cached": []}
        by_phase: dict[str, dict[str, float]] = {}
        for repeat in range(args.repeats):
            flags = ["--dataset", args.dataset, "--model_checkpoint", str(checkpoint), "--prompt", "query: "]
            flags += ["--data_dir", str(args.data_dir)] if args.data_dir else []
            flags += ["--cache_dir", str(work / f"cache{repeat}"), "--output_dir", str(work / "logs"), "--overwrite"]
            encode, plain = seconds_of_peer(checkpoint, pairs)
            seconds["encode"].append(encode)
            seconds["plain"].append(plain)
            for name in ("cold", "cached"):
                seconds[name].append(seconds_of_command(flags))
                by_phase[name] = phases(work / "logs")
        n_pairs = len(json.loads(pairs.read_text()))
    report(args.dataset, n_pairs, seconds, by_phase)


def report(dataset: str, n_pairs: int, seconds: dict[str, list[float]], by_phase: dict[str, dict[str, float]]) -> None:
    """Print medians, ratios and phases, and write them."""
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"{dataset}: {n_pairs} pairs, {platform.processor() or platform.machine()}")
    for name, values in seconds.items():
        shown = ", ".join(f"{value:.1f}" for value in values)
        print(f"  {name:<7} median {medians[name]:7.2f} s  ({shown})  {medians[name] / medians['plain']:.3f} x plain")
    for name, found in by_phase.items():
        rest = medians[name] - sum(found.values())
        shown = ", ".join(f"{phase} {value:.2f}" for phase, value in found.items())
        print(f"  {name}, seconds by phase: {shown}; the remainder, such as imports, {rest:.2f}")
    content = {"n_pairs": n_pairs, "seconds": seconds, "medians": medians, "phases": by_phase}
    write_results(f"end_to_end_{dataset}", content)


if __name__ == "__main__":
    run(lambda _: main())
