"""A training with the embeddings of the data's tokens only gives the weights of a training with all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_encoders import SMALL, bert_config, byte_tokenizer, make_encoder, make_masked_lm

from utils.data.pair_rows import PairRow
from utils.errors import UserError
from utils.training import light_model
from utils.training.base import Base, encoder_base
from utils.training.classification import Classifier, Labelled, load_classifier, train_classifier
from utils.training.contrastive import ContrastiveOptions, train_embedder
from utils.training.embedder import load_embedder
from utils.training.folder import TrainingFolder
from utils.training.options import LoraOptions, TrainingOptions
from utils.training.pair_examples import PairExamples
from utils.training.reranker import RerankerOptions, train_reranker
from utils.training.vocabulary import CompactVocabulary, can_be_compact, named_tokens

TEXTS = ["one two", "three four five", "two two", "five one three", "four", "one five"]
LABELS = [0, 1, 0, 1, 1, 0]
ROWS = [PairRow("one", ["one two"], ["five"]), PairRow("two", ["two two"], ["three"]), PairRow("four", ["a four"], [])]
OPTIONS = TrainingOptions(epochs=2, batch_size=2, learning_rate=1e-2, weight_decay=0.1, patience=2)
UNCHOSEN = dataclasses.replace(OPTIONS, patience=None)  # no checkpoint is chosen by a figure
HIGH = 260  # the number of the padding behind all bytes, as decoders have theirs behind all words
N_TOKENS = 264


def test_the_numbers_of_tokens() -> None:
    vocabulary = CompactVocabulary.of([np.array([7, 300]), np.array([12])], named=[0, 2, 250, 400, -1], n_tokens=400)
    assert vocabulary.ids.tolist() == [0, 2, 7, 12, 250, 300]


def bert_like(name: str) -> Callable[[int | None], Any]:
    def config(padding: int | None) -> Any:
        import transformers

        plain = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "embedding_size": 32}
        sizes = {**SMALL, "vocab_size": N_TOKENS, "max_position_embeddings": 600, "pad_token_id": padding}
        return getattr(transformers, f"{name}Config")(**sizes, **plain)

    return config


def decoder(name: str) -> Callable[[int | None], Any]:
    def config(padding: int | None) -> Any:
        import transformers

        ends = {"pad_token_id": padding, "bos_token_id": 1, "eos_token_id": 2, "vocab_size": N_TOKENS}
        sizes = {key: SMALL[key] for key in SMALL if key not in ends}
        return getattr(transformers, f"{name}Config")(**sizes, **ends, num_key_value_heads=2, head_dim=8)

    return config


def shared(name: str) -> Callable[[int | None], Any]:
    """An encoder whose table belongs to a decoder as well, or to the whole model."""

    def config(padding: int | None) -> Any:
        import transformers

        t5 = {"d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0}
        bart = {"encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "dropout": 0.0}
        bart |= {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
        ends = {"pad_token_id": padding, "eos_token_id": 2, "decoder_start_token_id": 2, "vocab_size": N_TOKENS}
        return getattr(transformers, f"{name}Config")(d_model=32, **(t5 if name == "T5" else bart), **ends)

    return config


FAMILIES = {
    **{name: bert_like(name) for name in ("Bert", "XLMRoberta", "Electra", "RoFormer", "DebertaV2", "MPNet", "Albert")},
    **{name: bert_like(name) for name in ("ModernBert", "BigBird")},
    **{name: decoder(name) for name in ("Llama", "Qwen2", "Qwen3", "Gemma")},
    **{name: shared(name) for name in ("T5", "Bart")},
}


def model_of(config: Any) -> Any:
    import torch
    import transformers

    torch.manual_seed(0)
    kind = transformers.T5EncoderModel if config.model_type == "t5" else transformers.AutoModel
    return (kind(config) if config.model_type == "t5" else kind.from_config(config)).train()


def step(model: Any) -> Any:
    """One step of the optimiser on a padded batch; returns the states of its tokens before it."""
    import torch

    words = torch.tensor([[1, 200, 30, 31, 2], [1, 30, 2, HIGH, HIGH]])
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.5)
    states = model(input_ids=words, attention_mask=mask).last_hidden_state[mask.bool()]
    (states**2).sum().backward()
    optimizer.step()
    return states.detach()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_computes_and_learns_the_same_whatever_number_the_padding_has(family: str) -> None:
    import torch

    full, model = (model_of(FAMILIES[family](HIGH)) for _ in range(2))
    assert can_be_compact(model)
    vocabulary = CompactVocabulary.of([np.array([1, 2, 30, 31, 200])], named_tokens(model), N_TOKENS)
    vocabulary.narrow(model)
    assert HIGH in vocabulary.ids and len(model.get_input_embeddings().weight) == len(vocabulary.ids) < 10
    torch.testing.assert_close(step(model), step(full), rtol=0, atol=1e-6)
    vocabulary.widen(model, 1 - 0.1 * 0.5)
    for name, value in full.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=0, atol=1e-6, msg=f"{family} {name}")
    again = [each.eval()(input_ids=torch.tensor([[1, 5, 2]])).last_hidden_state for each in (model, full)]
    torch.testing.assert_close(*again, rtol=0, atol=1e-5)  # with a token that no text had


def checkpoint_of(folder: Path, family: str, *, padded: bool = True) -> Path:
    """An encoder of a family whose padding has the number HIGH, or that has none."""
    tokenizer = byte_tokenizer()
    assert tokenizer.add_special_tokens({"pad_token": "<high>"}) == 1 and tokenizer.pad_token_id == HIGH
    if not padded:
        tokenizer.pad_token = None
    return make_encoder(folder, FAMILIES[family](HIGH if padded else None), tokenizer)


def trained_encoder(checkpoint: Path, place: Path, name: str, options: TrainingOptions = UNCHOSEN) -> Any:
    base = encoder_base(str(checkpoint), place / "cache", sides=True)
    assert base.spec is not None
    embedder = load_embedder(base, base.spec, "cpu")
    train_embedder(embedder, PairExamples(ROWS), ContrastiveOptions(), options, opened(place / name))
    return embedder.model


def trained_reranker(checkpoint: Path, place: Path, name: str, options: TrainingOptions = UNCHOSEN) -> Any:
    model = load_classifier(base_of(checkpoint), ["relevance"], None, pair=True)
    train_reranker(model, PairExamples(ROWS), RerankerOptions("ranking", 1), options, opened(place / name))
    return model.model


def trained_classifier(checkpoint: Path, place: Path, name: str, options: TrainingOptions = OPTIONS) -> Any:
    return fit(checkpoint, place / name, options).model


def base_of(checkpoint: Path) -> Base:
    return Base("tiny", str(checkpoint), None, "", "", None)


def opened(path: Path) -> TrainingFolder:
    folder = TrainingFolder(path, {})
    folder.open(overwrite=False)
    return folder


def fit(checkpoint: Path, output: Path, options: TrainingOptions = OPTIONS) -> Classifier:
    classifier = load_classifier(base_of(checkpoint), ["a", "b"], None)
    data = Labelled(TEXTS, LABELS)
    assert train_classifier(classifier, data, data, options, opened(output)).n_steps == 6
    return classifier


def weights(model: Any) -> dict[str, Any]:
    return {name: value.detach().numpy() for name, value in model.state_dict().items()}


@pytest.mark.parametrize(
    ("trained", "family", "padded"),
    [
        (trained_encoder, "Qwen2", True),
        (trained_encoder, "ModernBert", False),
        (trained_encoder, "T5", True),  # which shares its table with its encoder
        (trained_reranker, "Qwen2", True),
        (trained_reranker, "Qwen2", False),
        (trained_classifier, "ModernBert", True),
        (trained_classifier, "Gemma", False),
        (trained_classifier, "Bart", True),
    ],
)
def test_the_weights_are_those_of_a_training_with_all_tokens(
    trained: Callable[..., Any], family: str, padded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    checkpoint = checkpoint_of(tmp_path / "checkpoint", family, padded=padded)
    transformers.set_seed(1)
    found = weights(trained(checkpoint, tmp_path, "compact"))
    monkeypatch.setattr(light_model, "can_be_compact", lambda model: False)
    transformers.set_seed(1)
    expected = weights(trained(checkpoint, tmp_path, "full"))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-6, err_msg=name)


def test_the_same_command_gives_the_same_bits(tmp_path: Path) -> None:
    import transformers

    checkpoint = make_masked_lm(tmp_path / "encoder")
    both = []
    for name in ("a", "b"):
        transformers.set_seed(1)
        both.append(weights(fit(checkpoint, tmp_path / name).model))
    assert all(np.array_equal(both[0][name], both[1][name]) for name in both[0])


def test_a_token_that_the_model_has_no_vector_for_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the number 9, but the model has vectors of the numbers 0 to 8"):
        CompactVocabulary.of([np.array([7, 9])], named=[], n_tokens=9)


@pytest.mark.parametrize("lora", [None, LoraOptions(modules=("query", "value"))])
@pytest.mark.parametrize("trained", [trained_encoder, trained_reranker, trained_classifier])
def test_such_a_token_is_told_before_anything_is_trained(
    trained: Callable[..., Any], lora: LoraOptions | None, tmp_path: Path
) -> None:
    """The tokenizer has a token for "two" that the model was not resized for."""
    tokenizer = byte_tokenizer()
    assert tokenizer.add_tokens(["two"]) == 1
    checkpoint = make_encoder(tmp_path / "m", bert_config(vocab_size=HIGH), tokenizer)
    with pytest.raises(UserError, match=f"the number {HIGH}, but the model has vectors of the numbers 0 to {HIGH - 1}"):
        trained(checkpoint, tmp_path, "out", dataclasses.replace(OPTIONS, patience=None, lora=lora))


@pytest.mark.parametrize(("family", "positions"), [("Camembert", 16), ("MPNet", 18), ("Bert", 20)])
def test_texts_are_cut_at_the_positions_that_follow_the_padding(family: str, positions: int, tmp_path: Path) -> None:
    """Positions are counted from behind the padding's, which is 3, and of MPNet always 1."""
    tokenizer = byte_tokenizer(pad_token="<unk>")
    config = bert_like(family)(3)
    config.max_position_embeddings = 20
    classifier = load_classifier(base_of(make_encoder(tmp_path / "encoder", config, tokenizer)), ["a", "b"], None)
    assert classifier.max_length == positions and classifier.logits(["x" * 50]).shape == (1, 2)


def test_a_tokenizer_without_padding_and_end_pads_with_another_token(tmp_path: Path) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token = None
    checkpoint = make_encoder(tmp_path / "encoder", FAMILIES["Bert"](None), tokenizer)
    assert load_classifier(base_of(checkpoint), ["a", "b"], None).tokenizer.pad_token == "<unk>"
