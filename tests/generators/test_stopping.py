"""Where generated answers end, found in their last tokens as in the whole answer, and samples of each prompt."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import make_model, train_tokenizer

from utils.answers import GenerationSettings
from utils.generators.batches import BatchLimits
from utils.generators.sampling import Sampling
from utils.generators.stopping import StopTexts
from utils.generators.transformers_model import LanguageModel
from utils.loaders import TRANSFORMERS
from utils.schema import GeneratorSpec

PIECES = (" ", "\n", "a", "x", "」", "é", "\n\n", '"', "दिन", " x", "🙂", "ab ", "##")
ENDS = (("\n",), ("」",), ("\n\n", '"'), (" x",), ("🙂a",), ("##",))


def byte_fallback() -> Any:
    """A tokenizer as those of Llama and Gemma: what is no piece is written as bytes, which are decoded in runs."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    words = ["<unk>", "<eos>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "b", "x", "é", "#"]
    model = models.BPE({word: place for place, word in enumerate(words)}, [], byte_fallback=True, unk_token="<unk>")
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Replace(" ", "▁")  # type: ignore[assignment]
    steps: list[Any] = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(steps)  # type: ignore[assignment]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<eos>")


@pytest.mark.parametrize("kind", ["byte-level", "byte fallback"])
def test_an_answer_ends_where_it_does_in_its_whole_text(kind: str) -> None:
    tokenizer = train_tokenizer(bos=False) if kind == "byte-level" else byte_fallback()
    special = {place for place, token in tokenizer.added_tokens_decoder.items() if token.special}
    n_decoded = [0]

    def decode(rows: list[list[int]]) -> list[str]:
        n_decoded[0] += sum(map(len, rows))
        return list(tokenizer.batch_decode(rows, skip_special_tokens=True))

    rng, stopped = random.Random(1), 0
    for _ in range(200):
        ends = rng.choice(ENDS)
        rows = [tokenizer("".join(rng.choices(PIECES, k=12)), add_special_tokens=False)["input_ids"] for _ in range(3)]
        length = min(map(len, rows))
        ids = torch.tensor([[7, 7, *row[:length]] for row in rows])  # two tokens of a prompt
        criterion = StopTexts(decode, ends, 2, special)
        is_over = [False] * len(rows)
        for n in range(1, length + 1):
            texts = tokenizer.batch_decode([row[:n] for row in rows], skip_special_tokens=True)
            found = [any(end in text.lstrip() for end in ends) for text in texts]
            is_over = [before or now for before, now in zip(is_over, found, strict=True)]
            assert criterion(ids[:, : 2 + n], None).tolist() == is_over, (ends, texts)
        stopped += sum(is_over)
    assert stopped > 100


def test_a_long_answer_is_not_decoded_at_each_step() -> None:
    tokenizer, n_decoded = train_tokenizer(bos=False), 0

    def decode(rows: list[list[int]]) -> list[str]:
        nonlocal n_decoded
        n_decoded += sum(map(len, rows))
        return list(tokenizer.batch_decode(rows, skip_special_tokens=True))

    (a,) = tokenizer("a", add_special_tokens=False)["input_ids"]
    criterion = StopTexts(decode, ("\n",), 0, {0, 1, 2})
    for n in range(1, 301):
        assert not criterion(torch.full((2, n), a), None).any()
    assert n_decoded <= 2 * 300 * 5  # a byte and four tokens more, of each of two answers


class Drawn:
    """The samples of tokens with these scores, for many prompts at once."""

    def __init__(self, scores: Sequence[float], settings: GenerationSettings, n: int) -> None:
        steps = Sampling(settings, [[place] for place in range(n)], "cpu")
        tokens = steps(torch.zeros(n, 1, dtype=torch.long), torch.tensor([list(scores)]).repeat(n, 1)).argmax(1)
        self.shares = (torch.bincount(tokens, minlength=len(scores)) / n).tolist()


def test_samples_have_the_probabilities_of_the_scores_and_their_limits() -> None:
    scores = [float(torch.tensor(p).log()) for p in (0.5, 0.3, 0.15, 0.05)]
    plain = Drawn(scores, GenerationSettings(1, 1.0, 3), 4000).shares
    assert plain == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)  # four standard deviations
    two = Drawn(scores, GenerationSettings(1, 1.0, 3, top_k=2), 4000).shares
    assert two == pytest.approx([0.625, 0.375, 0, 0], abs=0.03)
    most = Drawn(scores, GenerationSettings(1, 1.0, 3, top_p=0.9), 4000).shares
    assert most == pytest.approx([0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0], abs=0.03)
    cold = Drawn(scores, GenerationSettings(1, 0.5, 3), 4000).shares  # squares of the probabilities: 0.365 in all
    assert cold == pytest.approx([0.25 / 0.365, 0.09 / 0.365, 0.0225 / 0.365, 0.0025 / 0.365], abs=0.03)


def test_a_sample_depends_on_its_prompt_and_seed_and_not_on_the_batch(tmp_path: Path) -> None:
    make_model(tmp_path, "llama")
    model = LanguageModel(GeneratorSpec(str(tmp_path), TRANSFORMERS, "base", label="local/tiny"), str(tmp_path), "cpu")
    prompts, how = ["one two", "three", "Input: the sea", "one"], GenerationSettings(8, 0.9, 5, 0.95, 40, stop=("§",))
    together = dict(model.generate(prompts, how))
    model.writing = BatchLimits(1, 1)
    assert dict(model.generate(prompts, how)) == together
    assert dict(model.generate(prompts[2:], how)) == {0: together[2], 1: together[3]}
    assert dict(model.generate(prompts, GenerationSettings(8, 0.9, 6, 0.95, 40, stop=("§",)))) != together
