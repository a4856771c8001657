"""Batches of prompts that are halved where a device has too little memory."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import make_model

from utils.answers import ScoreSettings
from utils.errors import UserError
from utils.generators import causal_scoring, transformers_model
from utils.generators.batches import BatchLimits, Size, in_batches
from utils.generators.label_scoring import score_labels
from utils.generators.transformers_model import LanguageModel
from utils.generators.tree_support import TreeSupport
from utils.generators.tries import Tokenized
from utils.loaders import TRANSFORMERS
from utils.schema import GeneratorSpec


class Lengths:
    """Texts that need their tokens and no logits."""

    def prepare(self, texts: Sequence[Tokenized]) -> list[Size]:
        return [Size(text.longest) for text in texts]


def test_a_batch_has_as_many_tokens_and_rows_of_logits_as_its_limits_allow() -> None:
    def batches(sizes: list[Size]) -> list[list[int]]:
        found: list[list[int]] = []
        list(in_batches(lambda chosen: found.append(chosen) or chosen, range(len(sizes)), sizes, BatchLimits(100, 8)))
        return found

    assert batches([Size(40), Size(30), Size(30)]) == [[0, 1], [2]]
    assert batches([Size(20, 3)] * 5) == [[0, 1], [2, 3], [4]]
    assert batches([Size(200, 1), Size(20, 9), Size(20, 9), Size(20, 1), Size(1, 7)]) == [[0], [1], [2], [3, 4]]


def test_out_of_memory_halves_the_batch(capsys: Any) -> None:
    texts = [Tokenized((1,) * length, ((2, 3),), (0,)) for length in (30, 10, 20, 40)]
    sizes: list[int] = []

    class Tight(Lengths):
        def __call__(self, batch: Sequence[Tokenized]) -> list[Any]:
            sizes.append(len(batch))
            if len(batch) > 1:
                raise torch.OutOfMemoryError
            return [[[float(len(text.prompt))]] for text in batch]

    found = dict(score_labels(Tight(), texts, BatchLimits(1000, 100)))
    assert found == {0: [[30.0]], 1: [[10.0]], 2: [[20.0]], 3: [[40.0]]}
    assert sizes[0] == 4 and sizes.count(1) == 4
    first, *_ = capsys.readouterr().err.splitlines()
    assert first == "note: out of device memory: a batch of 4 prompts is split in halves"


def test_what_a_batch_had_computed_is_freed_before_a_smaller_one_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[weakref.ref[torch.Tensor]] = []
    freed: list[bool] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: freed.append(held[0]() is None))

    def work(batch: list[int]) -> list[int]:
        computed = torch.ones(len(batch))
        held.append(weakref.ref(computed))
        if len(batch) > 1:
            raise torch.OutOfMemoryError
        return batch

    limits = BatchLimits(20, 1)
    assert list(in_batches(work, [1, 0], [Size(10), Size(10)], limits)) == [(1, 1), (0, 0)]
    assert freed == [True] and limits == BatchLimits(10, 1)


def test_too_little_memory_for_a_probe_is_no_sign_of_the_architecture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    make_model(tmp_path, "llama")
    model = LanguageModel(GeneratorSpec(str(tmp_path), TRANSFORMERS, "base", label="local/tiny"), str(tmp_path), "cpu")
    original = causal_scoring.read_tries

    def with_room_for_one(context: Any, prompts: list[Any], tries: list[Any]) -> Any:
        if len(prompts) > 1:
            raise torch.OutOfMemoryError
        return original(context, prompts, tries)

    monkeypatch.setattr(causal_scoring, "read_tries", with_room_for_one)
    model.model.config.model_type = "an untested family"
    found = dict(model.score(["Input:a", "Input:b"], ["x y", "x z"], ScoreSettings()))
    error = capsys.readouterr().err
    assert sorted(found) == [0, 1] and "split in halves" in error and "forward pass" not in error


def test_out_of_memory_in_a_plain_pass_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_model(tmp_path, "llama")
    model = LanguageModel(GeneratorSpec(str(tmp_path), TRANSFORMERS, "base", label="local/tiny"), str(tmp_path), "cpu")

    def without_memory(*_: Any) -> Any:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(transformers_model, "score_one_by_one", without_memory)
    monkeypatch.setattr(TreeSupport, "covers", lambda self, texts: False)
    with pytest.raises(UserError, match="out of device memory on one prompt"):
        dict(model.score(["Input:a"], ["x y", "x z"], ScoreSettings()))


def test_out_of_memory_on_one_prompt_is_an_error() -> None:
    class Without(Lengths):
        def __call__(self, batch: Sequence[Tokenized]) -> list[Any]:
            raise torch.OutOfMemoryError

    with pytest.raises(UserError, match="one prompt of 11 tokens"):
        list(score_labels(Without(), [Tokenized((1,) * 10, ((2,),), (0,))], BatchLimits(1000, 100)))
