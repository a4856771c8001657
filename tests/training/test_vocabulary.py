"""A training with the embeddings of the data's tokens only gives the weights of a training with all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_encoders import make_masked_lm

from utils.training import light_model
from utils.training.base import Base
from utils.training.classification import Labelled, load_classifier, train_classifier
from utils.training.folder import TrainingFolder
from utils.training.options import TrainingOptions
from utils.training.vocabulary import CompactVocabulary

TEXTS = ["one two", "three four five", "two two", "five one three", "four", "one five"]
LABELS = [0, 1, 0, 1, 1, 0]
OPTIONS = TrainingOptions(epochs=2, batch_size=2, learning_rate=1e-2, weight_decay=0.1, patience=2)


def test_the_numbers_of_tokens() -> None:
    vocabulary = CompactVocabulary.of([np.array([7, 300]), np.array([12])], special=[0, 2, 250], n_tokens=400)
    assert vocabulary.ids.tolist() == [0, 1, 2, 7, 12, 250, 300]
    assert vocabulary.compact(np.array([2, 300, 12, 7])).tolist() == [2, 6, 4, 3]


def trained_weights(checkpoint: Path, output: Path, options: TrainingOptions = OPTIONS) -> dict[str, Any]:
    import transformers

    transformers.set_seed(1)
    classifier = load_classifier(Base("tiny", str(checkpoint), None, "", "", None), ["a", "b"], None)
    folder = TrainingFolder(output, {"options": options.identity()})
    folder.open(overwrite=False)
    data = Labelled(TEXTS, LABELS)
    trained = train_classifier(classifier, data, data, options, folder)
    assert trained.n_steps == 6
    return {name: value.numpy() for name, value in classifier.model.state_dict().items()}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_masked_lm(tmp_path_factory.mktemp("encoder"))


def test_the_weights_are_those_of_a_training_with_all_tokens(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = trained_weights(checkpoint, tmp_path / "compact")
    monkeypatch.setattr(light_model, "can_be_compact", lambda model: False)
    expected = trained_weights(checkpoint, tmp_path / "full")
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-6, err_msg=name)
    table = next(name for name in expected if name.endswith("word_embeddings.weight"))
    assert len(found[table]) > len(CompactVocabulary.of([], [], 10).ids)


def test_the_same_command_gives_the_same_bits(checkpoint: Path, tmp_path: Path) -> None:
    first, second = (trained_weights(checkpoint, tmp_path / name) for name in ("a", "b"))
    assert all(np.array_equal(first[name], second[name]) for name in first)
