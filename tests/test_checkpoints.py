"""The digest of a checkpoint's folder, links and all, and what a broken folder is told to have."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
from pathlib import Path

import pytest
from tiny_encoders import bert_config, edit_json, make_encoder, spec_of

from utils.checkpoints import check_adapter, checkpoint_errors, checkpoint_files, local_digest
from utils.encoders.cached import load_encoder
from utils.errors import UserError

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"
PAGE = b"\n<!DOCTYPE html>\n<html><body>404</body></html>"


def write(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_json", ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def test_the_digest_of_a_folder_is_that_of_earlier_versions(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", config_json="{}", sub__weights="w", onnx__model="ignored")
    lines = [f"{name} {hashlib.sha256(content).hexdigest()}\n" for name, content in
             (("config.json", b"{}"), ("sub/weights", b"w"))]  # fmt: skip
    assert local_digest(folder, tmp_path) == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_what_stands_behind_a_link_counts(tmp_path: Path) -> None:
    outside = write(tmp_path / "pooling", config_json="mean")
    folder = write(tmp_path / "m", config_json="{}")
    (folder / "1_Pooling").symlink_to(outside)
    plain = write(tmp_path / "plain", config_json="{}")
    write(plain / "1_Pooling", config_json="mean")
    before = local_digest(folder, tmp_path)
    assert before == local_digest(plain, tmp_path)  # a link to a folder is as good as a copy
    write(outside, config_json="cls!")
    assert local_digest(folder, tmp_path) != before


def test_a_link_that_is_turned_to_another_folder_of_the_checkpoint_counts(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", config_json="{}", v1__config_json="mean", v2__config_json="cls")
    (folder / "z").symlink_to("v1")
    before = local_digest(folder, tmp_path)
    (folder / "z").unlink()
    (folder / "z").symlink_to("v2")
    assert local_digest(folder, tmp_path) != before


def test_files_of_one_size_and_time_are_told_apart(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", config_json="{}", weights="old")
    digests = set()
    for content in ("old", "new"):
        (folder / "weights").unlink()
        (folder / "weights").write_text(content)
        os.utime(folder / "weights", (1, 1))
        digests.add(local_digest(folder, tmp_path))
    assert len(digests) == 2


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", config_json="{}", a__x="1", b__y="2")
    for link, target in (("a/up", ".."), ("a/b", "../b"), ("b/a", "../a"), ("gone", "nowhere"), ("me", "me")):
        (folder / link).symlink_to(target)
    files, links = checkpoint_files(folder)
    assert [str(path.relative_to(folder)) for path in files] == ["a/x", "b/y", "config.json"]
    assert links == ["a/b -> b", "a/up -> .", "b/a -> a"]
    assert len(local_digest(folder, tmp_path)) == 64


def test_names_that_are_no_utf8_have_a_digest(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", config_json="{}")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).write_text("x")
    assert len(local_digest(folder, tmp_path)) == 64


def load(folder: Path, cache: Path) -> None:
    load_encoder(spec_of(folder, cache), "cpu", cache)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("model.safetensors", b"", "model.safetensors is empty"),
        ("model.safetensors", POINTER, "model.safetensors is the pointer of git-lfs"),
        ("model.safetensors", PAGE, "model.safetensors is a web page"),
        ("model.safetensors", b"\0" * 100, "does not load: SafetensorError: "),
        ("model.safetensors", None, "does not load: Error no file named model.safetensors"),
        ("config.json", b"[1, 2]", "config.json holds no JSON object"),
        ("config.json", b"null", "config.json holds no JSON object"),
        ("config.json", b"{", "config.json is no JSON"),
        ("config.json", b"[" * 100_000, "config.json is no JSON"),
        ("1_Pooling/config.json", None, "1_Pooling/config.json, which modules.json needs, is missing"),
        ("1_Pooling/config.json", b"{}", "missing 1 required positional argument"),
        ("modules.json", b"{}", "modules.json is no list of modules"),
        ("modules.json", b"[]", "An empty modules list"),
        ("modules.json", b"[7]", "modules.json is no list of modules"),
        ("tokenizer.json", PAGE, "tokenizer.json is a web page"),
        ("tokenizer_config.json", b"\xff", "tokenizer_config.json is no JSON"),
        ("config_sentence_transformers.json", b'"x"', "config_sentence_transformers.json holds no JSON object"),
    ],
)
def test_a_broken_file_is_named(name: str, content: bytes | None, told: str, tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "m", bert_config())
    (folder / name).unlink(missing_ok=True)
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        load(folder, tmp_path)
    assert told in caught.value.what and "the checkpoint 'local/m-" in caught.value.what
    assert "\n" not in caught.value.what + caught.value.hint


def test_weights_of_a_module_that_are_missing_are_named(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "m", bert_config())
    modules = json.loads((folder / "modules.json").read_text())
    dense = {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"}
    (folder / "modules.json").write_text(json.dumps([*modules[:2], dense]))
    config = {"in_features": 32, "out_features": 16, "activation_function": "torch.nn.modules.activation.Tanh"}
    write(folder, **{"2_Dense__config_json": json.dumps(config)})
    with pytest.raises(
        UserError, match=r"does not load: 2_Dense/model.safetensors, which modules.json needs, is missing"
    ):
        load(folder, tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (POINTER, "git lfs pull"),
        (PAGE, "web page"),
        (pickle.dumps(print, protocol=2), "a pickle of anything else is not opened"),
    ],
)
def test_broken_weights_of_the_old_format_are_named(content: bytes, told: str, tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "m", bert_config())
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(UserError) as caught:
        load(folder, tmp_path)
    assert told in caught.value.what


@pytest.mark.parametrize(
    ("file", "changes", "told"),
    [
        ("config.json", {"model_type": "nope"}, "model type `nope`"),
        ("config.json", {"model_type": []}, "TypeError: unhashable type"),
        ("config.json", {"vocab_size": "x"}, "Validation error for field 'vocab_size': TypeError"),
        ("config.json", {"hidden_size": 0}, "ZeroDivisionError"),
        ("config.json", {"hidden_act": "zzz"}, "KeyError: 'zzz'"),
        ("tokenizer_config.json", {"model_max_length": "x"}, "TypeError: '<' not supported"),
        ("tokenizer_config.json", {"model_max_length": -1}, "a maximum length of -1 reads nothing of a text"),
        ("1_Pooling/config.json", {"pooling_mode": "x"}, "Invalid pooling mode: 'x'"),
        ("config_sentence_transformers.json", {"prompts": []}, "'list' object has no attribute"),
        ("config_sentence_transformers.json", {"truncate_dim": "x"}, "cannot encode these texts: TypeError"),
        (
            "config_sentence_transformers.json",
            {"prompts": {"q": 5}, "default_prompt_name": "q"},
            "'q' is 5, not a text",
        ),
    ],
)
def test_values_that_a_library_trips_over_are_told_in_two_lines(
    file: str, changes: dict[str, object], told: str, tmp_path: Path
) -> None:
    folder = make_encoder(tmp_path / "m", bert_config())
    edit_json(folder / file, **changes)
    with pytest.raises(UserError) as caught:
        load(folder, tmp_path)
    assert told in caught.value.what and "\n" not in caught.value.what


def test_errors_that_others_tell_apart_pass() -> None:
    for error in (OSError(errno.ENOSPC, "full"), MemoryError(), RuntimeError("can't allocate memory"), UserError("x")):
        with pytest.raises(type(error)) as caught, checkpoint_errors("it", None):
            raise error
        assert caught.value is error
    with pytest.raises(UserError) as told, checkpoint_errors("it", None, fails="cannot encode", hint="do"):
        json.loads("{")
    assert (told.value.hint, told.value.what[:50]) == ("do", "the checkpoint 'it' cannot encode: Expecting prope")


def test_an_adapter_is_not_left_out_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_encoder(tmp_path / "m", bert_config())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    check_adapter(str(folder), None, "it")
    edit_json(folder / "adapter_config.json", peft_type="LORA")
    with pytest.raises(UserError, match=r"'it' has an adapter \(adapter_config.json\), which needs the package peft"):
        check_adapter(str(folder), None, "it")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    check_adapter(str(folder), None, "it")
