"""What only a GPU uses: texts joined without padding, and tokens by the tokenizer's own batches.

Attention over many lengths has a kernel on GPUs only; elsewhere a loop over the texts stands in for it.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_encoders import (
    SMALL,
    TEXTS,
    bert_config,
    byte_tokenizer,
    edit_json,
    gpt2_config,
    load,
    make_encoder,
    many_texts,
    spec_of,
)

from utils.encoders import joined, sentence_transformer
from utils.encoders.fast_tokens import fast_tokens
from utils.encoders.sentence_transformer import SentenceTransformerEncoder
from utils.encoders.tokens import right_padded
from utils.numerics import use_attention_of_any_shape
from utils.parallel import Worker, ahead

HOSTILE = [
    "",
    " ",
    "\n\t",
    "a",
    "<pad>",
    "<s>x</s>",
    "\u200b\ufeff",
    "ﬁ Ⅷ",
    "naïve café",
    "w " * 600,
    "漢" * 300,
    "👩‍👩‍👧‍👦",
]


def loop(parts: Sequence[Any], begins: Any, longest: int, *, is_causal: bool, scale: float) -> Any:
    """The stand-in: attention of each text by torch."""
    import torch

    assert longest == int(begins.diff().max()) and int(begins[-1]) == len(parts[0])
    rows = []
    for start, end in zip(begins[:-1].tolist(), begins[1:].tolist(), strict=True):
        text = [each[start:end].transpose(0, 1)[None] for each in parts]
        rows.append(torch.nn.functional.scaled_dot_product_attention(*text, scale=scale, is_causal=is_causal)[0])
    return torch.cat(rows, dim=1).transpose(0, 1)


def config_of(family: str) -> Any:
    import transformers as t

    rope = {**SMALL, "bos_token_id": 1, "eos_token_id": 2}
    window = {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}
    return {
        "bert": lambda: bert_config(),
        "roberta": lambda: t.XLMRobertaConfig(**SMALL),
        "qwen": lambda: t.Qwen3Config(**rope, num_key_value_heads=2, head_dim=8),
        "windows": lambda: t.Qwen3Config(**rope, num_key_value_heads=2, head_dim=8, use_sliding_window=True, **window),
        "gpt2": lambda: gpt2_config(),
        "mpnet": lambda: t.MPNetConfig(**SMALL),
    }[family]()


def one_worker(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> SentenceTransformerEncoder:
    """Load a model as for a GPU, with the loop in the place of the kernel."""
    monkeypatch.setattr(joined, "attention_within", loop)
    monkeypatch.setitem(sentence_transformer.STEP, "cpu", 50)
    encoder = load(folder, cache)
    encoder.workers = [Worker(encoder.model, "cpu", 1)]
    return encoder


@pytest.mark.parametrize("family", ["bert", "roberta", "qwen", "gpt2"])
def test_joined_texts_have_the_vectors_of_padded_ones(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pooling = "lasttoken" if family == "qwen" else "mean_tokens"
    folder = make_encoder(tmp_path / "m", config_of(family), pooling=pooling)
    texts = [*many_texts(), "", *TEXTS]
    expected = load(folder, tmp_path).encode(texts)
    encoder = one_worker(folder, tmp_path, monkeypatch)
    assert all(joined.can_join(encoder.model, dtype) for dtype in ("fp32", "bf16", "fp16"))
    used: list[int] = []

    def counted(parts: Sequence[Any], *where: Any, **how: Any) -> Any:
        used.append(len(parts[0]))
        return loop(parts, *where, **how)

    monkeypatch.setattr(joined, "attention_within", counted)
    encoder._try_to_join()
    assert encoder.is_joined
    used.clear()
    np.testing.assert_allclose(encoder.encode(texts), expected, atol=1e-5)
    layers, bytes_and_ends = 2, sum(len(text.encode()) + 2 for text in texts)
    assert sum(used) == layers * bytes_and_ends  # not one token of padding
    assert "note:" not in capsys.readouterr().err


def test_the_layers_of_joined_texts_are_those_of_padded_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, texts = make_encoder(tmp_path / "m", bert_config()), [*many_texts(), "", *TEXTS]
    spec = dataclasses.replace(spec_of(folder, tmp_path), places=((0, "mean"), (1, "last"), (2, "")))
    padded, encoder = (SentenceTransformerEncoder(spec, str(folder), None, "cpu", tmp_path) for _ in range(2))
    monkeypatch.setattr(joined, "attention_within", loop)
    encoder.workers = [Worker(encoder.model, "cpu", 1)]
    encoder._try_to_join()
    assert encoder.is_joined
    found = encoder.encode(texts)
    assert found.shape == (len(texts), 3 * SMALL["hidden_size"])
    np.testing.assert_allclose(found, padded.encode(texts), atol=1e-5)


def test_copies_of_a_model_join_texts_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = one_worker(make_encoder(tmp_path / "m", config_of("roberta")), tmp_path, monkeypatch)
    texts = many_texts() * 3
    expected = encoder.encode(texts)
    encoder.workers = [Worker(copy.deepcopy(encoder.model), "cpu", 1) for _ in range(3)]  # as one for each GPU
    del encoder.model[0].model.embeddings  # no copy computes with it
    encoder._try_to_join()
    assert encoder.is_joined
    np.testing.assert_allclose(encoder.encode(texts), expected, atol=1e-5)


def test_models_that_can_join_no_more_tokens_than_they_have_positions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = one_worker(make_encoder(tmp_path / "m", config_of("bert")), tmp_path, monkeypatch)
    plain = joined._forward

    def limited(inner: Any, forward: Any, first: int, **given: Any) -> Any:
        if "joined" in inner.__dict__ and len(inner.joined.positions) > 512:
            raise IndexError("the expanded size of the tensor must match the existing size")
        return plain(inner, forward, first, **given)

    monkeypatch.setattr(joined, "_forward", limited)
    encoder._try_to_join()
    assert not encoder.is_joined and "the expanded size" in capsys.readouterr().err


def test_models_that_attend_in_other_ways_are_padded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mpnet = load(make_encoder(tmp_path / "m", config_of("mpnet")), tmp_path)
    bert = load(make_encoder(tmp_path / "b", config_of("bert")), tmp_path)
    monkeypatch.setattr(joined, "attention_within", loop)
    assert joined.can_join(bert.model, "bf16") and not joined.can_join(mpnet.model, "bf16")
    monkeypatch.setattr(joined, "_varlen", lambda: None)  # an older torch
    assert not joined.can_join(bert.model, "bf16") and joined.can_join(bert.model, "fp32")


@pytest.mark.parametrize("fault", ["windows", "kernel fails", "kernel errs", "neighbours", "positions"])
def test_where_joining_fails_a_note_says_so_and_texts_are_padded(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_encoder(tmp_path / "m", config_of(fault if fault == "windows" else "roberta"))
    expected = load(folder, tmp_path).encode(TEXTS)
    encoder = one_worker(folder, tmp_path, monkeypatch)

    def broken(parts: Sequence[Any], begins: Any, longest: int, **how: Any) -> Any:
        if fault == "kernel fails":
            raise RuntimeError("no kernel image is available")
        if fault == "neighbours":
            return loop(parts, begins[[0, -1]], len(parts[0]), **how)
        return loop(parts, begins, longest, **how) * 1.5

    if fault == "positions":
        monkeypatch.setattr(joined, "_first_position", lambda inner: 7)
    elif fault != "windows":
        monkeypatch.setattr(joined, "attention_within", broken)
    encoder._try_to_join()
    assert not encoder.is_joined
    note = capsys.readouterr().err.splitlines(keepends=True)[-1]
    assert note.count("\n") == 1 and "is computed with padding, since joining its texts fails (" in note
    if fault in ("windows", "kernel fails"):
        assert ("sliding_window" if fault == "windows" else "no kernel image") in note
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, atol=1e-6)


def test_places_of_a_batch_by_hand() -> None:
    batch = joined.batch_of(np.array([3, 1, 2]), 4, lambda tensor: tensor)
    assert batch.places.tolist() == [0, 1, 2, 4, 8, 9]
    assert batch.positions.tolist() == [0, 1, 2, 0, 0, 1]
    assert (batch.begins.tolist(), batch.longest) == ([0, 3, 4, 6], 3)


@pytest.mark.parametrize("how", ["bert", "roberta", "prompt", "cut", "left", "types"])
def test_fast_tokens_are_those_of_the_library(how: str, tmp_path: Path) -> None:
    import torch

    names = {"padding_side": "left", "truncation_side": "left"} if how == "left" else {}
    tokenizer = byte_tokenizer(**names)
    if how == "types":
        tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    folder = make_encoder(tmp_path / "m", config_of("roberta" if how == "roberta" else "bert"), tokenizer)
    options = {"prompt": {"prompt": "query: "}, "cut": {"max_length": 9}}.get(how, {})
    encoder = load(folder, tmp_path, **options)  # type: ignore[arg-type]
    fast = fast_tokens(encoder.model, encoder.prompt, encoder.limit)
    assert fast is not None
    for texts in (HOSTILE, many_texts(), HOSTILE[:1]):
        expected = right_padded(encoder.model.preprocess(texts, prompt=encoder.prompt))
        found = fast.features(texts)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert torch.equal(found[name], value) if isinstance(value, torch.Tensor) else found[name] == value


def test_tokenizers_with_settings_of_their_own_are_left_to_the_library(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "m", config_of("bert"))
    processing = {"text": {"add_special_tokens": False}}
    edit_json(folder / "sentence_bert_config.json", transformer_task="feature-extraction", processing_kwargs=processing)
    encoder = load(folder, tmp_path)
    assert encoder.model.preprocess(["abc"])["input_ids"].shape == (1, 3)
    assert fast_tokens(encoder.model, "", encoder.limit) is None


def test_results_come_in_order_while_the_next_are_computed() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 7:
            raise ValueError("seven")
        return item * item

    found = ahead(work, range(10))
    assert [next(found) for _ in range(5)] == [0, 1, 4, 9, 16]
    with pytest.raises(ValueError, match="seven"):
        list(found)
    assert list(ahead(work, [3])) == [9] and list(ahead(work, [])) == []
    assert begun[:8] == list(range(8))


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("family", ["bert", "roberta", "qwen"])
def test_joined_texts_on_a_gpu(family: str, dtype: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    if not torch.cuda.is_available() or not joined.has_kernel(dtype):
        pytest.skip("no CUDA device, or no attention over texts of many lengths")
    folder = make_encoder(tmp_path / "m", config_of(family))
    texts = [*many_texts(), "", *TEXTS] * 20
    encoder = load(folder, tmp_path, device="cuda", dtype=dtype)
    assert encoder.is_joined and "note:" not in capsys.readouterr().err
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    found = encoder.encode(texts)
    encoder.is_joined = False
    padded = encoder.encode(texts)
    apart = np.abs(found - padded).max(axis=1) / np.abs(padded).max(axis=1)
    assert float(apart.max()) < {"fp32": 1e-4, "bf16": 0.05}[dtype]
    if dtype == "fp32":
        np.testing.assert_allclose(found, load(folder, tmp_path).encode(texts), atol=1e-4)


def test_attention_of_a_gpu_makes_no_plans_for_shapes() -> None:
    import torch

    before = torch.backends.cuda.cudnn_sdp_enabled()
    try:
        for device, expected in (("cpu", True), ("cuda", False)):
            torch.backends.cuda.enable_cudnn_sdp(True)
            use_attention_of_any_shape(device)
            assert torch.backends.cuda.cudnn_sdp_enabled() is expected
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)
