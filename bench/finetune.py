#!/usr/bin/env python3
"""Fine-tuning, compared with plain scripts of the trainers of transformers and of sentence-transformers.

    python bench/finetune.py
    python bench/finetune.py --objective contrastive --dataset short --examples 384 --repeats 5
    python bench/finetune.py --objective classification --dataset nollysenti:en --data_dir DATA

All sides train the same checkpoint on the same texts, with the same batch size, learning rate and number of steps.
`maximum` pads each text to 128 tokens, as the example script of transformers does by default, and `longest` to the
longest of its batch. `plain` is the example of sentence-transformers, which tokenises each batch. Each repeat runs all
sides in turn, each in a process of its own. Examples a second with their medians, peak memory, and the losses of the
quarters of the steps are printed and written to bench/results/. Loading and writing the model are not included.

`--check` compares the loss of each step instead: without dropout, and with the same texts in each batch.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._finetune_texts import CACHE, SETS, labelled_texts, pairs_of_texts
from bench._results import write_results
from utils.cli.main import run
from utils.cli.types import path, positive

OURS = "finetune.py"
SIDES = {"classification": ("maximum", "longest", OURS), "contrastive": ("plain", OURS)}
MAXIMUM = 128  # tokens of a text in the example script of transformers
RATES = {"classification": 5e-5, "contrastive": 2e-5}
BATCHES = {"classification": 8, "contrastive": 32}
TEMPERATURE = 0.02
SEED = 42


def plain_classification(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train as the example script of transformers does: one tokenisation, and all texts padded to the maximum."""
    import transformers
    from datasets import Dataset

    texts, labels = labelled_texts(args.dataset, args.examples, args.data_dir)
    names = sorted(set(labels))
    transformers.set_seed(SEED)
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.checkpoint)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(args.checkpoint, num_labels=len(names))
    padding = "max_length" if args.side == "maximum" else False
    start = clocks()
    data = Dataset.from_dict({"text": texts, "label": [names.index(label) for label in labels]}).map(
        lambda rows: tokenizer(rows["text"], padding=padding, max_length=MAXIMUM, truncation=True), batched=True
    )
    trainer = transformers.Trainer(
        model=without_dropout(model) if args.check else model,
        args=transformers.TrainingArguments(**plain_arguments(args, folder), weight_decay=0.01),
        train_dataset=data,
        data_collator=transformers.default_data_collator
        if padding
        else transformers.DataCollatorWithPadding(tokenizer),
    )
    trainer.train()
    return measured(start, trainer.state.log_history)


def plain_contrastive(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train with sentence-transformers' trainer, loss and collator."""
    import torch
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    pairs = pairs_of_texts(args.dataset, args.examples, args.data_dir)
    model = SentenceTransformer(args.checkpoint, device="cpu")
    data = Dataset.from_dict({"anchor": [a for a, _ in pairs], "positive": [b for _, b in pairs]})
    prompts = {"anchor": "query: ", "positive": "query: "}
    settings = SentenceTransformerTrainingArguments(**plain_arguments(args, folder), prompts=prompts)
    loss = MultipleNegativesRankingLoss(without_dropout(model) if args.check else model, scale=1 / TEMPERATURE)

    class InOrder(SentenceTransformerTrainer):  # type: ignore[misc]
        """Takes the pairs as they stand."""

        def get_batch_sampler(self, dataset: Any, batch_size: int, drop_last: bool, *rest: Any, **more: Any) -> Any:
            return torch.utils.data.BatchSampler(range(len(dataset)), batch_size, drop_last)

    kind = InOrder if args.check else SentenceTransformerTrainer
    trainer = kind(model=model, args=settings, train_dataset=data, loss=loss)
    start = clocks()
    trainer.train()
    return measured(start, trainer.state.log_history)


def plain_arguments(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return what the trainers of both plain scripts are told, and no more."""
    return {
        "output_dir": str(folder),
        "num_train_epochs": 1,
        "per_device_train_batch_size": BATCHES[args.objective],
        "learning_rate": RATES[args.objective],
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "seed": SEED,
    }


def our_classification(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train as finetune.py does, without its checkpoints and its validation."""
    import transformers

    from utils.training.base import encoder_base
    from utils.training.classification import Labelled, load_classifier, train_classifier

    texts, labels = labelled_texts(args.dataset, args.examples, args.data_dir)
    names = sorted(set(labels))
    base = encoder_base(args.checkpoint, folder / "cache")
    transformers.set_seed(SEED)
    classifier = load_classifier(base, names, MAXIMUM)
    if args.check:
        without_dropout(classifier.model)
    examples = Labelled(texts, [names.index(label) for label in labels])
    options, place = our_settings(args, folder, weight_decay=0.01, max_length=MAXIMUM)
    start = clocks()
    trained = train_classifier(classifier, examples, Labelled(texts[:1], [0]), options, place)
    return measured(start, trained.history)


def our_contrastive(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train as finetune.py does, without its checkpoints."""
    from utils.data.pair_rows import PairRow
    from utils.training.base import encoder_base
    from utils.training.contrastive import ContrastiveOptions, train_embedder
    from utils.training.embedder import load_embedder
    from utils.training.pair_examples import PairExamples, SeededBatches

    def in_order(batches: SeededBatches) -> Iterator[list[tuple[int, int]]]:
        for start in range(0, batches.n_rows, batches.batch_size):
            yield [(row, 0) for row in range(start, min(start + batches.batch_size, batches.n_rows))]

    base = encoder_base(args.checkpoint, folder / "cache", sides=True)
    assert base.spec is not None
    embedder = load_embedder(base, base.spec, "cpu")
    if args.check:
        without_dropout(embedder.model)
        SeededBatches.__iter__ = in_order  # type: ignore[method-assign]
    chosen = ContrastiveOptions(temperature=TEMPERATURE, prompt="query: ", passage_prompt="query: ")
    options, place = our_settings(args, folder)
    pairs = pairs_of_texts(args.dataset, args.examples, args.data_dir)
    start = clocks()
    examples = PairExamples([PairRow(a, [b], []) for a, b in pairs])
    trained = train_embedder(embedder, examples, chosen, options, place)
    return measured(start, trained.history)


def our_settings(args: argparse.Namespace, folder: Path, **more: Any) -> tuple[Any, Any]:
    """Return the options of one epoch and the folder, after checkpoints are switched off as on the other side."""
    from utils.training import loop
    from utils.training.folder import TrainingFolder
    from utils.training.options import TrainingOptions

    loop.STEPS_PER_LOG = 10**9  # each step
    loop._when_to_save = lambda *_: {"save_strategy": "no"}
    place = TrainingFolder(folder / "out", {})
    place.open(overwrite=False)
    usual = {"epochs": 1, "batch_size": BATCHES[args.objective], "learning_rate": RATES[args.objective], "seed": SEED}
    return TrainingOptions(**usual | more), place


def without_dropout(model: Any) -> Any:
    """Return a model whose modules drop nothing."""
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def clocks() -> tuple[float, float]:
    """Return the time, and what this process has used of its processors, in seconds."""
    return time.perf_counter(), time.process_time()


def measured(start: tuple[float, float], history: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the seconds since the start, the peak memory of this process, and the loss of each step."""
    seconds, busy = (now - then for now, then in zip(clocks(), start, strict=True))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    losses = [float(point["loss"]) for point in history if "loss" in point]
    return {"seconds": seconds, "cpu_seconds": busy, "memory_mb": memory, "losses": losses}


def main(argv: Sequence[str]) -> None:
    """Run the benchmark, or one side of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objective", choices=SIDES, help="(default: both)")
    parser.add_argument("--dataset", help=f"{' or '.join(SETS)}, or DATASET:LANG of the suite (default: both)")
    parser.add_argument("--data_dir", type=path, help="the mirror of the suite's data sets")
    parser.add_argument("--checkpoint", help="a folder (default: the bundled encoder)")
    parser.add_argument("--examples", type=positive, default=384, help="texts, or pairs (default: %(default)s)")
    parser.add_argument("--repeats", type=positive, default=3, help="(default: %(default)s)")
    parser.add_argument("--threads", type=positive, help="(default: one for each core)")
    parser.add_argument("--check", action="store_true", help="compare the losses of each step")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.checkpoint is None:
        from utils.encoders.bundled import expand_bundled

        args.checkpoint = str(expand_bundled(CACHE))
    if args.side:
        import torch

        torch.set_num_threads(args.threads or torch.get_num_threads())
        with tempfile.TemporaryDirectory() as folder:
            print(
                json.dumps(globals()[f"{'our' if args.side == OURS else 'plain'}_{args.objective}"](args, Path(folder)))
            )
        return
    for objective in [args.objective] if args.objective else SIDES:
        for dataset in [args.dataset] if args.dataset else SETS:
            args.objective, args.dataset = objective, dataset
            compare(args)


def compare(args: argparse.Namespace) -> None:
    """Run all sides of an objective on a data set, and print and write the figures."""
    sides = SIDES[args.objective]
    results: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for _ in range(1 if args.check else args.repeats):
        for side in sides:
            words = [sys.executable, __file__, "--side", side, "--examples", str(args.examples)]
            for name in ("objective", "dataset", "data_dir", "checkpoint", "threads"):
                words += [f"--{name}", str(getattr(args, name))] if getattr(args, name) else []
            done = subprocess.run(words + ["--check"] * args.check, check=True, stdout=subprocess.PIPE, text=True)
            results[side].append(json.loads(done.stdout.splitlines()[-1]))
    print(f"{args.objective}, {args.dataset}")
    if args.check:
        check(results)
        return
    show(results, args)
    write_results(f"finetune_{args.objective}_{args.dataset.replace(':', '_')}", results)


def check(results: dict[str, list[dict[str, Any]]]) -> None:
    """Print the largest difference of the losses of a step."""
    (ours,) = results.pop(OURS)
    for side, (found,) in results.items():
        pairs = list(zip(ours["losses"], found["losses"], strict=True))
        largest = max(abs(one - other) for one, other in pairs)
        print(f"  {side}: {len(pairs)} steps, losses differ by at most {largest:.2g}, {pairs[0]} to {pairs[-1]}")


def show(results: dict[str, list[dict[str, Any]]], args: argparse.Namespace) -> None:
    """Print the figures of all sides."""
    rates: dict[str, dict[str, float]] = {}
    for side, found in results.items():
        n_examples = min(args.examples, len(found[0]["losses"]) * BATCHES[args.objective])
        every = {name: [n_examples / each[name] for each in found] for name in ("seconds", "cpu_seconds")}
        rates[side] = {name: statistics.median(rate) for name, rate in every.items()}
        losses = found[0]["losses"]
        part = -(-len(losses) // 4)
        quarters = [losses[start : start + part] for start in range(0, len(losses), part)]
        curve = " ".join(f"{statistics.mean(quarter):.3f}" for quarter in quarters)
        memory = statistics.median(each["memory_mb"] for each in found)
        spread = f"({min(every['seconds']):.1f} to {max(every['seconds']):.1f})"
        busy = f"{rates[side]['cpu_seconds']:.2f} of processor time"
        print(
            f"  {side:12} {rates[side]['seconds']:6.1f} examples/s {spread}, {busy}, {memory:,.0f} MB, losses {curve}"
        )
    for side in results:
        if side != OURS:
            ratios = [rates[OURS][name] / rates[side][name] for name in ("seconds", "cpu_seconds")]
            print(f"  {OURS} is {ratios[0]:.2f} times as fast as {side}; by processor time {ratios[1]:.2f} times")


if __name__ == "__main__":
    run(main)
