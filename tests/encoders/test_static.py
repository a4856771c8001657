"""Static encoders, of sentence-transformers and of model2vec: vectors equal those of their libraries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from other_encoders import save_model2vec, save_static
from safetensors.numpy import load_file
from tiny_encoders import embed, spec_of
from tiny_models import sample_texts
from tokenizers import Tokenizer

from utils.errors import UserError

TEXTS = [*sample_texts()[:20], "", "a"]


def by_hand(folder: Path, texts: list[str], *, normalize: bool = True) -> Any:
    """What model2vec computes: the mean of the weighted vectors of a text's tokens, of length 1 if asked for."""
    tensors = load_file(folder / "model.safetensors")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    rows = tensors["embeddings"].astype(np.float64)
    rows = rows[tensors["mapping"]] * tensors["weights"][:, None] if "mapping" in tensors else rows
    found = np.zeros((len(texts), rows.shape[1]))
    for place, text in enumerate(texts):
        if ids := tokenizer.encode(text, add_special_tokens=False).ids:
            found[place] = rows[ids].mean(axis=0)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return found / np.where(lengths == 0, 1, lengths) if normalize else found


def test_vectors_of_a_static_embedding_are_the_librarys(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder = save_static(tmp_path / "m")
    whole = SentenceTransformer(str(folder), device="cpu")
    np.testing.assert_allclose(embed(folder, tmp_path, TEXTS), whole.encode(TEXTS), atol=1e-6)
    cut = SentenceTransformer(str(folder), device="cpu", truncate_dim=8)
    np.testing.assert_allclose(embed(folder, tmp_path, TEXTS, dimensions=8), cut.encode(TEXTS), atol=1e-6)
    asked = whole.encode(TEXTS, prompt="query: ")
    spec = spec_of(folder, tmp_path, "query: ")
    assert (spec.kind, spec.model) == ("dense", "static")
    from utils.encoders.cached import open_encoder

    np.testing.assert_allclose(open_encoder(spec, "cpu", tmp_path).embed(TEXTS, TEXTS)[0], asked, atol=1e-6)


@pytest.mark.parametrize("is_small", [False, True])
@pytest.mark.parametrize("normalize", [False, True])
def test_vectors_of_model2vec_are_the_librarys(is_small: bool, normalize: bool, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder = save_model2vec(tmp_path / "m", is_small=is_small, normalize=normalize)
    found = embed(folder, tmp_path, TEXTS)
    np.testing.assert_allclose(found, SentenceTransformer(str(folder), device="cpu").encode(TEXTS), atol=1e-6)
    np.testing.assert_allclose(found, by_hand(folder, TEXTS, normalize=normalize), atol=1e-6)


@pytest.mark.parametrize(
    "saved",
    [
        {"modules": False},
        {"modules": False, "normalize": False},
        {"dtype": "int8"},
        {"dtype": "int8", "is_small": True},
    ],
)
def test_what_the_library_does_not_read_of_model2vec_is_read(saved: dict[str, Any], tmp_path: Path) -> None:
    folder = save_model2vec(tmp_path / "m", **saved)
    expected = by_hand(folder, TEXTS, normalize=saved.get("normalize", True))
    np.testing.assert_allclose(embed(folder, tmp_path, TEXTS), expected, atol=1e-6)
    assert spec_of(folder, tmp_path).model == "static"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "mean"}, "--pooling mean with"),
        ({"attention": "bidirectional"}, "--attention bidirectional with"),
        ({"backend": "onnx"}, "--backend onnx"),
        ({"max_length": 4}, "--max_length 4 with .* static"),
    ],
)
def test_options_that_a_static_encoder_lacks_are_errors(
    options: dict[str, object], message: str, tmp_path: Path
) -> None:
    folder = save_static(tmp_path / "m")
    with pytest.raises(UserError, match=message):
        embed(folder, tmp_path, TEXTS, **options)


def test_a_checkpoint_without_vectors_is_an_error(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    folder = save_model2vec(tmp_path / "m")
    save_file({"other": np.zeros((2, 2), np.float32)}, folder / "model.safetensors")
    with pytest.raises(UserError, match="has no vectors of tokens"):
        embed(folder, tmp_path, TEXTS)


def test_a_run_says_that_its_encoder_is_static(tmp_path: Path, run: Run) -> None:
    folder = save_model2vec(tmp_path / "static", is_small=True)
    flags = ("--langs", "spa", "--k", "1", "--model_checkpoint", str(folder))
    assert "(static), device cpu" in run("bitext.py", *flags, "--dry_run").stdout
    done = run("bitext.py", *flags)
    assert done.returncode == 0 and done.stderr.strip() == "", done.stderr
    (record,) = (json.loads(path.read_text()) for path in tmp_path.glob("logs/**/eval_eng_spa_1.json"))
    assert record["run"]["vector_bytes"] == 64 and "kind" not in record["run"]["encoders"][0]
