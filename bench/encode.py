#!/usr/bin/env python3
"""Encoding speed, compared with SentenceTransformer.encode at its defaults on the same texts.

    python bench/encode.py
    python bench/encode.py --checkpoint intfloat/multilingual-e5-small --texts texts.txt --repeats 5 --cuda

The texts are those of the sample set, or of a file with one text per line or a JSON list. Each repeat runs all methods
in turn. Medians, ranges and the greatest differences between embeddings are printed and written to bench/results/.
The time of loading the model is not included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._results import write_results
from utils.cli.main import run
from utils.cli.types import positive
from utils.errors import UserError

if TYPE_CHECKING:
    from utils.schema import Rows


def read_texts(path: Path | None) -> list[str]:
    """Return the texts of a file, or all sentences of the sample set."""
    if path is None:
        table = (ROOT / "data" / "sample" / "parallel.tsv").read_text(encoding="utf-8").splitlines()
        return [text for line in table[1:] for text in line.split("\t")[3:]]
    content = path.read_text(encoding="utf-8")
    return list(json.loads(content)) if path.suffix == ".json" else content.splitlines()


def peer(checkpoint: str, device: str) -> Callable[[Sequence[str]], Rows]:
    """Return SentenceTransformer.encode at its defaults."""
    import transformers
    from sentence_transformers import SentenceTransformer

    transformers.logging.set_verbosity_error()
    model = SentenceTransformer(checkpoint, device=device)
    return lambda texts: np.asarray(model.encode(list(texts)))


def ours(checkpoint: str, device: str, dtype: str) -> Callable[[Sequence[str]], Rows]:
    """Return the suite's encoder, called with chunks of the size that the cache uses."""
    from utils.encoders.cache import CHUNK
    from utils.encoders.cached import GPU_CHUNK
    from utils.encoders.sentence_transformer import SentenceTransformerEncoder
    from utils.schema import EncoderSpec

    is_folder = Path(checkpoint).is_dir()
    spec = EncoderSpec(checkpoint, "", None if is_folder else "main", dtype=dtype, label="local" if is_folder else "")
    encoder = SentenceTransformerEncoder(spec, checkpoint, spec.revision, device, Path(tempfile.gettempdir()))
    chunk = GPU_CHUNK if device == "cuda" else CHUNK

    def encode(texts: Sequence[str]) -> Rows:
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        rows = [encoder.encode([texts[i] for i in order[at : at + chunk]]) for at in range(0, len(order), chunk)]
        return np.concatenate(rows)[np.argsort(order)]

    return encode


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="Encoding speed of the suite and of SentenceTransformer.encode.")
    parser.add_argument("--checkpoint", help="a folder or a hub id (default: the embedded encoder)")
    parser.add_argument("--texts", type=Path, metavar="FILE", help="one text per line, or a JSON list")
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--cuda", action="store_true")
    args = parser.parse_args()
    device = "cuda" if args.cuda else "cpu"
    texts = read_texts(args.texts)
    if not texts:
        raise UserError(f"{args.texts} holds no texts", "give one text per line, or a JSON list")
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = args.checkpoint
        if checkpoint is None:
            from utils.encoders.bundled import expand_bundled

            checkpoint = str(expand_bundled(Path(folder)))
        ways = {"SentenceTransformer.encode": peer(checkpoint, device)}
        ways |= {f"ours, {dtype}": ours(checkpoint, device, dtype) for dtype in ("fp32", "bf16")}
        report(args, texts, *measure(ways, texts, args.repeats))


def measure(
    ways: dict[str, Callable[[Sequence[str]], Rows]], texts: Sequence[str], repeats: int
) -> tuple[dict[str, list[float]], dict[str, Rows]]:
    """Return the seconds of each method, run in turn, and its embeddings."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    rows: dict[str, Rows] = {}
    for way in ways.values():
        way(texts[:64])  # warm-up: kernels are selected and memory is allocated
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            rows[name] = way(texts)
            seconds[name].append(time.perf_counter() - start)
    return seconds, rows


def report(
    args: argparse.Namespace, texts: Sequence[str], seconds: dict[str, list[float]], rows: dict[str, Rows]
) -> None:
    """Print medians, ranges, ratios and differences, and write them."""
    first = next(iter(seconds))
    machine = torch.cuda.get_device_name() if args.cuda else f"{torch.get_num_threads()} threads"
    print(f"{len(texts):,} texts, {sum(map(len, texts)) / len(texts):.0f} characters each, {machine}")
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    figures = {}
    for name, values in seconds.items():
        apart = float(np.abs(rows[name] - rows[first]).max())
        figures[name] = {"median": medians[name], "seconds": values, "greatest difference": apart}
        print(
            f"  {name:<28}{medians[name]:8.2f} s ({min(values):.2f} to {max(values):.2f})"
            f"{len(texts) / medians[name]:9.0f} texts/s   {medians[first] / medians[name]:5.2f} x   differs {apart:.1e}"
        )
    content = {"n_texts": len(texts), "machine": machine, "checkpoint": args.checkpoint or "embedded", "ways": figures}
    write_results(f"encode_{'cuda' if args.cuda else 'cpu'}", content)


if __name__ == "__main__":
    run(lambda _: main())
