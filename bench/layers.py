#!/usr/bin/env python3
"""All layers by one forward pass, compared with a plain forward pass of the same texts: time and peak memory.

    python bench/layers.py
    python bench/layers.py --checkpoint google/gemma-3-270m --texts texts.txt --n 1000 --repeats 5 --dtype bf16

The plain pass is by torch and transformers alone: texts sorted by length, 32 to a batch, their token vectors averaged.
The suite computes one layer, and all layers with one pooling and with three, which it also writes to an empty cache.
Each repeat runs all ways in turn. Printed are medians of the seconds that passed and of those of the processor, which
depend less on what else runs, and the peak memory of each way in a process of its own, above that of the loaded model.
The time of loading the model is not included. Results are written to bench/results/.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._memory import peak_above, start_peak
from bench._results import write_results
from bench.encode import read_texts
from utils.cli.main import run
from utils.cli.types import positive
from utils.constants import DEFAULT_ENCODER, DTYPES
from utils.encoders.cached import load_encoder
from utils.encoders.depth import layers_of
from utils.encoders.layered import LayeredEncoder
from utils.encoders.resolve import EncodingOptions, resolve

if TYPE_CHECKING:
    from utils.schema import EncoderSpec

Way = Callable[[Sequence[str]], object]
PLAIN, ONE, ALL, THREE = "plain forward pass", "suite, one layer", "suite, all layers", "suite, all layers, 3 poolings"
POOLINGS = {ALL: ("mean",), THREE: ("mean", "last", "cls")}
BATCH = 32


def plain(spec: EncoderSpec, folder: Path) -> Way:
    """Return a forward pass by transformers alone, with the mean of the token vectors of each text."""
    from transformers import AutoModel, AutoTokenizer, logging

    from utils.encoders.bundled import expand_bundled

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    path = str(expand_bundled(folder)) if spec.checkpoint == DEFAULT_ENCODER else spec.checkpoint
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[spec.dtype]
    tokenizer, model = AutoTokenizer.from_pretrained(path), AutoModel.from_pretrained(path, dtype=dtype).eval()

    def encode(texts: Sequence[str]) -> torch.Tensor:
        found = []
        ordered = sorted((spec.prompt or "") + text for text in texts)
        ordered.sort(key=len)
        for start in range(0, len(ordered), BATCH):
            batch = tokenizer(ordered[start : start + BATCH], padding=True, truncation=True, return_tensors="pt")
            with torch.inference_mode():
                tokens = model(**batch).last_hidden_state.float()
            mask = batch["attention_mask"][..., None]
            found.append((tokens * mask).sum(1) / mask.sum(1))
        return torch.cat(found)

    return encode


def one_layer(spec: EncoderSpec, folder: Path) -> Way:
    """Return the suite's encoder."""
    return load_encoder(spec, "cpu", folder).encode


def all_layers(spec: EncoderSpec, folder: Path, poolings: Sequence[str]) -> Way:
    """Return the suite's pass of all layers, which starts with an empty cache each time."""
    places = [(layer, pooling) for layer in layers_of(spec, None) for pooling in poolings]
    models: list[object] = []

    def encode(texts: Sequence[str]) -> object:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            encoder = LayeredEncoder(spec, places, "cpu", Path(place))
            encoder._loaded = models[0] if models else None
            encoder._load = lambda: load_encoder(spec_of(spec, encoder.places), "cpu", folder)
            encoder.fill(texts)
            models[:] = [encoder._loaded]
        return None

    return encode


def spec_of(spec: EncoderSpec, places: tuple[tuple[int, str], ...]) -> EncoderSpec:
    """Return the spec of an encoder of several places."""
    import dataclasses

    return dataclasses.replace(spec, places=places)


def make(name: str, spec: EncoderSpec, folder: Path) -> Way:
    """Return a way by its name."""
    if name in POOLINGS:
        return all_layers(spec, folder, POOLINGS[name])
    return plain(spec, folder) if name == PLAIN else one_layer(spec, folder)


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="All layers in one pass against a plain forward pass.")
    parser.add_argument("--checkpoint", default=DEFAULT_ENCODER, help="(default: %(default)s)")
    parser.add_argument("--texts", type=Path, metavar="FILE", help="one text per line, or a JSON list")
    parser.add_argument("--n", type=positive, default=1000, help="texts (default: %(default)s)")
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--dtype", choices=DTYPES, default="fp32")
    parser.add_argument("--peak", nargs=2, metavar=("WAY", "FOLDER"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure, print and write."""
    args = parse()
    folder = Path(args.peak[1] if args.peak else tempfile.mkdtemp(prefix="layers-"))
    try:
        texts = list(dict.fromkeys(read_texts(args.texts)))[: args.n]
        spec = resolve(args.checkpoint, folder, EncodingOptions(dtype=args.dtype))
        if args.peak:
            way = make(args.peak[0], spec, folder)
            way(texts[:BATCH])
            before = start_peak()
            way(texts)
            print(json.dumps(peak_above(before)))
        else:
            report(args, folder, len(texts), measure(spec, folder, texts, args.repeats))
    finally:
        if not args.peak:
            shutil.rmtree(folder, ignore_errors=True)


def measure(
    spec: EncoderSpec, folder: Path, texts: Sequence[str], repeats: int
) -> dict[str, tuple[list[float], list[float]]]:
    """Return the seconds that pass, and those of the processor, of each way in turn."""
    ways = {name: make(name, spec, folder) for name in (PLAIN, ONE, ALL, THREE)}
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in ways}
    for way in ways.values():
        way(texts[:BATCH])  # loads the model, and allocates its memory
    for _ in range(repeats):
        for name, way in ways.items():
            passed, used = time.perf_counter(), time.process_time()
            way(texts)
            found[name][0].append(time.perf_counter() - passed)
            found[name][1].append(time.process_time() - used)
    return found


def report(args: argparse.Namespace, folder: Path, n: int, seconds: dict[str, tuple[list[float], list[float]]]) -> None:
    """Measure the peaks, and print and write everything."""
    rows = {}
    for name, (passed, used) in seconds.items():
        command = [sys.executable, *sys.argv, "--peak", name, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peak = float(done.stdout.splitlines()[-1])
        rows[name] = {"seconds": statistics.median(passed), "cpu": statistics.median(used), "peak_mib": peak}
    print(f"{args.checkpoint}, {args.dtype}, {n:,} texts, {torch.get_num_threads()} threads, {args.repeats} repeats")
    first = rows[PLAIN]
    for name, row in rows.items():
        of_plain = f"{row['seconds'] / first['seconds']:.2f} and {row['cpu'] / first['cpu']:.2f} times the plain pass"
        print(f"{name:<32}{row['seconds']:7.1f} s{row['cpu']:8.1f} s CPU{row['peak_mib']:8.0f} MiB   {of_plain}")
    write_results("layers", {"n": n, "arguments": vars(args), "rows": rows})


if __name__ == "__main__":
    run(lambda _: main())
