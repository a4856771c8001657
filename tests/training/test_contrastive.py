"""Contrastive training: the losses of sentence-transformers, and folders that give the vectors of the model."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_encoders import SMALL, bert_config, embed, make_encoder

from utils.data.pair_rows import PairRow
from utils.training import contrastive, losses
from utils.training.base import Base, encoder_base
from utils.training.contrastive import ContrastiveOptions, train_embedder
from utils.training.embedder import Embedder, load_embedder
from utils.training.folder import TrainingFolder
from utils.training.losses import Sides
from utils.training.options import LoraOptions, TrainingOptions
from utils.training.pair_examples import PairExamples, SeededBatches, items_of

ROWS = [
    PairRow("the cat", ["a cat sat", "cats"], ["the dog", "a house"]),
    PairRow("the dog", ["a dog sat there for a long time", "dogs"], ["the cat sat", "two trees"]),
    PairRow("two trees", ["three trees"], ["no tree", "a wood"]),
    PairRow("a house", ["houses"], ["the roof", "a wall"]),
    PairRow("rain", ["it rains"], ["sun", "snow"]),
]
OPTIONS = TrainingOptions(epochs=2, batch_size=3, learning_rate=1e-3, weight_decay=0.1)
NAMED = ContrastiveOptions(prompt="query: ", passage_prompt="passage: ", max_negatives=2)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("encoder"), bert_config())


def load(checkpoint: Path, cache: Path, **options: str) -> tuple[Base, Embedder]:
    base = encoder_base(str(checkpoint), cache, sides=True, **options)  # type: ignore[arg-type]
    assert base.spec is not None
    return base, load_embedder(base, base.spec, "cpu")


def fit(
    checkpoint: Path,
    place: Path,
    chosen: ContrastiveOptions = NAMED,
    options: TrainingOptions = OPTIONS,
    name: str = "out",
    **more: Any,
) -> Embedder:
    import transformers

    transformers.set_seed(1)
    _, embedder = load(checkpoint, place / "cache")
    folder = TrainingFolder(place / name, {"options": options.identity()})
    folder.open(overwrite=False)
    train_embedder(embedder, PairExamples(ROWS), chosen, options, folder, **more)
    return embedder


def weights(embedder: Embedder) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in embedder.model.state_dict().items()}


def random_sides(n: int = 4, n_negatives: int = 2, size: int = 8) -> Sides:
    import torch

    torch.manual_seed(0)
    owners = torch.cat([torch.arange(n), torch.arange(n).repeat_interleave(n_negatives)])
    vectors = torch.randn(n, size), torch.randn(n * (1 + n_negatives), size)
    return Sides(*vectors, owners, torch.ones(n, len(owners), dtype=torch.bool), torch.randn(n, size))


def their_columns(sides: Sides) -> list[Any]:
    """The vectors as columns of the library: query, positive, first negative, second negative."""
    n = len(sides.queries)
    negatives = sides.documents[n:].reshape(n, -1, sides.documents.shape[1])
    return [sides.queries, sides.documents[:n], *negatives.unbind(dim=1)]


def test_the_losses_are_those_of_the_library(checkpoint: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import losses as theirs

    model, sides = SentenceTransformer(str(checkpoint)), random_sides()
    columns = their_columns(sides)
    both = theirs.MultipleNegativesRankingLoss(
        model, scale=50, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"
    )
    plain = theirs.MultipleNegativesRankingLoss(model, scale=50)
    cosine = theirs.TripletLoss(model, theirs.TripletDistanceMetric.COSINE, triplet_margin=0.3)
    mse = theirs.MSELoss(model)
    found = {
        "ranking": (losses.ranking(sides, 0.02), plain.compute_loss_from_embeddings(columns, None)),
        "symmetric": (losses.ranking(sides, 0.02, symmetric=True), both.compute_loss_from_embeddings(columns, None)),
        "triplet": (
            losses.triplet(sides, 0.3),
            sum(cosine.compute_loss_from_embeddings([*columns[:2], each], None) for each in columns[2:]) / 2,
        ),
        "distillation": (
            losses.distillation(sides),
            mse.compute_loss_from_embeddings(columns[:2], [sides.teachers] * 2),
        ),
    }
    for name, (ours, expected) in found.items():
        assert float(ours) == pytest.approx(float(expected), rel=1e-6), name


def test_matryoshka_is_the_sum_over_the_first_dimensions() -> None:
    sides = random_sides()
    loss = ContrastiveOptions(matryoshka=(8, 4)).make()
    cut = Sides(sides.queries[:, :4], sides.documents[:, :4], sides.owners, sides.allowed)
    assert float(loss(sides)) == pytest.approx(float(losses.ranking(sides, 0.02) + losses.ranking(cut, 0.02)), rel=1e-6)


def test_a_positive_is_never_a_negative() -> None:
    rows = [
        PairRow("q1", ["Answer  one"], ["bad"]),
        PairRow("Q1", ["answer two"], ["ANSWER ONE", "worse"]),  # the same query: it has two answers
        PairRow("q2", ["q1"], [], "a"),  # the document is the first query itself
        PairRow("q3", ["other"], ["worst"], "a"),
    ]
    examples = PairExamples(rows)
    batch = examples.batch([examples.drawn(row, 0, 0, 7) for row in range(4)])
    assert [examples.texts[place] for place in batch.documents] == [
        *("Answer  one", "answer two", "q1", "other"),
        *("bad", "ANSWER ONE", "worse", "worst"),
    ]
    assert batch.owners.tolist() == [0, 1, 2, 3, 0, 1, 1, 3]
    assert batch.allowed.astype(int).tolist() == [
        [1, 0, 0, 1, 1, 0, 1, 1],
        [0, 1, 0, 1, 1, 0, 1, 1],
        [1, 1, 1, 0, 1, 1, 1, 0],  # the group's other row is no negative
        [1, 1, 0, 1, 1, 1, 1, 1],  # but a row's own negatives are
    ]


def test_positives_and_negatives_are_drawn_anew_in_each_epoch() -> None:
    examples = PairExamples([PairRow("q", ["a", "b", "c"], ["d", "e", "f", "g"])])
    drawn = [examples.drawn(0, epoch, 3, 2) for epoch in range(20)]
    assert drawn == [examples.drawn(0, epoch, 3, 2) for epoch in range(20)]
    assert {row.pos for row in drawn} == {0, 1, 2}
    assert {place for row in drawn for place in row.neg} == {3, 4, 5, 6}
    assert all(len(set(row.neg)) == 2 for row in drawn)


def test_an_epoch_has_every_row_once() -> None:
    batches = SeededBatches(7, 3, 0)
    first = [list(batch) for batch in batches]
    assert [len(batch) for batch in first] == [3, 3, 1] and len(batches) == 3
    assert sorted(row for batch in first for row, _ in batch) == list(range(7))
    assert [list(batch) for batch in batches] == first
    batches.set_epoch(1)
    assert [[row for row, _ in batch] for batch in batches] != [[row for row, _ in batch] for batch in first]


def test_cached_gradients_give_the_same_weights(tmp_path: Path) -> None:
    plain = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}  # the parts draw others
    checkpoint = make_encoder(tmp_path / "plain", bert_config(**plain))
    whole = weights(fit(checkpoint, tmp_path))
    parts = weights(fit(checkpoint, tmp_path, name="parts", part=2))
    before = weights(load(checkpoint, tmp_path / "cache")[1])
    for name in whole:
        if not name.endswith("key.bias"):  # its gradient is zero but for rounding, which Adam makes a step of
            np.testing.assert_allclose(parts[name], whole[name], rtol=0, atol=5e-6, err_msg=name)
    assert any(np.abs(whole[name] - before[name]).max() > 1e-3 for name in whole)


def test_the_folder_gives_the_vectors_of_the_model(checkpoint: Path, tmp_path: Path) -> None:
    texts = ["the cat sat", "rain"]
    embedder = fit(checkpoint, tmp_path, options=TrainingOptions(epochs=1, batch_size=3, learning_rate=1e-3))
    embedder.save(tmp_path / "saved", "query: ", "passage: ")
    embedder.model.eval()
    found = embed(tmp_path / "saved", tmp_path / "cache", texts)
    expected = embedder.model.encode(texts)  # with the prompt
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    base = encoder_base(str(tmp_path / "saved"), tmp_path / "cache", sides=True)
    assert (base.prompt, base.passage_prompt) == ("query: ", "passage: ")


def test_the_folder_reads_texts_as_long_as_the_checkpoint_does(checkpoint: Path, tmp_path: Path) -> None:
    base = encoder_base(str(checkpoint), tmp_path / "cache", sides=True)
    assert base.spec is not None
    embedder = load_embedder(base, dataclasses.replace(base.spec, max_length=12), "cpu")
    assert [len(ids) for ids in embedder.tokens(["x" * 40, "x"], "")] == [12, 3]
    embedder.save(tmp_path / "saved", "", None)
    again = load(tmp_path / "saved", tmp_path / "cache")[1]
    assert again.limit == load(checkpoint, tmp_path / "cache")[1].limit == 512
    assert [len(ids) for ids in again.tokens(["x" * 40], "")] == [42]


def test_a_decoder_keeps_its_pooling_and_its_attention(tmp_path: Path) -> None:
    from transformers import LlamaConfig

    sizes = {name: SMALL[name] for name in ("hidden_size", "num_hidden_layers", "num_attention_heads")}
    config = LlamaConfig(vocab_size=260, intermediate_size=48, **sizes)
    decoder = make_encoder(tmp_path / "decoder", config)
    _, embedder = load(decoder, tmp_path / "cache", pooling="last", attention="bidirectional")
    folder = TrainingFolder(tmp_path / "out", {})
    folder.open(overwrite=False)
    lora = LoraOptions(rank=2, dropout=0.0)
    options = TrainingOptions(epochs=1, batch_size=3, learning_rate=1e-2, lora=lora)
    train_embedder(embedder, PairExamples(ROWS), NAMED, options, folder)
    embedder.save(tmp_path / "saved", "", None)
    embedder.model.eval()
    texts = ["the cat sat", "rain"]
    found = embed(tmp_path / "saved", tmp_path / "cache", texts)
    np.testing.assert_allclose(found, embedder.model.encode(texts), rtol=0, atol=1e-6)
    as_it_was = embed(decoder, tmp_path / "cache", texts, pooling="last", attention="bidirectional")
    causal = embed(tmp_path / "saved", tmp_path / "cache", texts, attention="causal")
    assert np.abs(found - as_it_was).max() > 1e-3 and np.abs(found - causal).max() > 1e-3


def test_rows_held_out_choose_the_weights(checkpoint: Path, tmp_path: Path) -> None:
    """Of rows whose pairs contradict those of the training, the loss only grows: the first checkpoint is the best."""
    wrong = PairExamples([PairRow(row.query, [ROWS[place - 1].pos[0]], []) for place, row in enumerate(ROWS)])
    options = dataclasses.replace(OPTIONS, epochs=30, learning_rate=3e-3, patience=1)
    folder = TrainingFolder(tmp_path / "out", {})
    folder.open(overwrite=False)
    embedder = load(checkpoint, tmp_path / "cache")[1]
    trained = train_embedder(embedder, PairExamples(ROWS), NAMED, options, folder, held_out=wrong)
    losses = [point["eval_loss"] for point in trained.history if "eval_loss" in point]
    assert trained.n_steps < 60 and trained.trainer.state.best_metric == min(losses)
    vectors = [
        embedder.embed(embedder.model.eval(), embedder.tokens(texts, prompt)).detach()
        for texts, prompt in ((wrong.query_texts, "query: "), (wrong.texts, "passage: "))
    ]
    parts = slice(0, 3), slice(3, 5)  # batches of three
    by_hand = [
        float(losses_of(vectors[0][part], vectors[1][part])) * (part.stop - part.start) / len(ROWS) for part in parts
    ]
    assert sum(by_hand) == pytest.approx(min(losses), abs=1e-5)


def losses_of(queries: Any, documents: Any) -> Any:
    import torch

    n = len(queries)
    return losses.ranking(Sides(queries, documents, torch.arange(n), torch.ones(n, n, dtype=torch.bool)), 0.02)


def test_rows_about_one_thing_are_one_item() -> None:
    rows = [
        PairRow("q1", ["a"], ["z"]),
        PairRow("q2", ["b"], ["z"], "g"),  # a negative that two rows have joins none
        PairRow("Q1 ", ["c"], []),  # the query of the first row
        PairRow("q3", ["d"], [], "g"),  # the group of the second
        PairRow("c", ["e"], []),  # the positive of the third
    ]
    assert items_of(rows) == ["0", "1", "0", "1", "0"]


def test_a_student_comes_nearer_to_its_teacher(checkpoint: Path, tmp_path: Path) -> None:
    teachers = np.random.default_rng(0).normal(size=(len(ROWS), 32)).astype(np.float32)
    chosen = ContrastiveOptions(loss="distillation")
    folder = TrainingFolder(tmp_path / "out", {})
    folder.open(overwrite=False)
    options = TrainingOptions(epochs=10, batch_size=5, learning_rate=3e-3)
    embedder = load(checkpoint, tmp_path / "cache")[1]
    trained = train_embedder(embedder, PairExamples(ROWS), chosen, options, folder, teach=lambda texts: teachers)
    curve = [point["loss"] for point in trained.history if "loss" in point]
    assert curve[-1] < 0.8 * curve[0]


class Killed(BaseException):
    pass


def test_a_training_that_was_killed_goes_on_to_the_same_bits(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = weights(fit(checkpoint, tmp_path))
    made = contrastive.losses.ranking
    left = [3]

    def killed(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return made(*args, **kwargs)

    monkeypatch.setattr(contrastive.losses, "ranking", killed)
    with pytest.raises(Killed):
        fit(checkpoint, tmp_path, name="killed")
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "killed/checkpoints").iterdir()] == ["checkpoint-3"]
    again = weights(fit(checkpoint, tmp_path, name="killed"))
    assert all(np.array_equal(whole[name], again[name]) for name in whole)
