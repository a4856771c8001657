"""Answers that leave a batch when they have ended, against those of each prompt alone."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from tiny_models import make_model, sample_texts

from utils.answers import GenerationSettings
from utils.generators.batches import BatchLimits
from utils.generators.transformers_model import LanguageModel
from utils.loaders import TRANSFORMERS
from utils.schema import GeneratorSpec

PROMPTS = sample_texts()[:24]
STOPS = ("e", "1", "ا")


class Counted:
    """A model whose forward passes are counted: the rows of each."""

    def __init__(self, folder: Path, family: str) -> None:
        make_model(folder, family)
        kind = "seq2seq" if family == "t5" else "base"
        self.model = LanguageModel(GeneratorSpec(str(folder), TRANSFORMERS, kind, label="local/x"), str(folder), "cpu")
        self.rows: list[int] = []
        self.model.model.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, _: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        ids = named["decoder_input_ids"] if self.model.is_seq2seq else named["input_ids"]
        self.rows.append(len(ids))

    def answers(self, settings: GenerationSettings, tokens: int) -> tuple[list[str], list[int]]:
        """Return the answers in batches of so many tokens, and the rows of each forward pass."""
        self.model.writing, self.rows = BatchLimits(tokens, 1000), []
        found = dict(self.model.generate(PROMPTS, settings))
        return [found[index] for index in range(len(PROMPTS))], self.rows


@pytest.mark.parametrize("family", ["llama", "gemma3", "mistral", "bloom", "gpt2", "t5"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_answers_of_a_batch_are_those_of_each_prompt_alone(tmp_path: Path, family: str, temperature: float) -> None:
    model = Counted(tmp_path, family)
    settings = GenerationSettings(24, temperature, 3, stop=STOPS)
    together, rows = model.answers(settings, 100_000)
    alone, _ = model.answers(settings, 1)
    assert together == alone
    assert len(set(map(len, together))) > 3  # they end at different places
    assert rows[0] == len(PROMPTS)
    if family != "t5":  # what has ended is not computed further; each answer needs a pass for a token at least
        halves = sorted(set(rows), reverse=True)
        assert len(halves) > 2 or not temperature  # the most probable token may be the same at each step
        assert all(2 * small <= large for large, small in itertools.pairwise(halves))


def test_end_tokens_and_lengths_end_answers_too(tmp_path: Path) -> None:
    model, settings = Counted(tmp_path, "llama"), GenerationSettings(12, 1.0, stop=("\0",))
    unlimited, rows = model.answers(settings, 100_000)
    assert rows == [len(PROMPTS)] * 12
    model.model.model.generation_config.eos_token_id = list(range(2, 200))  # of 700 tokens
    together, rows = model.answers(settings, 100_000)
    assert together == model.answers(settings, 1)[0] != unlimited
    assert sum(rows) < len(PROMPTS) * 12


def test_what_counts_from_the_beginning_of_an_answer_keeps_a_batch_together(tmp_path: Path) -> None:
    model = Counted(tmp_path, "llama")
    model.model.model.generation_config.min_new_tokens = 6
    together, rows = model.answers(GenerationSettings(12, stop=STOPS), 100_000)
    assert set(rows) == {len(PROMPTS)}
    assert together == model.answers(GenerationSettings(12, stop=STOPS), 1)[0]
