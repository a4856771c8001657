"""Vectors of the layers inside encoders: those of transformers' hidden states, by one pass of all or by a cut model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_encoders import SMALL, TEXTS, bert_config, edit_json, embed, gpt2_config, make_encoder, many_texts

from utils.encoders import layers
from utils.encoders.cached import open_encoder
from utils.encoders.depth import depth_of, layers_of, with_layer
from utils.encoders.layered import LayeredEncoder
from utils.encoders.resolve import EncodingOptions, resolve
from utils.errors import UserError

MANY = [*TEXTS, *many_texts()[:6], "a"]
POOLINGS = ("mean", "last", "cls")


def albert() -> Any:
    from transformers import AlbertConfig

    return AlbertConfig(**{**SMALL, "num_hidden_layers": 3}, embedding_size=16)  # type: ignore[arg-type]


def deberta() -> Any:
    from transformers import DebertaV2Config

    return DebertaV2Config(**SMALL)  # type: ignore[arg-type]


def gemma() -> Any:
    from transformers import Gemma3TextConfig

    kinds = ["sliding_attention", "full_attention"]
    return Gemma3TextConfig(**SMALL, num_key_value_heads=2, head_dim=8, sliding_window=8, layer_types=kinds)  # type: ignore[arg-type]


def t5() -> Any:
    from transformers import T5Config

    sizes = {"vocab_size": 260, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 3, "num_heads": 4}
    return T5Config(**sizes, num_decoder_layers=2, decoder_start_token_id=0)  # type: ignore[arg-type]


def bart() -> Any:
    from transformers import BartConfig

    heads = {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48}
    return BartConfig(vocab_size=260, d_model=32, encoder_layers=2, decoder_layers=3, **heads)


CONFIGS: dict[str, Callable[[], Any]] = {
    "bert": bert_config,
    "gpt2": gpt2_config,
    "gemma3": gemma,
    "albert": albert,
    "deberta": deberta,
    "t5": t5,
    "bart": bart,
}
WHOLE = {"deberta": [0]}  # layers for which the whole model has to be computed
OF_ENCODER = ("t5", "bart")


def by_hand(folder: Path, texts: list[str], *, of_encoder: bool) -> np.ndarray:
    """The states of all layers of transformers, pooled in float64: (texts, layers, poolings, d)."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder, dtype="float32").eval()
    found = []
    for text in texts:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            inner = model.get_encoder() if of_encoder else model
            states = inner(input_ids=ids, output_hidden_states=True).hidden_states
        each = [state[0].double() for state in states]
        found.append([[one.mean(0).numpy(), one[-1].numpy(), one[0].numpy()] for one in each])
    return np.array(found)


@pytest.mark.parametrize("family", CONFIGS)
def test_one_pass_a_cut_model_and_transformers_agree(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_encoder(tmp_path / "m", CONFIGS[family]())
    expected = by_hand(folder, MANY, of_encoder=family in OF_ENCODER)
    spec = resolve(str(folder), tmp_path)
    depth = depth_of(spec)
    assert depth is not None and layers_of(spec, None) == tuple(range(depth + 1)) and expected.shape[1] == depth + 1
    encoder = LayeredEncoder(spec, [(at, pooling) for at in range(depth + 1) for pooling in POOLINGS], "cpu", tmp_path)
    encoder.fill(MANY)
    assert encoder.counts == {"hits": 0, "misses": len(set(MANY))} and encoder.missing(MANY) == []
    scale = np.abs(expected).max(axis=(0, 3), initial=1.0)
    for (at, pooling), one in encoder.encoders.items():
        place = POOLINGS.index(pooling)
        found = one.embed(MANY, ())[0]
        np.testing.assert_allclose(found, expected[:, at, place], atol=2e-6 * scale[at, place])
    whole: list[int] = []
    cut = layers._cut

    def watched(model: Any, layer: int, *more: Any) -> bool:
        done = cut(model, layer, *more)
        whole.extend([] if done else [layer])
        return done

    monkeypatch.setattr(layers, "_cut", watched)
    for at in range(depth + 1):
        alone = resolve(str(folder), tmp_path / "other", EncodingOptions(pooling="mean"), layer=at)
        found = open_encoder(alone, "cpu", tmp_path / "other").embed(MANY, ())[0]
        rows = encoder.encoders[at, "mean"].embed(MANY, ())[0]
        np.testing.assert_allclose(found, rows, atol=1e-6 * scale[at, 0])
    assert whole == WHOLE.get(family, [])


def test_the_last_layer_gives_the_vectors_without_a_layer_and_counts_from_the_end(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "m", bert_config())
    usual = embed(folder, tmp_path, MANY)
    for layer in (2, -1):
        spec = resolve(str(folder), tmp_path, layer=layer)
        assert spec.layer == 2
        np.testing.assert_array_equal(open_encoder(spec, "cpu", tmp_path).embed(MANY, ())[0], usual)
    assert resolve(str(folder), tmp_path, layer=-3).layer == 0
    assert resolve("bundled/multilingual-e5-small", tmp_path, layer=-1).layer == 12


def test_what_is_put_in_by_one_pass_is_what_a_layer_reads(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "m", gemma(), pooling="lasttoken")
    spec = resolve(str(folder), tmp_path)
    encoder = LayeredEncoder(spec, [(0, ""), (1, "mean"), (2, "")], "cpu", tmp_path)
    encoder.fill(MANY[:4])
    kept = {file: file.read_bytes() for file in (tmp_path / "embeddings").rglob("*.npy")}
    assert len(kept) == 3
    alone = open_encoder(resolve(str(folder), tmp_path, EncodingOptions(pooling="mean"), layer=1), "cpu", tmp_path)
    assert alone.missing(MANY[:4]) == []
    assert [len(each) for each in (alone.missing(MANY), encoder.missing(MANY))] == [len(set(MANY)) - 4] * 2
    alone.embed(MANY, ())
    encoder.fill(MANY)  # one place has all texts by now, and writes nothing
    assert encoder.counts["misses"] == len(set(MANY)) - 4
    assert {file: file.read_bytes() for file in kept} == kept
    assert len(list((tmp_path / "embeddings").rglob("*.npy"))) == 3 + 3


def test_modules_behind_the_pooling_are_for_the_last_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Dense, Normalize, Pooling, Transformer

    plain = make_encoder(tmp_path / "plain", bert_config())
    torch.manual_seed(0)
    modules = [Transformer(str(plain)), Pooling(32, "mean"), Dense(32, 8), Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save(str(tmp_path / "m"))
    spec = resolve(str(tmp_path / "m"), tmp_path)
    encoder = LayeredEncoder(spec, [(1, ""), (2, "")], "cpu", tmp_path)
    encoder.fill(MANY)
    assert "Dense is left out below the last layer" in capsys.readouterr().err
    below, last = (one.embed(MANY, ())[0] for one in encoder.encoders.values())
    assert below.shape[1] == 32 and last.shape[1] == 8
    np.testing.assert_array_equal(last, embed(tmp_path / "m", tmp_path, MANY))
    means = by_hand(plain, MANY, of_encoder=False)[:, 1, 0]
    np.testing.assert_allclose(below, means / np.linalg.norm(means, axis=1, keepdims=True), atol=1e-6)
    alone = open_encoder(resolve(str(tmp_path / "m"), tmp_path / "other", layer=1), "cpu", tmp_path / "other")
    np.testing.assert_allclose(alone.embed(MANY, ())[0], below, atol=1e-6)


def test_fewer_tokens_share_a_batch_where_the_states_of_all_layers_are_kept() -> None:
    class Model(list):  # type: ignore[type-arg]
        n_states = 33

        def get_embedding_dimension(self) -> int:
            return 4096

    spec = resolve("bundled/multilingual-e5-small", Path())
    inner = Model()
    assert layers.most_tokens([inner, inner], spec, "cpu", 1024) == 2**28 // (33 * 4096 * 4)
    assert layers.most_tokens([inner, object()], spec, "cpu", 1024) == 1024


def test_mistakes(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "m", bert_config())
    for layer in (3, -4):
        with pytest.raises(UserError, match=f"--layer {layer}, but local/m-.* has 2 layers") as caught:
            resolve(str(folder), tmp_path, layer=layer)
        assert "0 (the embeddings) to 2" in caught.value.hint
    for name, kind in {"baseline/bm25": "a baseline", "openai:text-embedding-3-small": "a model of an API"}.items():
        with pytest.raises(UserError, match=f"--layer 1 with .*, which is {kind}"):
            resolve(name, tmp_path, layer=1)
    edit_json(folder / "config.json", num_hidden_layers=None, model_type="unknown")
    spec = resolve(str(folder), tmp_path)
    with pytest.raises(UserError, match="does not say how many layers it has"):
        with_layer(spec, -1)
    with pytest.raises(UserError, match="does not say how many layers it has") as caught:
        layers_of(spec, None)
    assert caught.value.hint == "name them: --layers 0 4 8" and with_layer(spec, 7).layer == 7
