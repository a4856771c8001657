#!/usr/bin/env python3
"""Time of reading many records by `utils.runlog.load` on one core, or of building their page by `script/report.py`.

    python bench/load.py
    python bench/load.py --records 10000 --preds
    python bench/load.py --records 10000 --report

The records are generated in a temporary folder. They are as long as those of bitext.py in both directions, and each has
its files of predictions and neighbours. `--report` measures the whole command `script/report.py`. If Chromium is
installed, it also measures the time from opening the page until the leaderboard is drawn. Medians of the wall-clock
time and of the CPU time are printed; other processes lengthen only the former.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from utils.data.registry import DATASETS
from utils.records import store
from utils.records.frames import load
from utils.records.paths import record_path, run_folder
from utils.records.provenance import environment, utc_now
from utils.schema import RunRecord

KS = (1, 5, 10)
N = 100  # items per record
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
METRICS = ("acc", "prec", "rec", "f1", "mrr", "acc_dedup")


def write_records(root: Path, count: int) -> None:
    """Write this many records, as runs of one model after the other over the pairs of Tatoeba would."""
    subsets = DATASETS["bitext"]["tatoeba"].subsets
    for number in range(count):
        place, k = divmod(number, len(KS))
        model_number, pair = divmod(place, len(subsets))
        folder = run_folder(root, "save_bitext_both", "tatoeba", f"org/model-{model_number}", 42, debug=False)
        write_one(folder, subsets[pair], f"org/model-{model_number}", KS[k])


def write_one(folder: Path, subset: str, model: str, k: int) -> None:
    """Write a record with its predictions, and an empty file of neighbours."""
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
        "started": utc_now(),
        "args": {f"argument_{number}": None for number in range(40)},
        "seconds": {"load": 0.01, "encode": 1.234, "retrieve": 0.2, "score": 0.1},
        "cache": {model: {"hits": 10, "misses": 90}},
        **environment(),
    }
    sides = {"gold": list(range(N)), "hyp": [index - index % 3 for index in range(N)]}
    ci95 = {name: (value * 0.9, value * 1.1) for name, value in metrics.items()}
    record = RunRecord(metrics, ci95, N, k, run)
    store.write_record(record_path(folder, subset, k), record, {**sides, "backward": sides}, None)
    (folder / f"eval_{subset}_neighbors.json").touch()


def measure_load(folder: Path, repeats: int, *, preds: bool) -> dict[str, list[float]]:
    """Return the seconds of reading all records into a table: wall-clock and CPU time."""
    import pandas  # noqa: F401  (not part of the measurement)

    found: dict[str, list[float]] = {"wall": [], "CPU": []}
    for _ in range(repeats):
        start, start_busy = time.perf_counter(), time.process_time()
        frame = load(folder, preds=preds)
        found["wall"].append(time.perf_counter() - start)
        found["CPU"].append(time.process_time() - start_busy)
    print(f"{len(frame):,} rows, {frame.shape[1]} columns")
    return found


def measure_report(folder: Path, repeats: int) -> dict[str, list[float]]:
    """Return the seconds of script/report.py, wall-clock and CPU time, and those until its page is drawn."""
    page = folder / "report.html"
    command = [sys.executable, str(ROOT / "script/report.py"), "--logs", str(folder), "--output", str(page)]
    found: dict[str, list[float]] = {"wall": [], "CPU": []}
    for _ in range(repeats):
        start, before = time.perf_counter(), os.times()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        after = os.times()
        found["wall"].append(time.perf_counter() - start)
        found["CPU"].append(after.children_user + after.children_system - before.children_user - before.children_system)
    print(done.stdout.strip())
    drawn = measure_page(page, repeats)
    return {**found, "page": drawn} if drawn else found


def measure_page(path: Path, repeats: int) -> list[float]:
    """Return the seconds from opening the page until its leaderboard is drawn; empty without a browser."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None or importlib.util.find_spec("playwright") is None:
        return []
    from playwright.sync_api import sync_playwright

    seconds = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(repeats):
            page = browser.new_page()
            page.goto(path.as_uri())
            page.wait_for_function("performance.getEntriesByName('drawn').length")
            seconds.append(float(page.evaluate("performance.getEntriesByName('drawn')[0].startTime")) / 1000)
            page.close()
        browser.close()
    return seconds


def main() -> None:
    """Generate records, measure, and print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000, metavar="N")
    parser.add_argument("--repeats", type=int, default=3, metavar="N")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--preds", action="store_true", help="read one row per item, from a tenth of the records")
    what.add_argument("--report", action="store_true", help="build the page of results instead of the table")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity") and not args.report:  # a browser starts other processes
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_records(folder, args.records // 10 if args.preds else args.records)
        repeats = args.repeats
        found = measure_report(folder, repeats) if args.report else measure_load(folder, repeats, preds=args.preds)
        for measure, values in found.items():
            shown = " ".join(f"{value:.2f}" for value in values)
            print(f"{measure:>9}: median {statistics.median(values):.2f} s ({shown})")


if __name__ == "__main__":
    main()
