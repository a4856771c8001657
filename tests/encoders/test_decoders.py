"""Language models as encoders: every family, pooling and attention, equal to the library or a plain forward pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_encoders import SMALL, TEXTS, bert_config, byte_tokenizer, embed, gpt2_config, load, many_texts

from utils.encoders.decoders import FAMILIES
from utils.errors import UserError

DECODER = {**SMALL, "num_key_value_heads": 2, "head_dim": 8}
CONFIGS = {
    "llama": "LlamaConfig",
    "mistral": "MistralConfig",
    "qwen2": "Qwen2Config",
    "qwen3": "Qwen3Config",
    "gemma": "GemmaConfig",
    "gemma2": "Gemma2Config",
    "gemma3_text": "Gemma3TextConfig",
}
WINDOW = {"mistral", "gemma2", "gemma3_text"}
POOLINGS = {"mean": "mean", "last": "lasttoken", "weighted_mean": "weightedmean", "cls": "cls"}
MANY = [*TEXTS, *many_texts()[:12], "a"]


def config_of(family: str) -> Any:
    import transformers

    more = {"sliding_window": 8} if family in WINDOW else {}
    if family == "gemma3_text":
        more["layer_types"] = ["sliding_attention", "full_attention"]
    return getattr(transformers, CONFIGS[family])(**DECODER, **more)


def save_decoder(folder: Path, config: Any, tokenizer: Any = None) -> Path:
    """A plain causal language model with random weights, without files of sentence-transformers."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.dim() == 2 and "norm" not in name.lower():
                weights.normal_(0, 0.3)
    model.save_pretrained(folder)
    (tokenizer or byte_tokenizer(model_max_length=64)).save_pretrained(folder)
    return folder


def plain(folder: Path, texts: list[str], pooling: str, *, causal: bool) -> np.ndarray:
    """Vectors of a forward pass of one text at a time, with a mask that is written out, and pooled by hand."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    kinds = getattr(model.config, "layer_types", None) or [""] * model.config.num_hidden_layers
    found = []
    for text in texts:
        ids = tokenizer(text, return_tensors="pt", truncation=True)["input_ids"]
        place = torch.arange(ids.shape[1])
        apart = place[:, None] - place[None]
        window = getattr(model.config, "sliding_window", None)
        masks = {}
        for kind in set(kinds):
            seen = apart >= 0 if causal else torch.ones_like(apart, dtype=torch.bool)
            if kind == "sliding_attention" or (not kind and window):
                seen = seen & ((apart < window) if causal else (apart.abs() <= window))
            masks[kind] = torch.where(seen, 0.0, float("-inf"))[None, None]
        mask = masks.get("", masks)
        if model.config.model_type in ("qwen2", "qwen3"):
            mask = {"full_attention": masks["full_attention"]}
        with torch.inference_mode():
            tokens = model(input_ids=ids, attention_mask=mask).last_hidden_state[0].double()
        weights = torch.arange(1, len(tokens) + 1, dtype=torch.float64)[:, None]
        pooled = {
            "mean": tokens.mean(0),
            "last": tokens[-1],
            "weighted_mean": (tokens * weights).sum(0) / weights.sum(),
            "cls": tokens[0],
        }
        found.append(pooled[pooling].numpy())
    return np.array(found)


def test_the_families_are_those_that_are_tested() -> None:
    assert list(CONFIGS) == list(FAMILIES)


@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@pytest.mark.parametrize("family", CONFIGS)
def test_vectors_are_those_of_a_plain_forward_pass(family: str, attention: str, tmp_path: Path) -> None:
    folder = save_decoder(tmp_path / "m", config_of(family))
    for pooling in ("mean", "last"):
        found = embed(folder, tmp_path, MANY, pooling=pooling, attention=attention)
        expected = plain(folder, MANY, pooling, causal=attention == "causal")
        np.testing.assert_allclose(found, expected, atol=1e-5 * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_each_pooling_equals_the_librarys(pooling: str, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer

    folder = save_decoder(tmp_path / "m", config_of("llama"))
    modules = [Transformer(str(folder)), Pooling(32, POOLINGS[pooling])]
    model = SentenceTransformer(modules=modules, device="cpu")
    found = embed(folder, tmp_path, MANY, pooling=pooling)
    np.testing.assert_allclose(found, model.encode(MANY, batch_size=1), atol=1e-5)
    np.testing.assert_allclose(found, plain(folder, MANY, pooling, causal=True), atol=1e-5)


def test_a_plain_language_model_gives_the_last_token_and_keeps_its_attention(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder = save_decoder(tmp_path / "m", config_of("qwen3"))
    theirs = SentenceTransformer(str(folder), device="cpu").encode(MANY, batch_size=1)
    usual = embed(folder, tmp_path, MANY)
    np.testing.assert_allclose(usual, theirs, atol=1e-5)
    np.testing.assert_allclose(embed(folder, tmp_path, MANY, pooling="last", attention="causal"), usual, atol=1e-6)
    assert not np.allclose(embed(folder, tmp_path, MANY, attention="bidirectional"), usual, atol=1e-2)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_vector_does_not_depend_on_its_batch(pooling: str, side: str, tmp_path: Path) -> None:
    names = {"model_max_length": 40, "padding_side": side, "pad_token": "</s>"}
    folder = save_decoder(tmp_path / "m", config_of("gemma3_text"), byte_tokenizer(**names))
    long = ["the cat sat on the dog " * 9, "the cat sat on the dog " * 3]
    for attention in ("causal", "bidirectional"):
        model = load(folder, tmp_path, pooling=pooling, attention=attention)
        together = model.encode([*MANY, *long])
        alone = np.concatenate([model.encode([text]) for text in [*MANY, *long]])
        np.testing.assert_allclose(together, alone, atol=1e-5)
        np.testing.assert_allclose(together[-1], together[-2], atol=1e-5)  # both are cut to the same 40 tokens
    assert [int(part[-1]) for part in model.encode_counted([*MANY, *long])[1] or ()] == [71, 40]


@pytest.mark.parametrize("text", ["", " "])
def test_a_text_without_tokens_has_a_vector_that_its_batch_does_not_change(text: str, tmp_path: Path) -> None:
    from tokenizers import processors

    tokenizer = byte_tokenizer(model_max_length=40)
    tokenizer.backend_tokenizer.post_processor = processors.ByteLevel()
    folder = save_decoder(tmp_path / "m", config_of("qwen2"), tokenizer)
    for pooling in POOLINGS:
        model = load(folder, tmp_path, pooling=pooling)
        alone, beside = model.encode([text])[0], model.encode([text, *MANY])
        np.testing.assert_allclose(beside[0], alone, atol=1e-5)
        assert np.isfinite(beside).all()


def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gpt2 = save_decoder(tmp_path / "gpt2", gpt2_config())
    with pytest.raises(UserError) as caught:
        load(gpt2, tmp_path, attention="bidirectional")
    assert "which is a gpt2" in caught.value.what and "Llama, Mistral, Qwen2, Qwen3, Gemma" in caught.value.hint
    np.testing.assert_array_equal(embed(gpt2, tmp_path, TEXTS, attention="causal"), embed(gpt2, tmp_path, TEXTS))
    from tiny_encoders import make_encoder

    bert = make_encoder(tmp_path / "bert", bert_config())
    for attention in ("causal", "bidirectional"):
        with pytest.raises(UserError, match="which is a bert"):
            load(bert, tmp_path, attention=attention)
    for name, what in {"baseline/bm25": "a baseline", "baseline/char_ngram": "a baseline"}.items():
        with pytest.raises(UserError, match=what):
            load(Path(name), tmp_path, pooling="mean")
    load(gpt2, tmp_path, pooling="cls")
    assert "attends to no other" in capsys.readouterr().err
