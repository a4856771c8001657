"""What an encoder's name resolves to, and a new kind of encoder as one file and one row."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from tiny_encoders import TEXTS

from utils.encoders.cached import CachedEncoder, open_encoder
from utils.encoders.registry import ENCODERS
from utils.encoders.resolve import EncodingOptions, resolve, resolve_members
from utils.schema import EncoderSpec


class Lengths:
    """An encoder of its own kind: a text's numbers of characters and words, and its prompt's."""

    def __init__(self, spec: EncoderSpec, device: str, cache_dir: Path) -> None:
        self.prompt = len(spec.prompt or "")

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[len(text), len(text.split()), self.prompt] for text in texts], dtype=np.float32)


def test_a_new_kind_of_encoder_is_one_file_and_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("made_up_encoder")
    module.load_lengths = Lengths  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "made_up_encoder", module)
    row = EncoderSpec("made/lengths", "made_up_encoder:load_lengths", revision="1", prompt="")
    monkeypatch.setitem(ENCODERS, row.checkpoint, row)
    spec = resolve("made/lengths", tmp_path, prompt="q: ")
    encoder = open_encoder(spec, "cpu", tmp_path)
    assert encoder.missing(TEXTS) == sorted(TEXTS, key=len, reverse=True) and encoder.quote(TEXTS) == ""
    rows, candidates = encoder.embed(TEXTS, TEXTS[:1])
    assert rows.tolist() == [[11, 3, 3], [5, 2, 3], [49, 13, 3]] and candidates.tolist() == rows[:1].tolist()
    assert encoder.counts == {"hits": 0, "misses": 3} and encoder.client is None
    monkeypatch.setattr(Lengths, "encode", None)  # its vectors are in the cache from now on
    assert open_encoder(spec, "cpu", tmp_path).embed(TEXTS, [])[0].tolist() == rows.tolist()


def test_one_function_resolves_local_and_api_encoders(tmp_path: Path) -> None:
    url = EncodingOptions(base_url="http://localhost:8000")
    assert resolve("baseline/char_ngram", tmp_path).fitted
    assert resolve("embed-v4.0", tmp_path).provider == "cohere"
    assert resolve("openai:any", tmp_path).name == "openai/any"
    assert resolve("org/model", tmp_path, url).base_url == "http://localhost:8000/v1"
    members = [("baseline/char_ngram", None), ("openai:model", "q: ")]
    local, over_api = resolve_members(members, tmp_path, url)
    assert local.provider == "" and (over_api.provider, over_api.prompt) == ("openai", "q: ")
    both = resolve_members([("org/a", None), ("org/b", None)], tmp_path, url)
    assert [spec.provider for spec in both] == ["openai", "openai"]


def test_the_registrys_local_encoders_are_cached_or_fitted(tmp_path: Path) -> None:
    local = {name: spec.of_side("query") for name, spec in ENCODERS.items() if not spec.provider}
    opened = {name: open_encoder(spec, "cpu", tmp_path) for name, spec in local.items()}
    kinds = {name: isinstance(encoder, CachedEncoder) for name, encoder in opened.items()}
    assert [name for name, is_cached in kinds.items() if not is_cached] == ["baseline/bm25", "baseline/char_ngram"]
