"""Checkpoint folders of which one file is broken, read by the scripts that load them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from hostile import NGRAM, fault_of, usual
from hypothesis import given
from hypothesis import strategies as st
from script_runner import run_in_process
from tiny_encoders import make_masked_lm
from tiny_models import make_model

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 123\n"
DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda content: None,
    "empty": lambda content: b"",
    "a pointer": lambda content: POINTER,
    "a web page": lambda content: b"<!DOCTYPE html><html><body>404</body></html>",
    "cut": lambda content: content[: len(content) // 2],
    "a list": lambda content: b"[]",
    "an object": lambda content: b"{}",
    "null": lambda content: b"null",
    "a text": lambda content: b'"text"',
    "binary": lambda content: bytes(range(256)) * 4,
    "zeros": lambda content: bytes(len(content)),
    "nulls": lambda content: _with_all(content, None),
    "texts": lambda content: _with_all(content, "x"),
    "numbers": lambda content: _with_all(content, -1),
}


def _with_all(content: bytes, value: Any) -> bytes:
    """Return a JSON object with one value in all places, or other content as it is."""
    try:
        found = json.loads(content)
    except ValueError:
        return content
    return json.dumps(dict.fromkeys(found, value) if isinstance(found, dict) else [value]).encode()


def make_encoder(folder: Path) -> Path:
    """Save a small encoder with the files of sentence-transformers."""
    make_masked_lm(folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text(
        json.dumps({"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True})
    )
    (folder / "2_Normalize").mkdir()
    kinds = ("Transformer", "Pooling", "Normalize")
    modules = [
        {"idx": n, "name": str(n), "path": f"{n}_{kind}" if n else "", "type": f"sentence_transformers.models.{kind}"}
        for n, kind in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 32, "do_lower_case": False}))
    settings = {"prompts": {"query": "q: "}, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    return folder


class Broken:
    """Checkpoints in one folder, of which one file is broken at a time."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder, self.cache = folder, cache
        make_encoder(folder / "encoder")
        make_model(folder / "generator", "llama", chat=True)
        shutil.copytree(folder / "encoder", folder / "kept/encoder")
        shutil.copytree(folder / "generator", folder / "kept/generator")

    def files_of(self, kind: str) -> list[Path]:
        return sorted(path for path in (self.folder / kind).rglob("*") if path.is_file())

    def fault(self, path: Path, damage: str) -> str:
        """Break a file, run the script that loads the checkpoint, and return what is wrong with its end."""
        kept = self.folder / "kept" / path.relative_to(self.folder)
        content = DAMAGES[damage](kept.read_bytes())
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        if path.is_relative_to(self.folder / "encoder"):
            line = ("bitext.py", "--model_checkpoint", "encoder", "--langs", "fra", "--k", "1", "--limit", "3")
        else:
            flags = ("--gen_model_checkpoint", "generator", "--langs", "fra", "--k", "0", "--limit", "2")
            line = ("icl.py", "--model_checkpoint", NGRAM, *flags)
        before = {entry.name for entry in self.folder.parent.iterdir()}
        env = {**os.environ, "MINERS_CACHE_DIR": str(self.cache), "MINERS_DATA_DIR": ""}
        try:
            code, out, err = run_in_process(ROOT / line[0], line[1:], self.folder, env)
        finally:
            shutil.copy(kept, path)
        done: Any = type("Done", (), {"returncode": code, "stdout": out, "stderr": err})
        return fault_of(done, self.folder, before)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Broken:
    folder = tmp_path_factory.mktemp("outside") / "inside"
    folder.mkdir()
    return Broken(folder, cache_dir)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["encoder", "generator"])
def test_no_broken_file_of_a_checkpoint_ends_in_a_traceback(kind: str, broken: Broken) -> None:
    @usual(12)
    @given(path=st.sampled_from(broken.files_of(kind)), damage=st.sampled_from(list(DAMAGES)))
    def check(path: Path, damage: str) -> None:
        assert broken.fault(path, damage) == ""

    check()


@pytest.mark.slow
def test_a_panic_in_the_code_of_a_tokenizer_is_two_lines(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    def edited(content: bytes) -> bytes:
        tokenizer = json.loads(content)
        return json.dumps(
            {**tokenizer, "model": {**tokenizer["model"], "continuing_subword_prefix": "##" * 9}}
        ).encode()

    monkeypatch.setitem(DAMAGES, "edited", edited)
    assert broken.fault(broken.folder / "generator/tokenizer.json", "edited") == ""
