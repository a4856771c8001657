#!/usr/bin/env python3
"""Encoding on a GPU, against SentenceTransformer.encode at several batch sizes, in float32 and bfloat16.

    python bench/gpu_encode.py --out DIR
    python bench/gpu_encode.py --rehearse

The model has the shape of multilingual-e5-small and random weights. The texts are 20,000 made of sentences of the
sample set: most are short, and one in ten is long, up to 510 tokens. In bfloat16 the texts of a batch are
joined without padding; the same with padding and with torch.compile is measured to know what each would bring.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
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
from utils.encoders.sentence_transformer import SentenceTransformerEncoder, _placed
from utils.encoders.tokens import cut_padding
from utils.schema import EncoderSpec

BATCHES = (1024, 512, 128)  # of the peer
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

    def record(self, name: str, work: Callable[[list[str]], Any], repeats: int = 1) -> float:
        """Write the speed of one way, and return its texts per second; one that fails is written as such."""
        found: list[Any] = []
        left = iter(self.sets)
        try:
            seconds = seconds_of(lambda: found.append(work(next(left))), self.device, repeats, warm=False)
        except Exception as error:
            self.figures.add(name, f"failed: {error!r}"[:300])
            return 0.0
        if self.reference is None:
            self.reference = found[0]
        speed = len(found[0]) / statistics.median(seconds)
        apart = float(np.abs(found[0] - self.reference[: len(found[0])]).max())
        self.figures.add(name, {"texts per second": speed, "seconds": seconds, "greatest difference": apart})
        return speed


def measure(folder: Path, dtype: str, run: Run) -> SentenceTransformerEncoder:
    """Write the speeds of both sides in one precision, and their ratio; return the suite's encoder."""
    model = open_ours(folder, run.device, dtype)
    warm = texts_of(2000 if run.device == "cuda" else 20, REPEATS)
    encode(model, warm)
    ours = run.record(f"ours, {dtype}", partial(encode, model), REPEATS)
    torch.backends.cuda.enable_cudnn_sdp(True)  # torch's default, which loading ours has changed
    peer = open_peer(folder, run.device, dtype)
    peer.encode(warm)
    ways = {size: partial(peer.encode, batch_size=size) for size in BATCHES}
    name = f"SentenceTransformer {dtype}, batches of "
    speeds = [run.record(f"{name}{size}", way) for size, way in ways.items()]
    torch.backends.cuda.enable_cudnn_sdp(False)
    if dtype != "fp32":
        speeds.append(run.record(f"{name}{BATCHES[0]}, without cuDNN's attention", ways[BATCHES[0]]))
    run.figures.add(f"ours / the best of SentenceTransformer, {dtype}", ours / max(speeds))
    return model


def phases(model: SentenceTransformerEncoder, run: Run) -> None:
    """Write the seconds of tokenising alone, the tokens with and without padding, and the share of the peak."""
    order = sorted(run.texts, key=lambda text: -len(text))
    step = 1024
    parts = [order[at : at + step] for at in range(0, len(order), step)]
    seconds = statistics.median(seconds_of(lambda: [model._features(part) for part in parts], run.device, 2))
    lengths = model.encode_counted(order[: len(order)])[1]
    assert lengths is not None
    tokens = int(lengths[1].sum())
    layers = [weights for name, weights in model.model[0].named_parameters() if ".layer." in name]
    operations = 2 * sum(weights.numel() for weights in layers) * tokens
    speed = run.figures.content["ours, bf16"]
    about = {"tokenising alone": seconds, "encoding in all": statistics.median(speed["seconds"]), "tokens": tokens}
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


def variants(model: SentenceTransformerEncoder, run: Run) -> None:
    """Write the speed with padding where texts are joined without it, and with torch.compile."""
    run.figures.add("texts are joined without padding, bf16", model.is_joined)
    is_joined = model.is_joined
    model.is_joined = False
    run.record("ours, bf16, padded", partial(encode, model), REPEATS)
    torch.backends.cuda.enable_cudnn_sdp(True)
    run.record("ours, bf16, padded, cuDNN's attention", partial(encode, model))
    torch.backends.cuda.enable_cudnn_sdp(False)
    model.is_joined = is_joined
    if run.device == "cuda":
        layers = model.model[0].model.encoder.layer
        for layer in layers:
            layer.compile(dynamic=True)
        run.record("ours, bf16, torch.compile: the first time", lambda texts: encode(model, texts[:4000]))
        run.record("ours, bf16, torch.compile", partial(encode, model), REPEATS)
        for layer in layers:
            layer._compiled_call_impl = None


def main() -> None:
    """Measure and write."""
    args = parse(__doc__).parse_args()
    device, size, n = ("cpu", "tiny", 300) if args.rehearse else ("cuda", "e5-small", 20_000)
    figures = Figures("encode", args.out, device)
    with tempfile.TemporaryDirectory() as name:
        folder = encoder(Path(name), size)
        run = Run(n, device, figures)
        few = list(run.texts[:: max(1, n // 300)])
        model = measure(folder, "bf16", run)
        phases(model, run)
        there = measure(folder, "fp32", run)
        here = open_ours(folder, "cpu", "fp32")
        apart = float(np.abs(encode(there, few) - encode(here, few)).max())
        figures.add("fp32, this device against the CPU: greatest difference", apart)
        variants(model, run)


if __name__ == "__main__":
    main()
