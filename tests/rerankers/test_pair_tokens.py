"""Tokens of pairs joined from those of their texts: equal to the library's, cut or not, or not joined at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from other_encoders import _stir
from tiny_encoders import edit_json
from tiny_models import sample_texts
from tiny_rerankers import save_cross_encoder

from utils.encoders.tokens import set_longest_text
from utils.rerankers.cross_encoder import CrossEncoderModel
from utils.rerankers.pair_tokens import pair_tokens
from utils.rerankers.resolve import resolve_reranker

TEXTS = [" ".join(sample_texts()[start : start + n]) for start, n in ((0, 1), (7, 2), (9, 4))]
TEXTS += ["", " ", "\n.\t", "नमस्ते é 語", "a", "a b", "yes [SEP] no"]
INPUTS = ["input_ids", "attention_mask"]
PAIRS = [(query, passage) for query in TEXTS for passage in TEXTS]


def save_xlmr(folder: Path) -> Path:
    """Save an XLM-R with a head for one label, and a tokenizer that puts two separators between texts."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaForSequenceClassification

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()  # type: ignore[assignment]
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.UnigramTrainer(vocab_size=3000, special_tokens=specials, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(sample_texts(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(  # type: ignore[assignment]
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "sep_token": "</s>"}
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=60,
        model_input_names=INPUTS,
        cls_token="<s>",
        **names,
    )
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = XLMRobertaConfig(vocab_size=len(wrapped), max_position_embeddings=64, num_labels=1, **sizes)
    model = XLMRobertaForSequenceClassification(config)
    _stir(model)
    model.save_pretrained(folder)
    wrapped.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["bert", "xlm-r"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pairs") / request.param
    if request.param == "xlm-r":
        return save_xlmr(place)
    edit_json(save_cross_encoder(place) / "tokenizer_config.json", model_input_names=[*INPUTS, "token_type_ids"])
    return place


@pytest.fixture(scope="module")
def library(folder: Path) -> Any:
    from sentence_transformers import CrossEncoder

    return CrossEncoder(str(folder), device="cpu")


def test_scores_are_those_of_the_library(folder: Path, library: Any, tmp_path: Path) -> None:
    scorer = CrossEncoderModel(resolve_reranker(str(folder), tmp_path), "cpu")
    assert scorer.tokens is not None and ("bert" in folder.name) == scorer.tokens._has_types
    found = dict(scorer.score(PAIRS))
    expected = library.predict(PAIRS, batch_size=1)
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose([found[place] for place in range(len(PAIRS))], expected, atol=1e-6)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("limit", [8, 11, 30, 60])
def test_features_are_those_of_the_library_however_pairs_are_cut(
    library: Any, limit: int, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = library
    monkeypatch.setattr(model.tokenizer, "truncation_side", side)
    set_longest_text(model, limit)
    theirs, tokens = model.preprocess(PAIRS), pair_tokens(model, limit)
    assert tokens is not None
    read = tokens.read([text for pair in PAIRS for text in pair])
    assert len(read.numbers) == len(TEXTS)  # each is read once
    ours = tokens.features(read, PAIRS)
    assert set(ours) == set(theirs) and ours["input_ids"].shape[1] == limit
    for name, value in theirs.items():
        assert torch.equal(ours[name], value) if isinstance(value, torch.Tensor) else ours[name] == value, name


def test_whole_pairs_are_tokenised_where_joined_ones_would_differ(
    folder: Path, library: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preprocess = library.preprocess
    with monkeypatch.context() as patch:
        patch.setattr(library, "preprocess", lambda pairs: preprocess([(one, f"a {other}") for one, other in pairs]))
        assert pair_tokens(library, 60) is None
    with monkeypatch.context() as patch:
        patch.setattr(library.tokenizer, "padding_side", "left")
        assert pair_tokens(library, 60) is None
    scorer = CrossEncoderModel(resolve_reranker(str(folder), tmp_path), "cpu")
    joined, scorer.tokens = dict(scorer.score(PAIRS[:40])), None
    whole = dict(scorer.score(PAIRS[:40]))
    np.testing.assert_allclose([joined[place] for place in range(40)], [whole[place] for place in range(40)], atol=1e-6)
