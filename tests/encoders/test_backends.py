"""Encoders computed by ONNX Runtime and OpenVINO, where they are installed, and what is said where they are not."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from tiny_encoders import embed, load, make_masked_lm, many_texts, spec_of

from utils.encoders import backends
from utils.encoders.cached import cache_settings
from utils.errors import UserError

BOTH = ("onnx", "openvino")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_masked_lm(tmp_path_factory.mktemp("models") / "mlm")


@pytest.mark.parametrize("backend", BOTH)
def test_vectors_are_torchs(backend: str, checkpoint: Path, tmp_path: Path) -> None:
    for package in backends.PACKAGES[backend]:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    texts = many_texts()
    expected = load(checkpoint, tmp_path, prompt="query: ").encode(texts)
    for _ in range(2):  # exported, and from the cache
        found = load(checkpoint, tmp_path, prompt="query: ", backend=backend).encode(texts)
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert len(list((tmp_path / "exported").iterdir())) == 1


@pytest.mark.parametrize("backend", BOTH)
def test_what_a_backend_cannot_do_is_said(
    backend: str, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(backends.PACKAGES, backend, ("no_such_package",))
    with pytest.raises(UserError) as caught:
        embed(checkpoint, tmp_path, ["one"], backend=backend)
    assert "needs the package no_such_package" in caught.value.what
    assert "requirements-backends.txt" in caught.value.hint
    monkeypatch.setitem(backends.PACKAGES, backend, ())
    with pytest.raises(UserError) as caught:
        embed(checkpoint, tmp_path, ["one"], backend=backend, dtype="bf16")
    assert "with --dtype bf16" in caught.value.what


def test_vectors_of_a_backend_have_a_cache_of_their_own(checkpoint: Path, tmp_path: Path) -> None:
    settings = [cache_settings(spec_of(str(checkpoint), tmp_path, backend=name)) for name in ("torch", "onnx")]
    assert "backend" not in settings[0] and settings[1]["backend"] == "onnx"
