#!/usr/bin/env python3
"""How long `utils.runlog.load` takes for many records: generated in a temporary folder, read on one core.

    python bench/load.py
    python bench/load.py --records 10000 --preds

The records are as long as those of bitext in both directions, each with its predictions and neighbours beside it.
Medians of the repeats are printed, of the wall clock and of the processor's time (a busy machine lengthens the former).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from utils import runlog
from utils.registry import DATASETS
from utils.schema import RunRecord

KS = (1, 5, 10)
N = 100  # items a record
METRICS = ("acc", "prec", "rec", "f1", "mrr", "acc_dedup")


def write_records(root: Path, count: int) -> None:
    """Write so many records as runs over the pairs of Tatoeba would: another model when all pairs have all ks."""
    subsets = DATASETS["bitext"]["tatoeba"].subsets
    for number in range(count):
        place, k = divmod(number, len(KS))
        model_number, pair = divmod(place, len(subsets))
        folder = runlog.run_folder(root, "save_bitext_both", "tatoeba", f"org/model-{model_number}", 42, debug=False)
        write_one(folder, subsets[pair], f"org/model-{model_number}", KS[k])


def write_one(folder: Path, subset: str, model: str, k: int) -> None:
    """Write a record with its predictions, and an empty file where the neighbours would be."""
    src_lang, tgt_lang = subset.split("_")
    names = [name + tail for name in METRICS for tail in ("", "_backward", "_mean")]
    metrics = {name: (len(subset) * 7 + len(name) + k) % 97 / 97 for name in names}
    encoder = {"checkpoint": model, "revision": "0" * 40, "prompt": "query: ", "dtype": "fp32", "weight": 1.0}
    run = {
        "task": "bitext",
        "dataset": "tatoeba",
        "subset": subset,
        "model": model,
        "seed": 42,
        "src_lang": src_lang,
        "tgt_lang": tgt_lang,
        "setting": "xl",
        "encoders": [encoder],
        "direction": "both",
        "similarity": "cosine",
        "margin": "none",
        "device": "cpu",
        "started": runlog.utc_now(),
        "args": {f"argument_{number}": None for number in range(40)},
        "seconds": {"load": 0.01, "encode": 1.234, "retrieve": 0.2, "score": 0.1},
        "cache": {model: {"hits": 10, "misses": 90}},
        **runlog.environment(),
    }
    sides = {"gold": list(range(N)), "hyp": [index - index % 3 for index in range(N)]}
    ci95 = {name: (value * 0.9, value * 1.1) for name, value in metrics.items()}
    runlog.write_record(folder, subset, RunRecord(metrics, ci95, N, k, run), {**sides, "backward": sides})
    (folder / f"eval_{subset}_neighbors.json").touch()


def main() -> None:
    """Generate, read several times, print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000, metavar="N")
    parser.add_argument("--repeats", type=int, default=3, metavar="N")
    parser.add_argument("--preds", action="store_true", help="a row an item, of a tenth of the records")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import pandas  # noqa: F401  (a notebook has it loaded)

    with tempfile.TemporaryDirectory() as folder:
        write_records(Path(folder), args.records // 10 if args.preds else args.records)
        seconds, busy = [], []
        for _ in range(args.repeats):
            start, start_busy = time.perf_counter(), time.process_time()
            frame = runlog.load(folder, preds=args.preds)
            seconds.append(time.perf_counter() - start)
            busy.append(time.process_time() - start_busy)
        print(f"{len(frame):,} rows, {frame.shape[1]} columns")
        for name, values in (("wall", seconds), ("processor", busy)):
            shown = " ".join(f"{value:.2f}" for value in values)
            print(f"{name:>9}: median {statistics.median(values):.2f} s ({shown})")


if __name__ == "__main__":
    main()
