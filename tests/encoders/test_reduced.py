"""Fewer dimensions and quantised values: those of sentence-transformers, behind a cache of whole vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_encoders import TEXTS, bert_config, byte_tokenizer, make_encoder, many_texts, one_by_one, spec_of

from utils.encoders.cached import open_encoder
from utils.encoders.reduced import bytes_of_vector, cut, quantized
from utils.errors import UserError
from utils.records.identity import encoders_identity

MANY = many_texts()[:40]


def test_int8_and_binary_codes_are_the_librarys() -> None:
    from sentence_transformers.util import quantize_embeddings

    draw = np.random.default_rng(0)
    queries, candidates = (draw.normal(size=(n, 20)).astype(np.float32) for n in (7, 50))
    ranges = np.stack([candidates.min(axis=0), candidates.max(axis=0)])
    step = (ranges[1] - ranges[0]) / 255
    for found, rows in zip(quantized(queries, candidates, "int8"), (queries, candidates), strict=True):
        codes = quantize_embeddings(rows, "int8", ranges=ranges).astype(int) + 128
        np.testing.assert_allclose(found, ranges[0] + (codes + 0.5) * step, atol=1e-5)
    for found, rows in zip(quantized(queries, candidates, "binary"), (queries, candidates), strict=True):
        bits = np.unpackbits(quantize_embeddings(rows, "ubinary"), axis=1)[:, :20]
        np.testing.assert_array_equal(found, 2.0 * bits - 1)
    assert quantized(queries, candidates, "float32")[0] is queries


def test_a_row_without_a_vector_stays_one_and_changes_no_other() -> None:
    rows = np.array([[1, -2], [np.nan, np.nan], [3, 4]], dtype=np.float32)
    for precision in ("int8", "binary"):
        found, _ = quantized(rows, rows, precision)
        assert np.isnan(found).tolist() == [[False] * 2, [True] * 2, [False] * 2]
        np.testing.assert_array_equal(found[[0, 2]], quantized(rows[[0, 2]], rows[[0, 2]], precision)[0])


def test_a_vector_has_so_many_bytes() -> None:
    sizes = [bytes_of_vector(384, "float32"), bytes_of_vector(384, "int8"), bytes_of_vector(20, "binary")]
    assert sizes == [1536, 384, 3]


def test_cut_vectors_equal_truncate_dim(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder = make_encoder(tmp_path / "m", bert_config(), byte_tokenizer(model_max_length=64))
    model = SentenceTransformer(str(folder), truncate_dim=8, device="cpu")
    whole = one_by_one(folder, MANY)
    unit = whole / np.linalg.norm(whole, axis=1, keepdims=True)
    np.testing.assert_allclose(cut(whole, 8), model.encode(MANY, batch_size=1), atol=1e-6)
    np.testing.assert_allclose(cut(unit, 8), model.encode(MANY, batch_size=1, normalize_embeddings=True), atol=1e-5)
    open_encoder(spec_of(folder, tmp_path), "cpu", tmp_path).embed(MANY, MANY)
    spec = spec_of(folder, tmp_path, dimensions=8, embedding_precision="binary")
    encoder = open_encoder(spec, "cpu", tmp_path)
    assert encoder.missing(MANY) == []
    found, _ = encoder.embed(MANY, MANY)
    np.testing.assert_array_equal(found, np.where(whole[:, :8] > 0, 1, -1))
    (identity,) = encoders_identity([spec], [1])
    assert (identity["dimensions"], identity["embedding_precision"]) == (8, "binary")
    with pytest.raises(UserError, match=r"--dimensions 33, but .* has 32"):
        open_encoder(spec_of(folder, tmp_path, dimensions=33), "cpu", tmp_path).embed(TEXTS, TEXTS)


@pytest.mark.parametrize("options", [{"dimensions": 8}, {"embedding_precision": "int8"}])
def test_baselines_have_no_vectors_to_reduce(options: dict[str, object], tmp_path: Path) -> None:
    for name in ("baseline/bm25", "baseline/char_ngram"):
        with pytest.raises(UserError, match="which is a baseline"):
            spec_of(name, tmp_path, **options)  # type: ignore[arg-type]
