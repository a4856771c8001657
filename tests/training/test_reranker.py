"""A trained reranker is a cross-encoder that the suite takes, with the scores of the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_rerankers import save_cross_encoder

from utils.data.pair_rows import PairRow
from utils.rerankers.cross_encoder import CrossEncoderModel
from utils.rerankers.resolve import resolve_reranker
from utils.training.base import reranker_base
from utils.training.classification import Classifier, load_classifier
from utils.training.folder import TrainingFolder
from utils.training.options import TrainingOptions
from utils.training.pair_examples import PairExamples
from utils.training.reranker import RerankerOptions, pair_loss, train_reranker

ROWS = [
    PairRow("the cat", ["a cat sat", "cats"], ["the dog", "a house"]),
    PairRow("the dog", ["a dog sat there for a long time"], []),
    PairRow("two trees", ["three trees"], ["no tree"]),
]
OPTIONS = TrainingOptions(epochs=2, batch_size=2, learning_rate=1e-3)


def fit(checkpoint: Path, place: Path, name: str, chosen: RerankerOptions, part: int | None = None) -> Classifier:
    import transformers

    transformers.set_seed(1)
    base = reranker_base(str(checkpoint), place / "cache")
    model = load_classifier(base, ["relevance"], None)
    model.model.config.hidden_dropout_prob = 0.0
    for module in model.model.modules():
        if type(module).__name__ == "Dropout":
            module.p = 0.0
    folder = TrainingFolder(place / name, {})
    folder.open(overwrite=False)
    train_reranker(model, PairExamples(ROWS), chosen, OPTIONS, folder, part=part)
    return model


@pytest.mark.parametrize("kind", ["binary", "ranking"])
def test_the_folder_gives_the_scores_of_the_model(kind: str, tmp_path: Path) -> None:
    checkpoint = save_cross_encoder(tmp_path / "base")
    model = fit(checkpoint, tmp_path, "out", RerankerOptions(kind, 2))
    model.save(tmp_path / "saved")
    pairs = [("the cat", "a cat sat"), ("the dog", "no tree")]
    spec = resolve_reranker(str(tmp_path / "saved"), tmp_path / "cache")
    found = [score for _, score in sorted(CrossEncoderModel(spec, "cpu").score(pairs))]
    features = model.tokenizer(*map(list, zip(*pairs, strict=True)), padding=True, return_tensors="pt")
    logits = model.model.eval()(**features).logits.flatten()
    assert found == pytest.approx(logits.sigmoid().tolist(), abs=1e-6)
    as_it_was = CrossEncoderModel(resolve_reranker(str(checkpoint), tmp_path / "cache"), "cpu").score(pairs)
    assert max(abs(found[place] - score) for place, score in as_it_was) > 1e-4
    parts = fit(checkpoint, tmp_path, "parts", RerankerOptions(kind, 2), part=1)
    again = parts.model.eval()(**features).logits.flatten()
    # of the ranking loss only differences count: the gradient of the bias is zero but for rounding
    assert float(again[0] - again[1]) == pytest.approx(float(logits[0] - logits[1]), abs=2e-5)


def test_the_losses_by_hand() -> None:
    import torch

    scores, rows = torch.tensor([1.0, 0.0, 2.0, -1.0]), torch.tensor([0, 1, 0, 1])
    by_row = [np.log(1 + np.exp(1.0)), np.log(1 + np.exp(-1.0))]  # the negatives are above by 1 and below by 1
    assert float(pair_loss(scores, rows, 2, "ranking")) == pytest.approx(np.mean(by_row), rel=1e-6)
    by_pair = [np.log(1 + np.exp(-sign * score)) for sign, score in ((1, 1.0), (1, 0.0), (-1, 2.0), (-1, -1.0))]
    assert float(pair_loss(scores, rows, 2, "binary")) == pytest.approx(np.mean(by_pair), rel=1e-6)


def test_a_row_without_negatives_gets_documents_that_do_not_answer_it() -> None:
    rows = [PairRow("q", ["a"], []), PairRow("Q", ["b"], []), PairRow("r", ["c", "q"], []), PairRow("s", ["d"], [])]
    examples = PairExamples(rows)
    names = [{examples.texts[place] for place in examples.others(0, epoch, 0, 9)} for epoch in range(5)]
    assert names == [{"c", "d"}] * 5
    assert len(examples.others(0, 0, 0, 1)) == 1
