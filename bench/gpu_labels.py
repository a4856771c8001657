#!/usr/bin/env python3
"""Label scoring on a GPU: against one forward pass per label and text, and against the prompts' own forward passes.

    python bench/gpu_labels.py --out DIR
    python bench/gpu_labels.py --rehearse

3 and 60 labels behind prompts of 500 tokens, with a decoder of 1B parameters in bfloat16 whose weights are random. The
limit is the forward pass of the prompts alone, in the same batches, without reading any label.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._gpu import Figures, parse, peak_flops, seconds_of, tiles
from bench._lm_eval import unmodified_model
from bench.gpu_models import decoder, sample_texts
from bench.icl import ours, plain_of
from utils.answers import ScoreSettings
from utils.generators.transformers_model import LanguageModel
from utils.generators.tries import Tokenized
from utils.loaders import TRANSFORMERS
from utils.schema import GeneratorSpec

TOKENS = 500  # of a prompt
PLAIN_TEXTS = {3: 16, 60: 2}  # texts that are also scored with one forward pass per label


def prompts_of(model: LanguageModel, n: int, n_tokens: int) -> list[str]:
    """Return prompts of this many tokens or slightly fewer, which begin differently."""
    texts = sample_texts()
    found = []
    for number in range(n):
        words = " ".join(texts[(number * 7 + place) % len(texts)] for place in range(40)).split()
        low, high = 1, len(words)
        while low < high:  # the most words that fit
            middle = (low + high + 1) // 2
            fits = len(model.reader.prompt_ids([" ".join(words[:middle])])[0]) <= n_tokens
            low, high = (middle, high) if fits else (low, middle - 1)
        found.append(" ".join(words[:low]))
    return found


def labels_of(n: int) -> list[str]:
    """Return n labels of one or two words that share beginnings, as the names of intents do."""
    words = sorted({word for text in sample_texts() for word in text.split() if word.isalpha() and word.isascii()})
    return [f"{words[place // 4]} {words[-1 - place % 7]}" if n > 9 else words[place * 11] for place in range(n)]


def load(folder: Path, device: str, dtype: str) -> LanguageModel:
    """Return the suite's generator of a folder."""
    spec = GeneratorSpec(str(folder), TRANSFORMERS, "base", dtype=dtype, label="local")
    return LanguageModel(spec, str(folder), device)


def limit(model: LanguageModel, prompts: Sequence[str]) -> None:
    """Compute the prompts alone, as many at once as `ours` does."""
    ids = torch.tensor(_cut(model.reader.prompt_ids(prompts)), device=model.model.device)
    with torch.inference_mode():
        for part in tiles(ids, max(1, model.limits.tokens // ids.shape[1])):
            model.model(input_ids=part, logits_to_keep=1, use_cache=False)


def tokens_of(model: LanguageModel, prompts: Sequence[str], labels: Sequence[str]) -> list[Tokenized]:
    """Return the tokens of prompts with labels."""
    return model.reader.with_labels(prompts, labels, ScoreSettings())


def _cut(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    shortest = min(map(len, rows))
    return [list(row[:shortest]) for row in rows]


def measure(model: LanguageModel, plain: Any, n_labels: int, prompts: Sequence[str], figures: Figures) -> None:
    """Write the seconds of a text by each method, and how far the log-likelihoods are apart."""
    device, labels = str(model.device), labels_of(n_labels)
    few = prompts[: PLAIN_TEXTS[n_labels]]
    seconds = {
        "ours": statistics.median(seconds_of(lambda: ours(model, prompts, labels), device)) / len(prompts),
        "one pass per label": statistics.median(seconds_of(lambda: plain(model, few, labels), device, 1)) / len(few),
        "prompts alone": statistics.median(seconds_of(lambda: limit(model, prompts), device)) / len(prompts),
        "tokenising alone": statistics.median(seconds_of(lambda: tokens_of(model, prompts, labels), device))
        / len(prompts),
    }
    figures.add(f"{n_labels} labels: seconds per text", seconds)
    ratios = {f"{name} / ours": value / seconds["ours"] for name, value in seconds.items() if name != "ours"}
    figures.add(f"{n_labels} labels: ratios", ratios)
    pairs = zip(ours(model, few, labels), plain(model, few, labels), strict=True)
    figures.add(
        f"{n_labels} labels: greatest difference", max(abs(a - b) for x, y in pairs for a, b in zip(x, y, strict=True))
    )


def same_as_cpu(folder: Path, figures: Figures) -> None:
    """Write how far a small model's log-likelihoods on the GPU are from those on the CPU, both in float32."""
    here, there = (load(decoder(folder, "tiny", "float32"), device, "fp32") for device in ("cpu", "cuda"))
    prompts, labels = sample_texts()[:50], labels_of(20)
    pairs = zip(ours(here, prompts, labels), ours(there, prompts, labels), strict=True)
    figures.add(
        "fp32, GPU against CPU: greatest difference",
        max(abs(a - b) for x, y in pairs for a, b in zip(x, y, strict=True)),
    )


def batches(model: LanguageModel, prompts: Sequence[str], figures: Figures) -> None:
    """Write the speed for other numbers of tokens in a batch."""
    kept = model.limits.tokens
    for tokens in (4_096, 16_384, 65_536):
        model.limits.tokens = tokens
        middle = statistics.median(seconds_of(lambda: ours(model, prompts, labels_of(3)), str(model.device), 2))
        figures.add(f"3 labels, {tokens} tokens in a batch: seconds per text", middle / len(prompts))
    model.limits.tokens = kept


def main() -> None:
    """Measure and write."""
    args = parse(__doc__).parse_args()
    device, size = ("cpu", "tiny") if args.rehearse else ("cuda", "1b")
    n, n_tokens, dtype = (4, 60, "fp32") if args.rehearse else (260, TOKENS, "bf16")
    figures = Figures("labels", args.out, device)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = decoder(folder, size)
        model = load(checkpoint, device, dtype)
        plain = plain_of(unmodified_model(str(checkpoint), device, dtype))
        prompts = prompts_of(model, n, n_tokens)
        lengths = list(map(len, model.reader.prompt_ids(prompts)))
        figures.add("prompts", {"number": n, "mean tokens": statistics.mean(lengths), "device": device})
        for n_labels in PLAIN_TEXTS:
            measure(model, plain, n_labels, prompts, figures)
        layers = [weights for name, weights in model.model.named_parameters() if ".layers." in name]
        n_parameters = sum(weights.numel() for weights in layers)
        operations = 2 * n_parameters * statistics.mean(lengths)
        share = operations / figures.content["3 labels: seconds per text"]["ours"]
        peak = peak_flops(device, size=256 if args.rehearse else 8192)
        figures.add("share of the peak with 3 labels", share / peak)
        batches(model, prompts, figures)
        if device == "cuda":
            same_as_cpu(folder / "small", figures)


if __name__ == "__main__":
    main()
