"""A training that does not fit into memory takes smaller parts, with the weights of one that did from the start."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_encoders import make_masked_lm

from utils.errors import UserError, is_disk_full
from utils.training import classification, loop
from utils.training.base import Base
from utils.training.classification import Labelled, load_classifier, train_classifier
from utils.training.folder import TrainingFolder
from utils.training.memory import memory_line, parameters_of, steps_line
from utils.training.options import TrainingOptions

DATA = Labelled(["one two", "three four five", "two two", "five one three", "four", "one five"] * 2, [0, 1] * 6)
OPTIONS = TrainingOptions(epochs=2, batch_size=4, learning_rate=1e-2, patience=2)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_masked_lm(tmp_path_factory.mktemp("encoder"))


def limited(limit: int, from_step: int) -> Any:
    """A guarded trainer on a device that has no memory for more than `limit` texts from some step on."""
    guarded = loop.guarded

    def make(trainer_class: type[Any]) -> type[Any]:
        class Limited(guarded(trainer_class)):  # type: ignore[misc]  # the base is known when it runs
            def training_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
                import torch

                if len(inputs["labels"]) > limit and self.state.global_step >= from_step:
                    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
                return super().training_step(model, inputs, *args, **kwargs)

        return Limited

    return make


def trained(checkpoint: Path, folder: Path) -> tuple[Any, dict[str, Any]]:
    import transformers

    transformers.set_seed(1)
    classifier = load_classifier(Base("tiny", str(checkpoint), None, "", "", None), ["a", "b"], None)
    place = TrainingFolder(folder, {})
    place.open(overwrite=False)
    found = train_classifier(classifier, DATA, DATA, OPTIONS, place)
    return found, {name: value.numpy() for name, value in classifier.model.state_dict().items()}


def test_parts_are_halved_and_the_steps_stay(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(classification, "guarded", limited(1, from_step=0))
    small, expected = trained(checkpoint, tmp_path / "first")
    assert (small.part, small.n_steps) == (1, 6)
    told = capsys.readouterr().err
    assert "out of memory with 4 examples at once; going on with 2" in told and "with 2 examples" in told
    monkeypatch.setattr(classification, "guarded", limited(1, from_step=2))  # after steps, before a checkpoint
    late, found = trained(checkpoint, tmp_path / "later")
    assert (late.part, late.n_steps) == (1, 6)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_parts_divide_a_batch() -> None:
    """Nine examples in parts of four would be steps over twelve."""
    assert [loop._half(part, 9, MemoryError()) for part in (9, 3)] == [3, 1]
    assert [loop._half(part, 10, MemoryError()) for part in (10, 5, 2)] == [5, 2, 1]


def test_one_example_that_does_not_fit_is_an_error(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classification, "guarded", limited(0, from_step=0))
    with pytest.raises(UserError, match="one example does not fit into the memory"):
        trained(checkpoint, tmp_path / "none")


def test_what_a_training_takes(checkpoint: Path) -> None:
    import transformers

    model = transformers.AutoModelForMaskedLM.from_pretrained(checkpoint)
    count = sum(part.numel() for part in model.parameters())
    assert parameters_of(checkpoint) == count
    assert parameters_of(checkpoint / "none") is None
    assert "not known before" in memory_line(Base("tiny", "hub/id", "1", "1", "", None), OPTIONS)
    assert (
        steps_line(9, dataclasses.replace(OPTIONS, epochs=0.75, patience=None)) == "steps: 3 (3 an epoch, 0.75 epochs)"
    )
    assert steps_line(9, OPTIONS) == "steps: 6 (3 an epoch, 2 epochs), fewer where 2 epochs bring nothing better"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
@pytest.mark.parametrize("size", [9, 50_000])
def test_a_checkpoint_that_the_disk_has_no_space_for(size: int) -> None:
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.save({"weights": torch.zeros(size)}, "/dev/full")
    assert is_disk_full(caught.value)
