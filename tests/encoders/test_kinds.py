"""Checkpoints that are no encoders are told from those that are; the checkpoint's own prompt is recorded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_encoders import TEXTS, bert_config, byte_tokenizer, edit_json, embed, make_encoder, one_by_one, spec_of

from utils.encoders.cached import cache_settings
from utils.errors import UserError
from utils.records.identity import encoders_identity


def save(folder: Path, head: str) -> Path:
    """Save a small BERT with a head."""
    import transformers

    getattr(transformers, head)(bert_config()).save_pretrained(folder)
    byte_tokenizer(model_max_length=64).save_pretrained(folder)
    return folder


def told(folder: Path, cache: Path) -> str:
    with pytest.raises(UserError) as caught:
        spec_of(folder, cache)
    assert "--model_checkpoint takes encoders" in caught.value.hint
    return caught.value.what


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        ("BertForSequenceClassification", "it is a classifier or cross-encoder, which scores texts"),
        ("BertForTokenClassification", "it is a tagger of tokens"),
        ("BertForQuestionAnswering", "it is a model for extracting answers"),
    ],
)
def test_a_head_of_another_task_is_told(head: str, kind: str, tmp_path: Path) -> None:
    assert kind in told(save(tmp_path / "m", head), tmp_path)


def test_what_sentence_transformers_saves_is_told(tmp_path: Path) -> None:
    from sentence_transformers import CrossEncoder, MultiVectorEncoder, SparseEncoder

    classifier = str(save(tmp_path / "c", "BertForSequenceClassification"))
    CrossEncoder(classifier, device="cpu").save_pretrained(str(tmp_path / "cross"))
    assert "it is a cross-encoder, which scores a pair" in told(tmp_path / "cross", tmp_path)
    masked = str(save(tmp_path / "m", "BertForMaskedLM"))
    SparseEncoder(masked, device="cpu").save_pretrained(str(tmp_path / "splade"))
    MultiVectorEncoder(masked, device="cpu").save_pretrained(str(tmp_path / "colbert"))
    for name, kind in {"splade": "sparse", "colbert": "multi-vector"}.items():
        assert spec_of(tmp_path / name, tmp_path).kind == kind
    (tmp_path / "splade/config_sentence_transformers.json").unlink()  # older files say it by their modules alone
    assert spec_of(tmp_path / "splade", tmp_path).kind == "sparse"


def test_a_masked_language_model_is_an_encoder(tmp_path: Path) -> None:
    assert embed(save(tmp_path / "m", "BertForMaskedLM"), tmp_path, TEXTS).shape == (3, 32)


def test_a_language_model_is_an_encoder_with_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {key: value for key, value in bert_config().to_dict().items() if "hidden" in key or "size" in key}
    LlamaForCausalLM(LlamaConfig(**sizes | {"num_attention_heads": 4, "hidden_act": "silu"})).save_pretrained(tmp_path)
    byte_tokenizer(model_max_length=64).save_pretrained(tmp_path)
    assert embed(tmp_path, tmp_path / "cache", TEXTS).shape == (3, 32)
    assert "is a language model: the vector of a text is that of its last token" in capsys.readouterr().err


def test_a_pooling_that_was_chosen_needs_no_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"]}))
    spec = spec_of(tmp_path, tmp_path / "cache", pooling="mean")
    assert (spec.pooling, spec.model) == ("mean", "decoder") and capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("heads", "more", "pooled"),
    [
        (["GPT2LMHeadModel"], {}, "the mean of those of its tokens"),
        (["XLNetLMHeadModel"], {}, "the mean of those of its tokens"),
        (["Gemma3ForConditionalGeneration"], {}, "the mean of those of its tokens"),
        (["LlamaForCausalLM"], {"is_causal": False}, "the mean of those of its tokens"),
        (["LlamaModel", "LlamaForCausalLM"], {}, "the mean of those of its tokens"),
        (["LlamaForCausalLM"], {}, "that of its last token"),
        (["BertForMaskedLM"], {}, ""),
    ],
)
def test_how_a_language_model_is_pooled_is_told(
    heads: list[str], more: dict[str, bool], pooled: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": heads, **more}))
    spec_of(tmp_path, tmp_path / "cache")
    said = capsys.readouterr().err
    assert (f"is a language model: the vector of a text is {pooled}\n" in said) if pooled else said == ""


def test_gpt2_is_pooled_as_it_is_told(tmp_path: Path) -> None:
    import torch
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, GPT2Model

    config = GPT2Config(vocab_size=400, n_embd=32, n_layer=1, n_head=2, n_positions=64)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    byte_tokenizer(model_max_length=64).save_pretrained(tmp_path)
    tokenizer, model = AutoTokenizer.from_pretrained(tmp_path), GPT2Model.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        states = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0] for text in TEXTS]
    means = np.stack([one.mean(dim=0).numpy() for one in states])
    found = embed(tmp_path, tmp_path / "cache", TEXTS)
    np.testing.assert_allclose(found / np.linalg.norm(found, axis=1, keepdims=True),
                               means / np.linalg.norm(means, axis=1, keepdims=True), atol=1e-5)  # fmt: skip


def prompted(folder: Path, **more: object) -> Path:
    prompts = {"query": "query: ", "document": "passage: "}
    edit_json(make_encoder(folder, bert_config()) / "config_sentence_transformers.json", prompts=prompts, **more)
    return folder


def test_the_checkpoints_own_prompt_is_used_recorded_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = prompted(tmp_path / "m", default_prompt_name="document")
    spec = spec_of(folder, tmp_path)
    assert "note: 'passage: ' is put before every text for local/m-" in capsys.readouterr().err
    assert encoders_identity([spec], [1.0])[0]["prompt"] == "passage: "
    assert cache_settings(spec)["prompt"] is None  # as earlier versions kept it
    np.testing.assert_allclose(embed(folder, tmp_path, TEXTS), one_by_one(folder, TEXTS), atol=1e-5)
    none = spec_of(folder, tmp_path, prompt="")
    assert (none.prompt, cache_settings(none)["prompt"]) == ("", "") and capsys.readouterr().err.count("note:") == 1
    other = spec_of(folder, tmp_path, prompt="query: ")
    assert encoders_identity([other], [1.0])[0]["prompt"] == cache_settings(other)["prompt"] == "query: "


def test_prompts_without_a_default_are_not_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = prompted(tmp_path / "m", default_prompt_name=None)
    assert spec_of(folder, tmp_path).prompt is None
    assert "knows the prompts 'query: ' (query), 'passage: ' (document) and has no default" in capsys.readouterr().err
    (folder / "modules.json").unlink()  # without it the library reads no prompts
    edit_json(folder / "config_sentence_transformers.json", default_prompt_name="query")
    assert spec_of(folder, tmp_path).prompt is None and capsys.readouterr().err == ""


def test_e5_without_prompts_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = "has no prompts in its configuration, but E5 expects 'query: ' and 'passage: ': give --prompt 'query: '"
    folder = make_encoder(tmp_path / "my-e5-small", bert_config())
    assert spec_of(folder, tmp_path).prompt is None and told in capsys.readouterr().err
    assert spec_of(folder, tmp_path, prompt="query: ").prompt == "query: " and capsys.readouterr().err == ""
    other = make_encoder(tmp_path / "e5" / "labse", bert_config())
    assert spec_of(other, tmp_path).prompt is None and capsys.readouterr().err == ""
    edit_json(other / "config.json", _name_or_path="intfloat/multilingual-e5-base")
    assert spec_of(other, tmp_path).prompt is None and told in capsys.readouterr().err


@pytest.mark.parametrize("prompt", [None, "mine: "])
def test_a_default_prompt_that_does_not_exist_is_one_error(
    prompt: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = prompted(tmp_path / "m", default_prompt_name="nope")
    with pytest.raises(UserError) as caught:
        spec_of(folder, tmp_path, prompt=prompt)
    assert "its default_prompt_name 'nope' is none of its prompts (query, document)" in caught.value.what
    assert caught.value.hint == "mend config_sentence_transformers.json" and capsys.readouterr().err == ""
    edit_json(folder / "config_sentence_transformers.json", default_prompt_name="query", prompts={})
    assert spec_of(folder, tmp_path).prompt is None  # the library has an empty one


def test_a_broken_configuration_says_nothing_before_the_model_is_loaded(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "m", bert_config())
    for content in ("[]", "{", json.dumps({"prompts": ["a"], "default_prompt_name": 5, "model_type": [1]})):
        (folder / "config_sentence_transformers.json").write_text(content)
        assert spec_of(folder, tmp_path).prompt is None


def test_code_that_is_not_run_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_encoder(tmp_path / "m", bert_config())
    edit_json(folder / "config.json", auto_map={"AutoModel": "modeling_own.OwnModel"})
    spec_of(folder, tmp_path)
    assert "has code of its own, which is not run (--trust_remote_code runs it): it is computed as the bert" in (
        capsys.readouterr().err
    )
    spec_of(folder, tmp_path, trust_remote_code=True)
    assert capsys.readouterr().err == ""
