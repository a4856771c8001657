#!/usr/bin/env python3
"""Contrastive training, compared with a plain script of sentence-transformers' trainer at its defaults.

    python bench/finetune_contrastive.py
    python bench/finetune_contrastive.py --checkpoint intfloat/multilingual-e5-small --pairs 4000 --repeats 5

Both train the same checkpoint on the same pairs of the sample set, with the same batch size, loss, temperature and
learning rate. Each repeat runs both in turn, each in a process of its own. Examples a second with their medians, peak
memory and the losses of the first and the last quarter of the steps are printed and written to bench/results/. The time
of loading the model and of writing it is not included.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from utils.cli.main import run
from utils.cli.types import positive

SIDES = ("plain", "finetune.py")
RATE, TEMPERATURE = 2e-5, 0.02


def pairs_of(n: int) -> list[tuple[str, str]]:
    """Return up to n pairs of translations of the sample set. Each text is in one pair only.

    So neither side has a positive among its negatives, which finetune.py would leave out and the other would not.
    """
    table = (ROOT / "data" / "sample" / "parallel.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t")[3:] for line in table[1:]]
    pairs = ((row[lang], row[lang + 1]) for lang in range(0, len(rows[0]) - 1, 2) for row in rows)
    return list(itertools.islice(pairs, n))


def plain(checkpoint: str, pairs: list[tuple[str, str]], batch_size: int, folder: Path) -> dict[str, Any]:
    """Train with the library's trainer, loss and collator."""
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    model = SentenceTransformer(checkpoint, device="cpu")
    data = Dataset.from_dict({"anchor": [a for a, _ in pairs], "positive": [b for _, b in pairs]})
    args = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=batch_size,
        learning_rate=RATE,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        prompts={"anchor": "query: ", "positive": "query: "},
    )
    loss = MultipleNegativesRankingLoss(model, scale=1 / TEMPERATURE)
    trainer = SentenceTransformerTrainer(model=model, args=args, train_dataset=data, loss=loss)
    start = time.perf_counter()
    trainer.train()
    return _measured(time.perf_counter() - start, trainer.state.log_history)


def ours(checkpoint: str, pairs: list[tuple[str, str]], batch_size: int, folder: Path) -> dict[str, Any]:
    """Train as finetune.py does, without its checkpoints on the way."""
    from utils.data.pair_rows import PairRow
    from utils.training import loop
    from utils.training.base import encoder_base
    from utils.training.contrastive import ContrastiveOptions, train_embedder
    from utils.training.embedder import load_embedder
    from utils.training.folder import TrainingFolder
    from utils.training.options import TrainingOptions
    from utils.training.pair_examples import PairExamples

    loop.STEPS_PER_LOG = 10**9  # each step
    loop._when_to_save = lambda *_: {"save_strategy": "no"}  # as the other side
    base = encoder_base(checkpoint, folder / "cache", sides=True)
    assert base.spec is not None
    embedder = load_embedder(base, base.spec, "cpu")
    place = TrainingFolder(folder / "out", {})
    place.open(overwrite=False)
    chosen = ContrastiveOptions(temperature=TEMPERATURE, prompt="query: ", passage_prompt="query: ")
    options = TrainingOptions(epochs=1, batch_size=batch_size, learning_rate=RATE)
    examples = PairExamples([PairRow(a, [b], []) for a, b in pairs])
    start = time.perf_counter()
    trained = train_embedder(embedder, examples, chosen, options, place)
    return _measured(time.perf_counter() - start, trained.history)


def _measured(seconds: float, history: list[dict[str, Any]]) -> dict[str, Any]:
    losses = [float(point["loss"]) for point in history if "loss" in point]
    part = max(1, len(losses) // 4)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    first, last = (sum(some) / part for some in (losses[:part], losses[-part:]))
    return {"seconds": seconds, "memory_mb": memory, "first_loss": first, "last_loss": last}


def main(argv: Sequence[str]) -> None:
    """Run the benchmark, or one side of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", help="a folder (default: the bundled encoder)")
    parser.add_argument("--pairs", type=positive, default=384, help="pairs that are trained on (default: %(default)s)")
    parser.add_argument("--batch_size", type=positive, default=32, help="(default: %(default)s)")
    parser.add_argument("--repeats", type=positive, default=3, help="(default: %(default)s)")
    parser.add_argument("--cache_dir", type=Path, default=Path("~/.cache/miners").expanduser())
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.checkpoint is None:
        from utils.encoders.bundled import expand_bundled

        args.checkpoint = str(expand_bundled(args.cache_dir))
    if args.side:
        train = plain if args.side == "plain" else ours
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(train(args.checkpoint, pairs_of(args.pairs), args.batch_size, Path(folder))))
        return
    results: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    for _ in range(args.repeats):
        for side, found in results.items():
            command = [sys.executable, __file__, "--side", side, "--checkpoint", args.checkpoint]
            command += ["--pairs", str(args.pairs), "--batch_size", str(args.batch_size)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))
    show(results, min(args.pairs, len(pairs_of(args.pairs))))


def show(results: dict[str, list[dict[str, Any]]], n_pairs: int) -> None:
    """Print and write the figures of both sides."""
    rates = {}
    for side, found in results.items():
        rate = [n_pairs / each["seconds"] for each in found]
        rates[side] = statistics.median(rate)
        losses = " -> ".join(
            f"{statistics.median(each[name] for each in found):.3f}" for name in ("first_loss", "last_loss")
        )
        memory = statistics.median(each["memory_mb"] for each in found)
        spread = f"({min(rate):.1f} to {max(rate):.1f})"
        print(f"{side:12} {rates[side]:7.1f} pairs/s {spread}, loss {losses}, {memory:,.0f} MB")
    print(f"finetune.py is {rates['finetune.py'] / rates['plain']:.2f} times as fast")
    path = ROOT / "bench" / "results" / "finetune_contrastive.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    run(main)
