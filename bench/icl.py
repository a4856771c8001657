#!/usr/bin/env python3
"""Time of scoring labels by this suite, by lm-eval's HFLM, and by one forward pass per label and text.

    python bench/icl.py --checkpoint FOLDER
    python bench/icl.py --checkpoint FOLDER --data_dir ~/mirror --texts 16 4 --repeats 3
    python bench/icl.py --checkpoint google/gemma-3-270m --device cuda --dtype bf16

There are two workloads of one-shot prompts: `nusax` (3 labels) and `massive_intent` (60 labels). They use the data sets
in --data_dir, or without it sentences of the sample set with the same labels. Each repeat runs the methods in turn.
Medians, ratios and the greatest difference between their log-likelihoods are printed and written to bench/results/.
HFLM is included if lm-eval is installed (pip install lm-eval). Needs torch and transformers.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._lm_eval import Sums, open_peer, unmodified_model
from bench._results import write_results
from utils.answers import ScoreSettings
from utils.cli.main import run
from utils.cli.types import positive
from utils.data import registry
from utils.generators.label_scoring import score_one_by_one
from utils.generators.prompts import build_prompt, default_instruction
from utils.generators.transformers_model import LanguageModel
from utils.loaders import TRANSFORMERS
from utils.schema import GeneratorSpec

LANGS = {"nusax": ("eng", "ace"), "massive_intent": ("en",)}
Way = Callable[[LanguageModel, Sequence[str], Sequence[str]], Sums]


def texts_of(dataset: str, data_dir: Path | None, n: int) -> list[tuple[str, str, str]]:
    """Return n triples: a text to classify, a demonstration and its label."""
    labels = registry.DATASETS["classification"][dataset].label_names
    if data_dir is None:
        with (ROOT / "data/sample/parallel.tsv").open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t"))
        texts = [row[lang] for row in rows for lang in ("eng", "ind", "swh")]
        return [(texts[2 * i], texts[2 * i + 1], labels[i % len(labels)]) for i in range(n)]
    from utils.data.classification import load_labeled
    from utils.data.sources import Sources

    spec, where = registry.DATASETS["classification"][dataset], Sources(data_dir, Path(tempfile.gettempdir()))
    langs = LANGS[dataset]
    found = []
    for i in range(n):
        lang = langs[i % len(langs)]
        train, test = (load_labeled(spec, lang, split, where) for split in ("train", "test"))
        found.append((test.texts[i], train.texts[i], train.labels[i]))
    return found


def prompts_of(dataset: str, data_dir: Path | None, n: int) -> list[str]:
    """Return n one-shot prompts."""
    subject = registry.DATASETS["classification"][dataset].options["subject"]
    instruction = default_instruction(subject)
    return [
        build_prompt(instruction, [(shown, label)], text, None) for text, shown, label in texts_of(dataset, data_dir, n)
    ]


def plain_of(unmodified: Any) -> Way:
    """Return the scoring of MINERS' code: one forward pass per label with the unmodified transformers model."""

    def score(model: LanguageModel, prompts: Sequence[str], labels: Sequence[str]) -> Sums:
        texts = model.reader.with_labels(prompts, labels, ScoreSettings())
        return [[sum(values) for values in score_one_by_one(unmodified, text)] for text in texts]

    return score


def ours(model: LanguageModel, prompts: Sequence[str], labels: Sequence[str]) -> Sums:
    """Return the log-likelihoods by the suite, including tokenization."""
    found = dict(model.score(prompts, labels, ScoreSettings()))
    return [[sum(values) for values in found[index].logprobs] for index in range(len(prompts))]


def lm_eval_way(model: LanguageModel, unmodified: Any) -> Way | None:
    """Return the scoring of lm-eval with the unmodified transformers model, or None if lm-eval is not installed."""
    peer = open_peer(model, unmodified)
    return peer and (lambda _, prompts, labels: peer([(prompt, labels) for prompt in prompts]))


def measure(
    dataset: str, model: LanguageModel, peers: dict[str, Any], prompts: Sequence[str], repeats: int
) -> dict[str, Any]:
    """Return the seconds per text of each method, and its greatest difference from the plain loop."""
    labels = registry.DATASETS["classification"][dataset].label_names
    ways: dict[str, Any] = {**peers, "this suite": ours}
    ways = {name: way for name, way in ways.items() if way is not None}
    ours(model, prompts[:1], labels[:2])  # warm-up
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    sums: dict[str, Sums] = {}
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            sums[name] = way(model, prompts, labels)
            seconds[name].append((time.perf_counter() - start) / len(prompts))
    reference = [value for row in sums["plain loop"] for value in row]
    differences = {
        name: max(abs(a - b) for a, b in zip(reference, [value for row in found for value in row], strict=True))
        for name, found in sums.items()
    }
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    lengths = model.reader.prompt_ids(prompts)
    about = {"texts": len(prompts), "labels": len(labels), "tokens": statistics.mean(map(len, lengths))}
    return {**about, "seconds": seconds, "medians": medians, "largest_difference": differences}


def report(dataset: str, found: dict[str, Any]) -> None:
    """Print the results of one workload."""
    print(f"{dataset}: {found['texts']} texts of {found['tokens']:.0f} tokens, {found['labels']} labels")
    ours_median = found["medians"]["this suite"]
    for name, median in found["medians"].items():
        spread = f"{min(found['seconds'][name]):.3f}-{max(found['seconds'][name]):.3f}"
        ratio = f"{median / ours_median:6.1f} x ours"
        difference = found["largest_difference"][name]
        print(f"  {name:<13}{median:8.3f} s per text ({spread}) {ratio}   differs by {difference:.1e}")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True, help="a folder or hub id of a causal model")
    parser.add_argument("--data_dir", type=Path)
    parser.add_argument(
        "--texts",
        type=positive,
        nargs=2,
        default=(16, 4),
        metavar="N",
        help="number of texts of nusax and of massive_intent",
    )
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=("fp32", "bf16", "fp16"), default="fp32")
    args = parser.parse_args()
    label = "local" if Path(args.checkpoint).is_dir() else ""
    spec = GeneratorSpec(args.checkpoint, TRANSFORMERS, "base", dtype=args.dtype, label=label)
    model = LanguageModel(spec, args.checkpoint, args.device)
    unmodified = unmodified_model(args.checkpoint, args.device, args.dtype)
    peers = {"plain loop": plain_of(unmodified), "lm-eval HFLM": lm_eval_way(model, unmodified)}
    results = {}
    for dataset, n in zip(LANGS, args.texts, strict=True):
        results[dataset] = measure(dataset, model, peers, prompts_of(dataset, args.data_dir, n), args.repeats)
        report(dataset, results[dataset])
    write_results(f"icl_{args.device}_{args.dtype}", results)


if __name__ == "__main__":
    run(lambda _: main())
