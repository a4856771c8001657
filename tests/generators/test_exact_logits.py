"""Scores of labels in half precision, against output layers that compute all logits in float32."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import torch
from tiny_models import SEQ2SEQ, make_model, sample_texts

from utils.answers import LabelScores, ScoreSettings
from utils.api.response_cache import ResponseCache
from utils.files import text_key
from utils.generators.cache import response_settings
from utils.generators.cached import CachedGenerator
from utils.generators.label_scoring import score_one_by_one
from utils.generators.resolve import resolve_local_generator
from utils.generators.transformers_model import LanguageModel
from utils.loaders import TRANSFORMERS
from utils.schema import GeneratorSpec

FAMILIES = ("llama", "gemma3", "cohere", "granite", "bloom", "gpt2", "t5")  # some cap or scale what the layer returns
LETTERS = tuple(string.ascii_uppercase)  # a token each
AFTER: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "gemma3": lambda logits: 5 * torch.tanh(logits / 5),
    "cohere": lambda logits: logits * 0.5,
    "granite": lambda logits: logits / 0.5,
}
PROMPTS = [f"Input:{text[:40]} Prediction:" for text in sample_texts()[:12]]


class States:
    """The states that an output layer was given since, and the logits of tokens by them in float64."""

    def __init__(self, model: LanguageModel, family: str) -> None:
        self.head, self.family, self.given = model.model.get_output_embeddings(), family, list[torch.Tensor]()
        self.head.register_forward_hook(lambda _, given, __: self.given.append(given[0].flatten(0, -2)))

    def logits(self, tokens: Sequence[int]) -> torch.Tensor:
        weight = self.head.weight.double()[list(tokens)]
        found = torch.cat(self.given).double() @ weight.T
        return AFTER.get(self.family, lambda logits: logits)(found)


def load(folder: Path, family: str, dtype: str) -> LanguageModel:
    if not folder.is_dir():
        make_model(folder, family)
    kind = "seq2seq" if family in SEQ2SEQ else "base"
    spec = GeneratorSpec(str(folder), TRANSFORMERS, kind, dtype=dtype, label="local/tiny")
    return LanguageModel(spec, str(folder), "cpu")


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_letters_are_told_apart_as_in_float32(family: str, dtype: str, tmp_path: Path) -> None:
    model = load(tmp_path / "m", family, dtype)
    texts = model.reader.with_labels(PROMPTS, LETTERS, ScoreSettings())
    tokens = [label[0] for label in texts[0].labels]
    list(model.score(PROMPTS[:1], LETTERS, ScoreSettings()))  # families that are not known are probed first
    states = States(model, family)
    scores = [found.logprobs for _, found in model.score(PROMPTS, LETTERS, ScoreSettings())]  # in the order of batches
    check(scores, states.logits(tokens), 5e-6)
    states = States(model, family)
    alone = score_one_by_one(model.model, texts[0])  # a pass for each label
    row = 0 if model.is_seq2seq else len(texts[0].prompt) - 1
    check([alone], states.logits(tokens)[row : row + 1], 5e-6)


def check(logprobs: Sequence[Sequence[Sequence[float]]], logits: torch.Tensor, atol: float) -> None:
    """Log-probabilities of letters differ by what their logits do, and none are equal."""
    found = torch.tensor(logprobs, dtype=torch.float64)[:, :, 0]
    assert found.shape == logits.shape and all(len(row.unique()) == len(LETTERS) for row in found)
    torch.testing.assert_close(found - found[:, :1], logits - logits[:, :1], rtol=0, atol=atol)


def test_logits_of_half_precision_tie(tmp_path: Path) -> None:
    """The model's own output has equal letters in several prompts; the order of the others is the same."""
    model = load(tmp_path / "m", "llama", "bf16")
    texts = model.reader.with_labels(PROMPTS, LETTERS, ScoreSettings())
    tokens = [label[0] for label in texts[0].labels]
    with torch.inference_mode():
        own = torch.stack([model.model(torch.tensor([text.prompt])).logits[0, -1, tokens] for text in texts])
    assert sum(len(row.unique()) < len(LETTERS) for row in own) >= 4
    found = [score_one_by_one(model.model, text) for text in texts]  # in the same passes
    for row, exact in zip(own.double(), torch.tensor(found)[:, :, 0], strict=True):
        later = row[:, None] > row[None, :]
        assert (exact[:, None] > exact[None, :])[later].all()


def test_labels_of_several_tokens_are_as_in_float32_to_the_precision(tmp_path: Path) -> None:
    labels = ("negative", "neutral", "positive", "alarm set", "alarm remove", "é")
    half, full = load(tmp_path / "m", "gemma3", "bf16"), load(tmp_path / "m", "gemma3", "fp32")
    scored = [sorted(model.score(PROMPTS, labels, ScoreSettings())) for model in (half, full)]
    for (_, a), (_, b) in zip(*scored, strict=True):
        assert a.tokens == b.tokens
        for own, exact in zip(a.logprobs, b.logprobs, strict=True):
            assert own == pytest.approx(exact, abs=0.1)


def test_ties_that_an_earlier_version_cached_are_computed_again(tmp_path: Path) -> None:
    make_model(tmp_path / "m", "llama")
    spec = resolve_local_generator(str(tmp_path / "m"), tmp_path, dtype="bf16")
    expected = CachedGenerator(spec, "cpu", tmp_path / "other").score(PROMPTS[:3], ("A", "B"), ScoreSettings())
    how = {"score": {"terminated": False, "legacy": False}, "labels": ["A", "B"]}
    old = ResponseCache(tmp_path, response_settings(spec, how))
    for prompt, values in zip(PROMPTS[:2], ([[-3.5], [-3.5]], [[-3.5], [-3.25]]), strict=True):
        old.keep(text_key(prompt), {"tokens": [[5], [6]], "logprobs": values})
    for counts in ({"hits": 1, "misses": 2}, {"hits": 3, "misses": 0}):
        generator = CachedGenerator(spec, "cpu", tmp_path)
        found = generator.score(PROMPTS[:3], ("A", "B"), ScoreSettings())
        assert generator.counts == counts
        assert (found[0], found[2]) == (expected[0], expected[2])
        assert found[1] == LabelScores(((5,), (6,)), ((-3.5,), (-3.25,)))
