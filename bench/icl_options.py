#!/usr/bin/env python3
"""Log-likelihoods and time of pairs and of options, by this suite and by lm-eval's HFLM, on the same prompts.

    python bench/icl_options.py --checkpoint FOLDER --data_dir ~/mirror
    python bench/icl_options.py --checkpoint google/gemma-3-270m --data_dir ~/mirror --items 200 --k 2

The items are the first ones of xnli, xcopa and paws_x in a language of each, as the suite's templates show them. The
greatest difference between the sums of the log-probabilities of an option's tokens, both accuracies and the seconds of
an item (of the processor, or of the clock with --device cuda) are printed and written to bench/results/.
Nothing is done where lm-eval is not installed (pip install lm-eval).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._lm_eval import Asked, Sums, open_peer, unmodified_model
from bench._results import write_results
from utils.answers import ScoreSettings
from utils.cli.main import run
from utils.cli.types import natural, positive
from utils.data.prompted_sets import PROMPTED
from utils.data.sources import Sources
from utils.data.train_test import load_train_test
from utils.generators.prompt_formats import TemplateFormat
from utils.generators.templates import read_template
from utils.generators.transformers_model import LanguageModel
from utils.loaders import TRANSFORMERS
from utils.schema import GeneratorSpec
from utils.settings.icl import IclSettings

SETS = {
    "xnli": ("de", "test"),
    "xcopa": ("it", "test"),
    "paws_x": ("de", "validation"),
    "belebele": ("eng_Latn", "test"),
}


def asked_of(dataset: str, data_dir: Path, n: int, k: int) -> tuple[Asked, list[int]]:
    """Return n prompts with what is scored after each, and the index of the right answer of each."""
    spec, (lang, split) = PROMPTED[dataset], SETS[dataset]
    where = Sources(data_dir, Path(tempfile.gettempdir()))
    data = load_train_test(spec, lang, where, IclSettings(split=split, limit=n))
    form = TemplateFormat(read_template(spec.options["template"]).in_language("en", "en"), data.names)
    shown, items = data.train.shown()[:k], data.test.shown()[:n]
    return [(form.prompt(shown, item), form.labels_of(item)) for item in items], data.indices(data.gold).tolist()


def ours(model: LanguageModel, asked: Asked) -> Sums:
    """Return the log-likelihoods by the suite, including tokenization."""
    found = dict(model.score_each([prompt for prompt, _ in asked], [labels for _, labels in asked], ScoreSettings()))
    return [[sum(values) for values in found[index].logprobs] for index in range(len(asked))]


def accuracy(sums: Sums, gold: list[int]) -> float:
    """Return the share of items whose right answer has the highest sum."""
    right = [max(range(len(row)), key=row.__getitem__) == index for row, index in zip(sums, gold, strict=True)]
    return sum(right) / len(gold)


def largest_difference(found: Sums, theirs: Sums) -> float:
    """Return the greatest difference between two log-likelihoods of an option."""
    return max(abs(a - b) for one, other in zip(found, theirs, strict=True) for a, b in zip(one, other, strict=True))


def measure(
    model: LanguageModel, peer: Callable[[Asked], Sums], asked: Asked, repeats: int, clock: Callable[[], float]
) -> tuple[Sums, Sums, dict[str, list[float]]]:
    """Return the log-likelihoods by the suite and by lm-eval, and the seconds of an item in each repeat."""
    ours(model, asked[:2])  # warm-up
    seconds: dict[str, list[float]] = {"this suite": [], "lm-eval": []}
    for _ in range(repeats):
        start = clock()
        found = ours(model, asked)
        middle = clock()
        theirs = peer(asked)
        seconds["this suite"].append((middle - start) / len(asked))
        seconds["lm-eval"].append((clock() - middle) / len(asked))
    return found, theirs, seconds


def compared(name: str, found: Sums, theirs: Sums, seconds: dict[str, list[float]], gold: list[int]) -> dict[str, Any]:
    """Return the figures of a data set, and print them."""
    difference = largest_difference(found, theirs)
    mine, other = accuracy(found, gold), accuracy(theirs, gold)
    ratios = sorted(b / a for a, b in zip(seconds["this suite"], seconds["lm-eval"], strict=True))
    ratio = ratios[len(ratios) // 2]
    print(
        f"{name} {SETS[name][0]}: {len(gold)} items, greatest difference {difference:.1e}, "
        f"accuracy {mine:.3f} and {other:.3f}, {min(seconds['this suite']):.3f} s an item, "
        f"{ratio:.1f} times as fast as lm-eval ({ratios[0]:.1f} to {ratios[-1]:.1f})",
        flush=True,
    )
    figures = {"items": len(gold), "seconds": seconds, "largest_difference": difference}
    return {**figures, "acc": mine, "acc_lm_eval": other, "times_as_fast": ratio}


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True, help="a folder or hub id of a causal model")
    parser.add_argument("--data_dir", type=Path, required=True)
    parser.add_argument("--datasets", nargs="+", choices=SETS, default=["xnli", "xcopa", "paws_x"])
    parser.add_argument("--items", type=positive, default=50)
    parser.add_argument("--k", type=natural, default=0, help="demonstrations: the first ones (default: %(default)s)")
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=("fp32", "bf16", "fp16"), default="fp32")
    return parser.parse_args()


def main() -> None:
    """Measure and report."""
    args = parse()
    label = "local" if Path(args.checkpoint).is_dir() else ""
    spec = GeneratorSpec(args.checkpoint, TRANSFORMERS, "base", dtype=args.dtype, label=label)
    model = LanguageModel(spec, args.checkpoint, args.device)
    peer = open_peer(model, unmodified_model(args.checkpoint, args.device, args.dtype))
    if peer is None:
        print("lm-eval is not installed: nothing is compared (pip install lm-eval)")
        return
    clock = time.process_time if args.device == "cpu" else time.perf_counter
    results: dict[str, Any] = {}
    for name in args.datasets:
        asked, gold = asked_of(name, args.data_dir, args.items, args.k)
        results[name] = compared(name, *measure(model, peer, asked, args.repeats, clock), gold)
    write_results(f"icl_options_{args.device}_{args.dtype}", results)


if __name__ == "__main__":
    run(lambda _: main())
