#!/usr/bin/env python3
"""Time of the whole bitext command, cold and cached, against SentenceTransformer.encode alone on the same texts.

    python bench/end_to_end.py
    python bench/end_to_end.py --repeats 3 --dataset nusax --data_dir ~/mirror

Runs are interleaved (encode, cold, cached, encode, ...) because machines are noisy; medians and their ratio are
printed and written to bench/results/. `encode` is the call itself, without imports or loading the model.
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

PEER = """
import json, sys, time
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], device="cpu")
texts = json.load(open(sys.argv[2]))
start = time.perf_counter()
model.encode(texts)
print(time.perf_counter() - start)
"""


def seconds_of_encode(checkpoint: Path, texts: Path) -> float:
    """Return the seconds that SentenceTransformer.encode takes on the texts, at its defaults."""
    done = subprocess.run(
        [sys.executable, "-c", PEER, str(checkpoint), str(texts)], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def seconds_of_command(flags: list[str]) -> float:
    """Return the seconds of one whole `python bitext.py` with these flags."""
    start = time.perf_counter()
    subprocess.run([sys.executable, str(ROOT / "bitext.py"), *flags], capture_output=True, check=True, cwd=ROOT)
    return time.perf_counter() - start


def distinct_texts(dataset: str, data_dir: Path | None, prompt: str) -> list[str]:
    """Return every distinct text of the dataset's pairs, the prompt before it."""
    from utils.readers import bitext_pairs, load_bitext
    from utils.registry import DATASETS
    from utils.sources import Where

    spec = DATASETS["bitext"][dataset]
    where = Where(data_dir, Path(tempfile.gettempdir()) / "bench_datasets")
    subsets = [load_bitext(spec, src, tgt, where) for src, tgt in bitext_pairs(spec, None, None)]
    return [prompt + text for text in dict.fromkeys(text for one in subsets for text in (*one.sources, *one.targets))]


def main() -> None:
    """Measure and report."""
    from utils.bundled import expand_bundled

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="sample")
    parser.add_argument("--data_dir", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        checkpoint = expand_bundled(work)
        texts = work / "texts.json"
        texts.write_text(json.dumps(distinct_texts(args.dataset, args.data_dir, "query: ")))
        seconds: dict[str, list[float]] = {"encode": [], "cold": [], "cached": []}
        for repeat in range(args.repeats):
            flags = ["--dataset", args.dataset, "--model_checkpoint", str(checkpoint), "--prompt", "query: "]
            flags += ["--data_dir", str(args.data_dir)] if args.data_dir else []
            flags += ["--cache_dir", str(work / f"cache{repeat}"), "--output_dir", str(work / "logs"), "--overwrite"]
            seconds["encode"].append(seconds_of_encode(checkpoint, texts))
            seconds["cold"].append(seconds_of_command(flags))
            seconds["cached"].append(seconds_of_command(flags))
        n_texts = len(json.loads(texts.read_text()))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"{args.dataset}: {n_texts} distinct texts, {platform.processor() or platform.machine()}")
    for name, values in seconds.items():
        shown = ", ".join(f"{value:.1f}" for value in values)
        print(f"  {name:<7} median {medians[name]:7.2f} s  ({shown})  {medians[name] / medians['encode']:.2f} x encode")
    out = ROOT / "bench" / "results" / f"end_to_end_{args.dataset}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"n_texts": n_texts, "seconds": seconds, "medians": medians}, indent=2) + "\n")
    print(f"wrote {out.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
