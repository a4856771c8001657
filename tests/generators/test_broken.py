"""Broken folders and GGUF files of generators: two lines that name what is wrong, never a traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from tiny_models import make_model

from utils.errors import UserError
from utils.generators.cached import CachedGenerator
from utils.generators.cached_scores import is_scores
from utils.generators.decoding import Answers, DecodeSettings, Query, answer
from utils.generators.resolve import resolve_local_generator

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"
PAGE = b"<!DOCTYPE html><html>404</html>"
OLD = "model.safetensors"  # of which a hub's download may leave a pointer or a web page


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("broken") / "chat", "llama", chat=True)


def ask(path: Path, cache: Path, decode: str = "score") -> Answers:
    generator = CachedGenerator(resolve_local_generator(str(path), cache), "cpu", cache)
    return answer(generator, [Query("Input:a Prediction:")], ("x", "y"), DecodeSettings(decode, max_new_tokens=2))


def broken(chat: Path, folder: Path, file: str, content: bytes) -> Path:
    shutil.copytree(chat, folder)
    (folder / file).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (OLD, b"", "model.safetensors is empty"),
        (OLD, LFS, "model.safetensors is the pointer of git-lfs"),
        (OLD, PAGE, "model.safetensors is a web page"),
        (OLD, b"[1, 2]", "header too small"),
        ("config.json", b"", "config.json is empty"),
        ("config.json", b"[1, 2]", "config.json holds no JSON object"),
        ("config.json", b"[" * 100_000, "config.json is no JSON"),
        ("config.json", LFS, "config.json is the pointer of git-lfs"),
        ("config.json", b'{"architectures": [null, "LlamaForCausalLM"]}', "does not load"),
        ("config.json", b'{"architectures": "LlamaForCausalLM", "model_type": "no such"}', "does not load"),
        ("tokenizer.json", b"", "tokenizer.json is empty"),
        ("tokenizer.json", b"null", "tokenizer.json holds no JSON object"),
        ("tokenizer_config.json", b"[]", "tokenizer_config.json holds no JSON object"),
        ("chat_template.jinja", b"", "has no chat template|leaves the message out"),
        ("chat_template.jinja", LFS, "the chat template of local/.* leaves the message out"),
        ("chat_template.jinja", b"{{ messages[0] ", "the chat template of local/.* fails: TemplateSyntaxError"),
        ("chat_template.jinja", b"{{ messages[9]['content'] }}", "the chat template of local/.* fails: UndefinedError"),
        ("chat_template.jinja", b"{{ raise_exception('not today') }}", "fails: TemplateError: not today"),
        ("chat_template.jinja", b"{{ messages.__class__.__mro__ }}", "fails: SecurityError"),
    ],
)  # fmt: skip
def test_a_broken_file_is_named(file: str, content: bytes, message: str, chat: Path, tmp_path: Path) -> None:
    path = broken(chat, tmp_path / "it", file, content)
    with pytest.raises(UserError, match=message) as caught:
        ask(path, tmp_path)
    assert "\n" not in caught.value.what and caught.value.hint


def test_old_weights_that_are_empty(chat: Path, tmp_path: Path) -> None:
    path = broken(chat, tmp_path / "it", "pytorch_model.bin", b"")
    (path / OLD).unlink()
    with pytest.raises(UserError, match=r"pytorch_model\.bin is empty"):
        ask(path, tmp_path)


@pytest.mark.parametrize("decode", ["score", "generate"])
def test_tokens_that_the_model_does_not_have(decode: str, chat: Path, tmp_path: Path) -> None:
    path = broken(chat, tmp_path / "it", "chat_template.jinja", b"{{ messages[0]['content'] }}<beyond>")
    added = json.loads((path / "tokenizer.json").read_text())
    token = {**added["added_tokens"][0], "id": 5000, "content": "<beyond>"}
    (path / "tokenizer.json").write_text(json.dumps({**added, "added_tokens": [*added["added_tokens"], token]}))
    with pytest.raises(UserError, match="cannot compute these prompts"):
        ask(path, tmp_path, decode)


def without_numbers(folder: Path, to: Path, dtype: str) -> CachedGenerator:
    """A model one of whose weights is NaN."""
    path = Path(shutil.copytree(folder, to / "it"))
    weights = load_file(path / OLD)
    weights["model.norm.weight"][3] = float("nan")
    save_file(weights, path / OLD, {"format": "pt"})
    return CachedGenerator(resolve_local_generator(str(path), to, dtype=dtype), "cpu", to)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("how", "what"),
    [
        (DecodeSettings("score"), "a label"),
        (DecodeSettings("constrained"), "a label"),
        (DecodeSettings("generate", max_new_tokens=3), "the next token"),
        (DecodeSettings("generate", max_new_tokens=3, temperature=0.7), "the next token"),
    ],
)
def test_answers_of_weights_that_are_no_numbers(
    how: DecodeSettings, what: str, dtype: str, chat: Path, tmp_path: Path
) -> None:
    generator = without_numbers(chat, tmp_path, dtype)
    for _ in range(2):  # nothing of it is kept
        with pytest.raises(UserError) as caught:
            answer(generator, [Query("Input:a Prediction:")], ("x", "y"), how)
        told = f"{generator.spec.name} in {dtype} gives {what} a probability that is no number"
        assert caught.value.what == told and caught.value.hint.endswith("try --gen_dtype fp32") == (dtype == "bf16")


def test_scores_that_an_earlier_version_kept_without_numbers_are_computed_again() -> None:
    good = {"tokens": [[3], [4, 5]], "logprobs": [[-1.0], [-2, float("-inf")]]}
    assert is_scores(good)
    assert not is_scores({**good, "logprobs": [[-1.0], [-2, float("nan")]]})


def make_gguf(path: Path, leave_out: str = "") -> Path:
    """Write a small llama, without one of its tensors where it is named."""
    gguf = pytest.importorskip("gguf")
    writer, draw, size = gguf.GGUFWriter(str(path), "llama"), np.random.default_rng(0), 32
    for name, value in {"block_count": 1, "context_length": 64, "embedding_length": size, "head_count": 2}.items():
        getattr(writer, f"add_{name}")(value)
    for name in ("feed_forward_length", "vocab_size"):
        getattr(writer, f"add_{name}")(260 if name == "vocab_size" else size)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(16)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(["<unk>", "<s>", "</s>", "<pad>", *(f"<0x{byte:02X}>" for byte in range(256))])
    writer.add_token_scores([0.0] * 260)
    writer.add_token_types([2, 3, 3, 3] + [6] * 256)
    for place, name in enumerate(("unk", "bos", "eos", "pad")):
        getattr(writer, f"add_{name}_token_id")(place)
    square = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    shapes = {"token_embd": (260, size), "output": (260, size), "output_norm": (size,)}
    shapes |= {f"blk.0.{name}": (size, size) for name in square}
    shapes |= {f"blk.0.{name}": (size,) for name in ("attn_norm", "ffn_norm")}
    for name, shape in shapes.items():
        if name != leave_out:
            writer.add_tensor(f"{name}.weight", draw.normal(0, 0.3, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_gguf_file_that_is_whole_and_one_that_lacks_a_tensor(tmp_path: Path) -> None:
    assert len(ask(make_gguf(tmp_path / "whole.gguf"), tmp_path).scores[0]) == 2
    with pytest.raises(UserError, match=r"it lacks 1 \(model.layers.0.self_attn.q_proj.weight\)"):
        ask(make_gguf(tmp_path / "part.gguf", leave_out="blk.0.attn_q"), tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: b"", "x.gguf is empty"),
        (lambda raw: LFS, "x.gguf is the pointer of git-lfs"),
        (lambda raw: PAGE, "x.gguf is a web page"),
        (lambda raw: raw[: len(raw) // 2], "is not a GGUF file"),
        (lambda raw: raw[:10], "is not a GGUF file"),
        (lambda raw: raw[:8] + b"\xff" * 16 + raw[24:], "is not a GGUF file"),  # numbers of tensors and of keys
        (lambda raw: raw[:4] + b"\x63" + raw[5:], "version 99"),
    ],
)
def test_a_broken_gguf_file(change: Callable[[bytes], bytes], message: str, tmp_path: Path) -> None:
    raw = make_gguf(tmp_path / "whole.gguf").read_bytes()
    (tmp_path / "x.gguf").write_bytes(change(raw))
    with pytest.raises(UserError, match=message):
        ask(tmp_path / "x.gguf", tmp_path)
