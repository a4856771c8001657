"""Batches of prompts that are halved where a device has too little memory."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch

from utils.errors import UserError
from utils.generators.batches import BatchLimits, in_batches
from utils.generators.label_scoring import score_labels
from utils.generators.tries import Tokenized


def test_out_of_memory_halves_the_batch(capsys: Any) -> None:
    texts = [Tokenized((1,) * length, ((2, 3),), (0,)) for length in (30, 10, 20, 40)]
    sizes: list[int] = []

    def score_batch(batch: list[Tokenized]) -> list[Any]:
        sizes.append(len(batch))
        if len(batch) > 1:
            raise torch.OutOfMemoryError
        return [[[float(len(text.prompt))]] for text in batch]

    found = dict(score_labels(score_batch, texts, BatchLimits(1000, 100)))
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
    assert list(in_batches(work, [1, 0], [10, 10], limits)) == [(1, 1), (0, 0)]
    assert freed == [True] and limits == BatchLimits(10, 1)


def test_out_of_memory_on_one_prompt_is_an_error() -> None:
    def score_batch(batch: list[Tokenized]) -> list[Any]:
        raise torch.OutOfMemoryError

    with pytest.raises(UserError, match="one prompt of 11 tokens"):
        list(score_labels(score_batch, [Tokenized((1,) * 10, ((2,),), (0,))], BatchLimits(1000, 100)))
