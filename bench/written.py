#!/usr/bin/env python3
"""Time of generated answers by this suite, and by transformers with a dynamic, a static and a paged cache.

    python bench/written.py --checkpoint FOLDER
    python bench/written.py --checkpoint google/gemma-3-270m --device cuda --dtype bf16 --texts 200

There are two workloads of sentences of the sample set: `translation` behind four demonstrations, whose answers are of
similar length, and `free` answers to a question without demonstrations, of which some are written to the limit. An
answer ends with its line. Each repeat runs the methods in turn. The medians of the seconds of an answer (of the
processor, or of the clock with --device cuda), their ratios, and the share of answers that equal the suite's are
printed and written to bench/results/. Needs torch and transformers.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._lm_eval import unmodified_model
from bench._results import write_results
from utils.answers import GenerationSettings, before_stop
from utils.cli.main import run
from utils.cli.types import positive
from utils.generators.transformers_model import LanguageModel, pad_left
from utils.loaders import TRANSFORMERS
from utils.schema import GeneratorSpec

END = "\n"
N_SHOWN = 4
Way = Callable[[list[str], int], list[str]]


def prompts_of(workload: str, n: int) -> list[str]:
    """Return n prompts of a workload."""
    with (ROOT / "data/sample/parallel.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    if workload == "free":
        return [f"Question: What is this about? {row['eng']}\nAnswer:" for row in rows[:n]]
    shown = "".join(f"English: {row['eng']}\nGerman: {row['deu']}\n\n" for row in rows[:N_SHOWN])
    return [f"{shown}English: {row['eng']}\nGerman:" for row in rows[N_SHOWN : N_SHOWN + n]]


def ours_of(model: LanguageModel) -> Way:
    """Return the suite's way: batches of equal length, which answers leave when they have ended."""

    def ours(prompts: list[str], n_new: int) -> list[str]:
        found = dict(model.generate(prompts, GenerationSettings(n_new, stop=(END,))))
        return [found[index] for index in range(len(prompts))]

    return ours


def batched_of(model: LanguageModel, unmodified: Any, cache: str | None) -> Way:
    """Return the way of transformers' own `generate`: one batch, which ends with its longest answer."""
    import torch

    def batched(prompts: list[str], n_new: int) -> list[str]:
        ids, mask = pad_left(model.reader.prompt_ids(prompts), model.pad_token(), unmodified.device)
        ends = {"stop_strings": [END], "tokenizer": model.tokenizer, "pad_token_id": model.pad_token()}
        with torch.inference_mode():
            output = unmodified.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=n_new, do_sample=False,
                cache_implementation=cache, **ends,
            )  # fmt: skip
        return _texts(model, output[:, ids.shape[1] :].tolist())

    return batched


def paged_of(model: LanguageModel, unmodified: Any) -> Way:
    """Return the way of transformers' continuous batching, which knows no texts that end an answer."""
    import transformers

    def paged(prompts: list[str], n_new: int) -> list[str]:
        ends = {"eos_token_id": model.tokenizer.eos_token_id, "pad_token_id": model.pad_token()}
        settings = transformers.GenerationConfig(max_new_tokens=n_new, do_sample=False, **ends)
        ids = model.reader.prompt_ids(prompts)
        found = unmodified.generate_batch(inputs=ids, generation_config=settings, progress_bar=False)
        return _texts(model, [answer.generated_tokens for answer in found.values()])

    return paged


def _texts(model: LanguageModel, tokens: list[list[int]]) -> list[str]:
    return [before_stop(text.lstrip(), (END,)) for text in model.reader.decode(tokens)]


def measure(ways: dict[str, Way], prompts: list[str], n_new: int, clock: Callable[[], float], repeats: int) -> Any:
    """Return the seconds of an answer of each way, one number a repeat, and the share of the suite's own answers."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    answers: dict[str, list[str]] = {}
    for _ in range(repeats):
        for name, way in ways.items():
            start = clock()
            answers[name] = way(prompts, n_new)
            seconds[name].append((clock() - start) / len(prompts))
    reference = answers["this suite"]
    equal = {name: statistics.mean(map(str.__eq__, found, reference)) for name, found in answers.items()}
    return {"answers": len(prompts), "seconds": seconds, "equal": equal}


def report(workload: str, found: dict[str, Any]) -> None:
    """Print the results of one workload."""
    medians = {name: statistics.median(values) for name, values in found["seconds"].items()}
    print(f"{workload}: {found['answers']} answers")
    for name, median in medians.items():
        ratio = median / medians["this suite"]
        print(f"  {name:<14}{median:8.3f} s an answer {ratio:6.2f} x ours   {found['equal'][name]:.0%} equal")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True, help="a folder or hub id of a causal model")
    parser.add_argument("--texts", type=positive, default=36)
    parser.add_argument("--max_new_tokens", type=positive, default=64)
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument(
        "--paged",
        action="store_true",
        help="measure transformers' continuous batching too (takes most of the free memory)",
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=("fp32", "bf16", "fp16"), default="fp32")
    args = parser.parse_args()
    spec = GeneratorSpec(args.checkpoint, TRANSFORMERS, "base", dtype=args.dtype, label="model")
    model = LanguageModel(spec, args.checkpoint, args.device)
    unmodified = unmodified_model(args.checkpoint, args.device, args.dtype)
    ways = {"this suite": ours_of(model), "dynamic cache": batched_of(model, unmodified, None)}
    ways["static cache"] = batched_of(model, unmodified, "static")
    if args.paged:
        ways["paged cache"] = paged_of(model, unmodified)
    clock = time.process_time if args.device == "cpu" else time.perf_counter
    results = {}
    for workload in ("translation", "free"):
        prompts = prompts_of(workload, args.texts)
        ways["this suite"](prompts[:2], 2)  # warm-up
        results[workload] = measure(ways, prompts, args.max_new_tokens, clock, args.repeats)
        report(workload, results[workload])
    write_results(f"written_{args.device}_{args.dtype}", results)


if __name__ == "__main__":
    run(lambda _: main())
