"""What a model gets of a text: vectors by the mask and independent of neighbours, cut at what the positions allow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_encoders import (
    bert_config,
    byte_tokenizer,
    edit_json,
    embed,
    gpt2_config,
    load,
    make_encoder,
    one_by_one,
)

from utils.encoders import sentence_transformer
from utils.encoders.batching import batches
from utils.encoders.tokens import n_positions
from utils.errors import UserError

TEXTS = [" ".join(f"w{place}" for _ in range(place * 7 % 40 + 1)) for place in range(60)]
LONG = "w " * 600


def roberta(rows: int) -> Any:
    from transformers import XLMRobertaConfig

    return XLMRobertaConfig(**{**bert_config().to_dict(), "max_position_embeddings": rows, "pad_token_id": 1})


def by_processing(folder: Path, **arguments: object) -> Path:
    edit_json(
        folder / "sentence_bert_config.json",
        transformer_task="feature-extraction",
        processing_kwargs={"text": arguments},
    )
    return folder


def on_the_left(folder: Path) -> Path:
    return make_encoder(folder, bert_config(), byte_tokenizer(padding_side="left"))


def by_arguments(folder: Path) -> Path:
    return by_processing(make_encoder(folder, bert_config()), padding_side="left")


def to_a_width(folder: Path) -> Path:
    return by_processing(make_encoder(folder, bert_config()), padding="max_length", max_length=300)


def absolute(side: str, pooling: str) -> Callable[[Path], Path]:
    return lambda folder: make_encoder(folder, gpt2_config(), byte_tokenizer(padding_side=side), pooling)


@pytest.mark.parametrize(
    "make",
    [
        on_the_left,
        by_arguments,
        to_a_width,
        *(absolute(side, how) for side in ("left", "right") for how in ("mean_tokens", "lasttoken", "cls_token")),
    ],
)
def test_a_vector_does_not_depend_on_the_side_of_padding(make: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = make(tmp_path / "m")
    found = embed(folder, tmp_path, TEXTS)
    np.testing.assert_allclose(found, one_by_one(folder, TEXTS), atol=1e-5)
    np.testing.assert_allclose(found[:1], embed(folder, tmp_path / "alone", TEXTS[:1]), atol=1e-5)


def test_prompts_that_are_left_out_of_the_mean_are_found_on_either_side(tmp_path: Path) -> None:
    for side in ("left", "right"):
        folder = make_encoder(tmp_path / side, bert_config(), byte_tokenizer(padding_side=side))
        edit_json(folder / "1_Pooling/config.json", include_prompt=False)
        found = embed(folder, tmp_path / "with", TEXTS)
        np.testing.assert_allclose(found, one_by_one(folder, TEXTS), atol=1e-5)
        edit_json(folder / "config_sentence_transformers.json", prompts={"q": "ask: "}, default_prompt_name="q")
        np.testing.assert_allclose(embed(folder, tmp_path / "w", TEXTS), one_by_one(folder, TEXTS), atol=1e-5)


def test_a_model_without_a_mask_shares_batches_among_equal_lengths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers import FNetConfig

    sizes = {key: bert_config().to_dict()[key] for key in ("vocab_size", "hidden_size", "intermediate_size")}
    folder = make_encoder(tmp_path / "m", FNetConfig(**sizes, num_hidden_layers=2))
    np.testing.assert_allclose(embed(folder, tmp_path, TEXTS), one_by_one(folder, TEXTS), atol=1e-5)
    assert "takes padding for a part of the text (a vector changes by " in capsys.readouterr().err


def test_batches_of_equal_lengths() -> None:
    found = batches(np.array([3, 5, 3, 3, 1, 5]), 9, None, equal=True)
    assert [part.tolist() for part in found] == [[1], [5], [0, 2, 3], [4]]


@pytest.mark.parametrize("config", [bert_config, lambda: roberta(64)])
def test_a_checkpoint_without_the_files_of_its_tokenizer_is_refused(config: Callable[[], Any], tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "m", config())
    for file in folder.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(UserError, match="has no tokenizer: the one that is made without its files knows no words"):
        load(folder, tmp_path)


def test_a_decoder_without_a_padding_token_runs(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "m", gpt2_config(), byte_tokenizer(pad_token=None), "lasttoken")
    whole = make_encoder(tmp_path / "whole", gpt2_config(), byte_tokenizer(), "lasttoken")
    np.testing.assert_allclose(embed(folder, tmp_path, TEXTS), one_by_one(whole, TEXTS), atol=1e-5)


@pytest.mark.parametrize(
    ("config", "said", "limit"),
    [
        (lambda: roberta(514), {}, 512),  # two rows of the table stand for the padding
        (lambda: bert_config(max_position_embeddings=64), {}, 64),
        (lambda: bert_config(max_position_embeddings=64), {"max_length": 512}, 64),
        (lambda: bert_config(max_position_embeddings=64), {"truncation": False}, 64),
        (lambda: bert_config(max_position_embeddings=64), {"max_length": 20}, 20),
    ],
)
def test_texts_are_cut_at_what_the_positions_allow(
    config: Callable[[], Any], said: dict[str, object], limit: int, tmp_path: Path
) -> None:
    folder = make_encoder(tmp_path / "m", config())
    expected = one_by_one(folder, [LONG, "a b"], limit=limit)
    encoder = load(by_processing(folder, **said) if said else folder, tmp_path)
    assert encoder.limit == limit
    rows, lengths = encoder.encode_counted([LONG, "a b"])
    np.testing.assert_allclose(rows, expected, atol=1e-5)
    assert lengths is not None and [part.tolist() for part in lengths] == [[1202, 5], [limit, 5]]


def test_512_tokens_asked_of_64_positions(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "m", bert_config(max_position_embeddings=64))
    edit_json(folder / "sentence_bert_config.json", max_seq_length=512)
    assert load(folder, tmp_path).limit == 64
    with pytest.raises(UserError, match=r"--max_length 512, but local/m-.* takes 64 tokens at most"):
        load(folder, tmp_path, max_length=512)
    assert load(folder, tmp_path, max_length=8).encode_counted([LONG])[1] == ([1202], [8])


def test_a_length_at_which_nothing_is_left_is_refused(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "m", bert_config())
    assert load(folder, tmp_path, max_length=3).encode_counted(["abc"])[1] == ([5], [3])
    for length in (1, 2):
        with pytest.raises(
            UserError, match=f"at a maximum length of {length} reads nothing of a text: it adds 2"
        ) as told:
            load(folder, tmp_path, max_length=length)
        assert told.value.hint == "give --max_length 3 or more"
    edit_json(folder / "tokenizer_config.json", model_max_length=0)
    with pytest.raises(UserError) as caught:
        load(folder, tmp_path)
    assert caught.value.hint == "mend model_max_length in its tokenizer_config.json"


def test_max_length_is_not_undone_by_the_checkpoints_own_arguments(tmp_path: Path) -> None:
    folder = by_processing(make_encoder(tmp_path / "m", bert_config()), max_length=100)
    assert load(folder, tmp_path, max_length=10).encode_counted([LONG])[1] == ([1202], [10])


def test_an_added_token_beyond_the_embedding_table_is_named(tmp_path: Path) -> None:
    from tokenizers import AddedToken

    tokenizer = byte_tokenizer(model_max_length=512)
    tokenizer.add_tokens([AddedToken("<new>", normalized=False)])
    folder = make_encoder(tmp_path / "m", bert_config(), tokenizer)
    encoder = load(folder, tmp_path)
    np.testing.assert_allclose(encoder.encode(TEXTS), one_by_one(folder, TEXTS), atol=1e-5)
    with pytest.raises(UserError) as caught:
        encoder.encode(["a <new> b"])
    assert "its tokenizer gives '<new>' the number 260, but its model has vectors of the numbers 0 to 259" in (
        caught.value.what
    )


def test_a_router_needs_a_default_route(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Router, Transformer

    inner = make_encoder(tmp_path / "inner", bert_config(), byte_tokenizer(model_max_length=64))
    routes = {name: [Transformer(str(inner)), Pooling(32)] for name in ("query", "document")}
    folder = tmp_path / "m"
    SentenceTransformer(modules=[Router(routes, allow_empty_key=False)], device="cpu").save(str(folder))
    with pytest.raises(UserError) as caught:
        load(folder, tmp_path)
    assert "has modules of their own for 'query' and 'document' and no default route" in caught.value.what
    edit_json(next(folder.rglob("router_config.json")), parameters={"default_route": "query"})
    np.testing.assert_allclose(embed(folder, tmp_path, TEXTS), one_by_one(folder, TEXTS), atol=1e-5)


def test_the_positions_that_count_are_those_of_texts() -> None:
    import transformers as t

    clip = t.CLIPConfig(
        text_config={
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 4,
            "max_position_embeddings": 40,
        },
        vision_config={"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "image_size": 64},
    )
    sizes = {"d_model": 48, "encoder_layers": 1, "decoder_layers": 1, "vocab_size": 260, "max_position_embeddings": 50}
    opt = t.OPTConfig(
        hidden_size=48, word_embed_proj_dim=48, num_hidden_layers=1, vocab_size=260, max_position_embeddings=60
    )
    t5 = t.T5Config(d_model=32, d_kv=8, d_ff=48, num_layers=1, num_heads=4, vocab_size=260)
    models = (t.CLIPModel(clip), t.BartModel(t.BartConfig(**sizes)), t.OPTModel(opt), t.T5EncoderModel(t5))
    assert [n_positions(model) for model in models] == [40, 50, 60, None]


def test_texts_are_tokenised_in_steps_as_for_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_encoder(tmp_path / "m", bert_config(max_position_embeddings=64))
    texts = [LONG, *TEXTS, "a b", "c"]
    rows, lengths = load(folder, tmp_path).encode_counted(texts)
    monkeypatch.setitem(sentence_transformer.STEP, "cpu", 2)
    in_steps, same_lengths = load(folder, tmp_path).encode_counted(texts)
    np.testing.assert_allclose(in_steps, rows, atol=1e-6)
    assert lengths is not None and same_lengths is not None
    assert [part.tolist() for part in same_lengths] == [part.tolist() for part in lengths]


@pytest.mark.gpu
def test_vectors_of_a_gpu_are_those_of_the_cpu(tmp_path: Path) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    folder = make_encoder(tmp_path / "m", bert_config(max_position_embeddings=64))
    texts = [LONG, *TEXTS, "a b", "c"] * 300
    here, there = (load(folder, tmp_path, device=device).encode(texts) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(there, here, atol=1e-4)
