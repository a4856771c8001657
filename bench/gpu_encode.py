#!/usr/bin/env python3
"""Encoding on a GPU, against SentenceTransformer.encode at several batch sizes, in float32 and bfloat16.

    python bench/gpu_encode.py --out DIR
    python bench/gpu_encode.py --rehearse

The models have the shapes of multilingual-e5-small and -large and random weights. The texts are 20,000 (8,000 for the
larger one) made of sentences of the sample set: most are short, and one in ten is long, up to 510 tokens. The texts of
a batch are joined without padding; padded batches and torch.compile are measured to know what each brings.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._gpu import Figures, parse, peak_flops, seconds_of
from bench.gpu_models import encoder, sample_texts
from utils.encoders.batching import TOKENS, batches
from utils.encoders.cached import GPU_CHUNK
from utils.encoders.sentence_transformer import STEP, SentenceTransformerEncoder, _placed
from utils.encoders.tokens import cut_padding
from utils.schema import EncoderSpec

BATCHES = (1024, 512)  # of the peer
REPEATS = 3
LONG = 10  # one text in so many is long


def texts_of(n: int, seed: int = 0) -> list[str]:
    """Return n different texts of realistic lengths."""
    sentences = sample_texts()
    drawn = np.random.default_rng(seed)
    counts = np.where(drawn.random(n) < 1 / LONG, drawn.integers(5, 30, n), drawn.integers(1, 3, n))
    return [
        f"{number} " + " ".join(sentences[place] for place in drawn.integers(0, len(sentences), count))
        for number, count in enumerate(counts)
    ]


def open_ours(folder: Path, device: str, dtype: str) -> SentenceTransformerEncoder:
    """Return the suite's encoder of a folder."""
    spec = EncoderSpec(str(folder), "", None, dtype=dtype, label="local")
    return SentenceTransformerEncoder(spec, str(folder), None, device, folder)


def encode(model: SentenceTransformerEncoder, texts: Sequence[str]) -> Any:
    """Return the rows of all texts, encoded longest first in the chunks of the cache."""
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    rows = [model.encode([texts[i] for i in order[at : at + GPU_CHUNK]]) for at in range(0, len(order), GPU_CHUNK)]
    return np.concatenate(rows)[np.argsort(order)]


def open_peer(folder: Path, device: str, dtype: str) -> Any:
    """Return the library's model."""
    from sentence_transformers import SentenceTransformer

    kind = torch.float32 if dtype == "fp32" else torch.bfloat16
    return SentenceTransformer(str(folder), device=device, model_kwargs={"dtype": kind})


class Run:
    """Measures ways to encode texts, and compares their rows with the first ones.

    Each repeat has texts of its own, so that no batch has a shape that was computed before, as in use.
    """

    def __init__(self, n: int, device: str, figures: Figures) -> None:
        self.sets = [texts_of(n, seed) for seed in range(REPEATS)]
        self.texts, self.device, self.figures = self.sets[0], device, figures
        self.reference: Any = None

    def in_turn(self, ways: dict[str, Callable[[list[str]], Any]]) -> list[float]:
        """Write the speeds of ways that run in turn on each set of texts; return their texts per second."""
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        rows: dict[str, Any] = {}
        for texts in self.sets:
            for name, way in ways.items():
                taken, found = self._timed(partial(way, texts))
                seconds[name].append(taken)
                rows.setdefault(name, found)
        return [self._write(name, seconds[name], rows[name]) for name in ways]

    def record(self, name: str, work: Callable[[list[str]], Any]) -> float:
        """Write the speed of one way, and return its texts per second; one that fails is written as such."""
        try:
            seconds, rows = self._timed(partial(work, self.texts))
        except Exception as error:
            self.figures.add(name, f"failed: {error!r}"[:300])
            return 0.0
        return self._write(name, [seconds], rows)

    def _timed(self, work: Callable[[], Any]) -> tuple[float, Any]:
        """Return the seconds that something takes, and what it returns."""
        found: list[Any] = []
        return seconds_of(lambda: found.append(work()), self.device, 1, warm=False)[0], found[0]

    def _write(self, name: str, seconds: list[float], rows: Any) -> float:
        if self.reference is None:
            self.reference = rows
        speed = len(rows) / statistics.median(seconds)
        apart = float(np.abs(rows - self.reference).max())
        self.figures.add(name, {"texts per second": speed, "seconds": seconds, "greatest difference": apart})
        return speed


def measure(folder: Path, dtype: str, run: Run, warm: Sequence[str]) -> SentenceTransformerEncoder:
    """Write the speeds of both sides in one precision, and their ratio; return the suite's encoder."""
    model = open_ours(folder, run.device, dtype)
    name = f"{folder.name}, {dtype}"
    run.figures.add(f"{name}: texts are joined without padding", model.is_joined)
    joined, padded = partial(encode_joined, model, model.is_joined), partial(encode_joined, model, False)
    for way in (joined, padded):
        way(warm)
    speeds = run.in_turn({f"{name}: ours": joined, f"{name}: ours, padded": padded})
    run.figures.add(f"{name}: joined / padded", speeds[0] / speeds[1])
    peer = open_peer(folder, run.device, dtype)
    peer.encode(list(warm))
    ways = {size: partial(peer.encode, batch_size=size) for size in BATCHES}
    torch.backends.cuda.enable_cudnn_sdp(True)  # torch's default, which loading ours has changed
    found = [run.record(f"{name}: SentenceTransformer, batches of {size}", way) for size, way in ways.items()]
    torch.backends.cuda.enable_cudnn_sdp(False)
    if dtype != "fp32":
        title = f"{name}: SentenceTransformer, batches of {BATCHES[0]}, without cuDNN's attention"
        found.append(run.record(title, ways[BATCHES[0]]))
    run.figures.add(f"{name}: ours / the best of SentenceTransformer", speeds[0] / max(found))
    model.is_joined = joined.args[1]
    return model


def encode_joined(model: SentenceTransformerEncoder, is_joined: bool, texts: Sequence[str]) -> Any:
    """Return the rows of all texts, joined or padded."""
    model.is_joined = is_joined
    return encode(model, texts)


def work_of(model: SentenceTransformerEncoder, texts: Sequence[str]) -> tuple[int, int]:
    """Return the tokens of texts, and the operations of the products of their layers."""
    lengths = model.encode_counted(texts)[1]
    assert lengths is not None
    tokens = int(lengths[1].sum())
    layers = [weights for name, weights in model.model[0].named_parameters() if ".layer." in name]
    return tokens, 2 * sum(weights.numel() for weights in layers) * tokens


def phases(model: SentenceTransformerEncoder, run: Run, measured: Sequence[float]) -> None:
    """Write the seconds of tokenising alone, the tokens with and without padding, and the share of the peak."""
    order = sorted(run.texts, key=lambda text: -len(text))
    step = STEP[run.device] or 1024
    parts = [order[at : at + step] for at in range(0, len(order), step)]
    seconds = statistics.median(seconds_of(lambda: [model._features(part) for part in parts], run.device, 2))
    tokens, operations = work_of(model, order)
    about = {"tokenising alone": seconds, "encoding in all": statistics.median(measured), "tokens": tokens}
    run.figures.add("seconds of ours, bf16", about)
    features = [model._features(part) for part in parts]
    counts = [np.asarray(some["attention_mask"].sum(dim=1)) for some in features]
    batched = [batches(some, TOKENS[run.device], None) for some in counts]

    def each(work: Callable[[Any, Any, Any], object]) -> None:
        for some, lengths, found in zip(features, counts, batched, strict=True):
            for part in found:
                work(some, lengths, part)

    def copy(some: Any, lengths: Any, part: Any) -> None:
        cut = cut_padding(some, part, int(lengths[part].max()))
        for value in cut.values():
            if isinstance(value, torch.Tensor):
                _placed(value, run.device)

    def compute(some: Any, lengths: Any, part: Any) -> None:
        model._compute(some, lengths, part, model.workers[0])

    peak = peak_flops(run.device, size=256 if run.device == "cpu" else 8192)
    run.figures.add("share of the peak, bf16", operations / about["encoding in all"] / peak)
    with torch.inference_mode():
        copying = statistics.median(seconds_of(partial(each, copy), run.device, 2))
        run.figures.add("seconds of copying alone, bf16", copying)
        computing = statistics.median(seconds_of(partial(each, compute), run.device, 2))
    run.figures.add("seconds of computing alone, bf16", computing)
    run.figures.add("share of the peak while computing, bf16", operations / computing / peak)
    padded = sum(
        int(lengths[part].max()) * len(part) for lengths, found in zip(counts, batched, strict=True) for part in found
    )
    run.figures.add("tokens with padding / tokens", padded / tokens)


def compiled(model: SentenceTransformerEncoder, run: Run) -> None:
    """Write the speed with torch.compile, after what compiling takes."""
    layers = model.model[0].model.encoder.layer
    for layer in layers:
        layer.compile(dynamic=True)
    start = time.perf_counter()
    encode(model, run.texts[: len(run.texts) // 5])
    run.figures.add("torch.compile, bf16: seconds until a fifth of the texts are encoded", time.perf_counter() - start)
    run.record("torch.compile, bf16", partial(encode, model))
    for layer in layers:
        layer._compiled_call_impl = None


def main() -> None:
    """Measure and write."""
    args = parse(__doc__).parse_args()
    device = "cpu" if args.rehearse else "cuda"
    sizes = {"tiny": 300} if args.rehearse else {"e5-small": 20_000, "large": 8_000}
    figures = Figures("encode", args.out, device)
    warm = texts_of(20 if args.rehearse else 3_000, REPEATS)
    with tempfile.TemporaryDirectory() as name:
        for size, n in sizes.items():
            folder = encoder(Path(name), size)
            run = Run(n, device, figures)
            model = measure(folder, "bf16", run, warm)
            if size == "large":
                continue
            phases(model, run, figures.content[f"{folder.name}, bf16: ours"]["seconds"])
            if device == "cuda":
                compiled(model, run)
            run = Run(n, device, figures)
            there, here = measure(folder, "fp32", run, warm), open_ours(folder, "cpu", "fp32")
            few = run.texts[:: max(1, n // 300)]
            apart = float(np.abs(encode(there, few) - encode(here, few)).max())
            figures.add("fp32, this device against the CPU: greatest difference", apart)


if __name__ == "__main__":
    main()
