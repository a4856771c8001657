"""Multi-vector and sparse checkpoints: rows and scores equal the library's, are cached, and run in every script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from other_encoders import PROMPTS, save_colbert, save_masked_lm, save_pylate, save_splade, save_stanford
from tiny_encoders import edit_json, spec_of
from tiny_models import make_model, sample_texts

from utils.encoders.cached import cache_settings, open_encoder
from utils.errors import UserError
from utils.records.identity import encoders_identity
from utils.retrieval.token_rows import TokenRows
from utils.retrieval.topk import topk
from utils.schema import EncoderSpec

SAVE = {"colbert": save_colbert, "pylate": save_pylate, "stanford": save_stanford, "splade": save_splade}
TEXTS = sample_texts()[:400:4]
QUERIES, DOCUMENTS = TEXTS[:20], TEXTS[10:100]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("kinds")
    return {name: save(folder / name) for name, save in SAVE.items()}


def library(folder: Path) -> Any:
    from sentence_transformers import MultiVectorEncoder, SparseEncoder

    return (SparseEncoder if folder.name.startswith("splade") else MultiVectorEncoder)(str(folder), device="cpu")


def open_one(folder: Path, cache: Path, **options: object) -> Any:
    return open_encoder(spec_of(folder, cache, **options), "cpu", cache)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["colbert", "pylate", "stanford"])
def test_vectors_and_scores_of_a_multi_vector_encoder_equal_the_librarys(
    name: str, saved: dict[str, Path], tmp_path: Path
) -> None:
    encoder = open_one(saved[name], tmp_path)
    assert (encoder.spec.kind, encoder.spec.own_similarity, encoder.spec.has_sides) == ("multi-vector", "maxsim", True)
    queries, documents = encoder.embed(QUERIES, DOCUMENTS)
    model = library(saved[name])
    full = [
        len(model.tokenizer(model.prompts[side] + text)["input_ids"])
        for side, texts in {"query": QUERIES, "document": DOCUMENTS}.items()
        for text in texts
    ]
    lost = [max(0, length - most) for length, most in zip(full, [16] * 20 + [40] * 90, strict=True)]
    tokens = {"cut": sum(map(bool, lost)), "tokens": sum(full), "tokens_lost": sum(lost)}
    assert encoder.counts == {"hits": 0, "misses": 110, **tokens} and tokens["cut"] > 20
    theirs = model.encode_query(QUERIES, convert_to_numpy=True), model.encode_document(DOCUMENTS, convert_to_numpy=True)
    for rows, expected in zip((queries, documents), theirs, strict=True):
        assert rows.lengths.tolist() == [len(row) for row in expected]
        np.testing.assert_allclose(rows.vectors, np.concatenate(expected), atol=1e-5)
    assert set(queries.lengths.tolist()) == {16} and documents.lengths.max() <= 40  # expanded, and cut
    scores = model.similarity(*theirs).numpy()
    found = topk(queries, documents, 10)
    np.testing.assert_allclose(found.scores, np.take_along_axis(scores, found.indices, 1), atol=1e-4)
    np.testing.assert_allclose(found.scores, -np.sort(-scores, axis=1)[:, :10], atol=1e-4)


def test_weights_and_scores_of_a_sparse_encoder_equal_the_librarys(saved: dict[str, Path], tmp_path: Path) -> None:
    encoder = open_one(saved["splade"], tmp_path)
    assert (encoder.spec.kind, encoder.spec.own_similarity, encoder.spec.has_sides) == ("sparse", "dot", False)
    queries, documents = encoder.embed(QUERIES, DOCUMENTS)
    assert encoder.counts["misses"] == 100  # ten texts are on both sides, which are encoded alike
    model = library(saved["splade"])
    theirs = model.encode_query(QUERIES), model.encode_document(DOCUMENTS)
    for rows, expected in zip((queries, documents), theirs, strict=True):
        np.testing.assert_allclose(rows.toarray(), expected.to_dense().numpy(), atol=1e-5)
    scores = model.similarity(*theirs).to_dense().numpy()
    found = topk(queries, documents, 10, similarity="dot")
    np.testing.assert_allclose(found.scores, np.take_along_axis(scores, found.indices, 1), rtol=1e-5)
    np.testing.assert_allclose(found.scores, -np.sort(-scores, axis=1)[:, :10], rtol=1e-5)


@pytest.mark.parametrize("name", ["colbert", "splade"])
def test_rows_come_from_the_cache_and_damaged_ones_are_encoded_again(
    name: str, saved: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    first = open_one(saved[name], tmp_path).embed(QUERIES, DOCUMENTS)

    def forbidden(*_: object) -> None:
        raise AssertionError("a model is loaded")

    with monkeypatch.context() as patch:
        patch.setattr("utils.encoders.cached.load_encoder", forbidden)
        encoder = open_one(saved[name], tmp_path)
        assert encoder.missing(QUERIES, [*DOCUMENTS, "new"]) == ["new"]
        again = encoder.embed(QUERIES[::-1], DOCUMENTS)
        assert encoder.counts["misses"] == 0
    assert same(again[0], first[0][::-1]) and same(again[1], first[1])
    chunks = sorted((tmp_path / "embeddings").glob("*/*.npy"))
    assert len(chunks) == 2 and all(chunk.with_suffix(".npy").exists() for chunk in chunks)
    content = bytearray(chunks[0].read_bytes())
    content[-1] ^= 1
    chunks[0].write_bytes(content)
    sidecar = next(path for path in chunks[1].parent.glob("*.json") if chunks[1].name in path.read_text())
    lengths = json.loads(sidecar.read_text())["lengths"]
    edit_json(sidecar, lengths=[lengths[0] + 1, lengths[1] - 1, *lengths[2:]])
    damaged = open_one(saved[name], tmp_path).embed(QUERIES, DOCUMENTS)
    assert same(damaged[0], first[0]) and same(damaged[1], first[1])
    assert capsys.readouterr().err.count("is broken; its texts are encoded again") == 2
    for change in ({"lengths": None}, {"lengths": lengths[1:]}, {"lengths": [-1, *lengths[1:]]}, {"shape": [1]}):
        edit_json(sidecar, **change)
        assert same(open_one(saved[name], tmp_path).embed(QUERIES, DOCUMENTS)[0], first[0])


def same(one: Any, other: Any) -> bool:
    if hasattr(one, "vectors"):
        return bool(np.array_equal(one.vectors, other.vectors) and np.array_equal(one.offsets, other.offsets))
    return bool(np.array_equal(one.toarray(), other.toarray()))


def test_prompts_and_lengths_are_the_checkpoints_unless_given(saved: dict[str, Path], tmp_path: Path) -> None:
    folder = saved["colbert"]
    own = open_one(folder, tmp_path).embed(QUERIES[:5], DOCUMENTS[:5])
    given = open_one(folder, tmp_path, prompt="").embed(QUERIES[:5], DOCUMENTS[:5])
    model = library(folder)
    assert model.prompts == PROMPTS
    expected = model.encode_document(DOCUMENTS[:5], prompt="", convert_to_numpy=True)
    np.testing.assert_allclose(given[1].vectors, np.concatenate(expected), atol=1e-5)
    assert not same(given[1], own[1])
    short = open_one(folder, tmp_path, max_length=8).embed(QUERIES[:5], DOCUMENTS[:5])
    assert short[1].lengths.max() <= 8 and set(short[0].lengths.tolist()) == {16}
    with pytest.raises(UserError, match=r"--max_length 100, but .* takes 64 tokens at most"):
        open_one(folder, tmp_path, max_length=100).embed(QUERIES[:1], DOCUMENTS[:1])


def test_prompts_that_are_no_texts_and_lengths_that_leave_nothing_are_told(tmp_path: Path) -> None:
    folder = save_colbert(tmp_path / "colbert")
    with pytest.raises(UserError, match="at a maximum length of 2 reads nothing of a text"):
        open_one(folder, tmp_path, max_length=2).embed(QUERIES[:1], DOCUMENTS[:1])
    edit_json(folder / "config_sentence_transformers.json", prompts={"query": 5})
    with pytest.raises(UserError, match="its prompt 'query' is 5, not a text"):
        spec_of(folder, tmp_path)


def test_the_mean_of_the_maxima_where_the_checkpoint_says_so(tmp_path: Path) -> None:
    folder = save_colbert(tmp_path / "mean", "meanmaxsim")
    queries, documents = open_one(folder, tmp_path).embed(QUERIES, DOCUMENTS)
    model = library(folder)
    scores = model.similarity(model.encode_query(QUERIES), model.encode_document(DOCUMENTS)).numpy()
    found = topk(queries, documents, 5)
    np.testing.assert_allclose(found.scores, -np.sort(-scores, axis=1)[:, :5], atol=1e-5)
    assert found.scores.max() <= 1.00001


def test_a_sparse_encoder_with_a_prompt_for_queries_has_sides(tmp_path: Path) -> None:
    folder = save_splade(tmp_path / "splade", prompts={"query": "query: ", "document": ""})
    encoder = open_one(folder, tmp_path)
    assert encoder.spec.has_sides
    queries, documents = encoder.embed(QUERIES, QUERIES)
    model = library(folder)
    np.testing.assert_allclose(queries.toarray(), model.encode_query(QUERIES).to_dense().numpy(), atol=1e-5)
    np.testing.assert_allclose(documents.toarray(), model.encode_document(QUERIES).to_dense().numpy(), atol=1e-5)
    assert not same(queries, documents)


def test_keys_and_records_say_the_kind(saved: dict[str, Path], tmp_path: Path) -> None:
    spec = spec_of(saved["splade"], tmp_path)
    assert cache_settings(spec)["kind"] == encoders_identity([spec], [1.0])[0]["kind"] == "sparse"
    dense = EncoderSpec("a", "sentence_transformers")
    assert "kind" not in cache_settings(dense) and "kind" not in encoders_identity([dense], [1.0])[0]


def test_a_projection_that_would_be_random_is_refused(saved: dict[str, Path], tmp_path: Path) -> None:
    folder = save_masked_lm(tmp_path / "bare")
    (folder / "artifact.metadata").write_text("{}")
    with pytest.raises(UserError, match="does not say HF_ColBERT"):
        spec_of(folder, tmp_path)
    torn = save_pylate(tmp_path / "torn")
    modules = json.loads((torn / "modules.json").read_text())
    (torn / "modules.json").write_text(json.dumps(modules[:1]))
    edit_json(torn / "config_sentence_transformers.json", model_type="SentenceTransformer", query_prefix="[unused0]")
    kind = spec_of(torn, tmp_path).kind
    assert kind == "dense"  # nothing says that it is one with several vectors
    edit_json(torn / "config_sentence_transformers.json", model_type="MultiVectorEncoder")
    (torn / "modules.json").unlink()
    with pytest.raises(UserError, match="projection"):
        open_one(torn, tmp_path).embed(["a"], ["b"])


@pytest.mark.parametrize("name", ["colbert", "splade"])
def test_the_scripts_run_with_them(name: str, saved: dict[str, Path], run: Run, tmp_path: Path) -> None:
    flags = ("--model_checkpoint", str(saved[name]), "--cache_dir", str(tmp_path / "cache"), "--k", "1")
    done = run("bitext.py", *flags, "--langs", "deu")
    assert done.returncode == 0 and "eng_deu" in done.stdout, done.stderr
    assert ("its own similarity is dot" in done.stderr) == (name == "splade")
    (record,) = (tmp_path / "logs" / "save_bitext").rglob("eval_eng_deu_1.json")
    content = json.loads(record.read_text())["run"]
    assert content["encoders"][0]["kind"] == ("multi-vector" if name == "colbert" else "sparse")
    back = run("bitext.py", *flags, "--langs", "deu", "--direction", "backward")
    assert back.returncode == 0, back.stderr
    assert run("classification.py", *flags, "--langs", "eng").returncode == 0
    assert run("retrieval.py", *flags, "--langs", "eng").returncode == 0
    members = ("--model_checkpoints", str(saved[name]), "baseline/char_ngram", *flags[2:], "--langs", "eng")
    for way in (("--fuse", "rank"), ("--normalize", "zscore"), ()):
        assert run("classification.py", *members, *way).returncode == 0
    generator = make_model(tmp_path / "generator", "llama")
    icl = run("icl.py", *flags, "--langs", "eng", "--gen_model_checkpoint", str(generator), "--limit", "5")
    assert icl.returncode == 0, icl.stderr


REFUSED = {
    "margins": ("bitext.py", ("--margin", "ratio"), "--margin with local/"),
    "both": ("bitext.py", ("--direction", "both"), "encodes queries and documents differently"),
    "distances": ("bitext.py", ("--similarity", "euclidean"), "--similarity euclidean with local/"),
    "legacy": ("classification.py", ("--legacy",), "--legacy with local/"),
    "pictures": ("visualize.py", (), "pictures with local/"),
    "backends": ("bitext.py", ("--backend", "onnx"), "--backend onnx with local/"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_work_is_told_before_anything_is_encoded(case: str, saved: dict[str, Path], run: Run) -> None:
    script, flags, message = REFUSED[case]
    done = run(script, *flags, "--model_checkpoint", str(saved["colbert"]))
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.strip().splitlines()) == 2, done.stderr


def test_sentence_pairs_are_encoded_once_on_one_side(saved: dict[str, Path], run: Run, tmp_path: Path) -> None:
    first, second = QUERIES[:6], [*DOCUMENTS[:5], QUERIES[0]]
    rows = [f"{one}\t{other}\t{score}" for score, (one, other) in enumerate(zip(first, second, strict=True))]
    (tmp_path / "mine.tsv").write_text("\n".join(["sentence1\tsentence2\tscore", *rows, ""]))
    model, n_texts = library(saved["colbert"]), len({*first, *second})
    flags = ("--dataset", "mine.tsv", "--model_checkpoint", str(saved["colbert"]))
    planned = run("sts.py", *flags, "--dry_run")
    assert planned.stdout.splitlines()[3].split() == ["all", "6", str(n_texts), "to", "do"], planned.stderr
    done = run("sts.py", *flags)
    assert "both sentences are encoded as queries and compared by MaxSim" in done.stderr
    record = json.loads(next(tmp_path.glob("logs/**/eval_all_1.json")).read_text())["run"]
    assert list(record["compared_by"].values()) == ["maxsim"] and record["cache"].popitem()[1]["misses"] == n_texts
    scores = json.loads(next(tmp_path.glob("logs/**/eval_all_1_preds.json")).read_text())["scores"]
    expected = model.similarity_pairwise(model.encode_query(first), model.encode_query(second))
    np.testing.assert_allclose(scores, expected.numpy(), atol=1e-5)


def test_the_list_says_the_kind_of_each_encoder(run: Run) -> None:
    lines = run("bitext.py", "--list").stdout.splitlines()
    assert any("LaBSE" in line and " dense " in line for line in lines)
    assert any("text-embedding-3-large" in line and "dense, API" in line for line in lines)
    assert any("e5-base" in line and "prompt 'query: ', passage prompt 'passage: '" in line for line in lines)
    (start,) = (place for place, line in enumerate(lines) if line.startswith("rerankers (--rerank)"))
    assert any("bge-reranker-v2-m3" in line and "cross-encoder " in line for line in lines[start:])
    assert any("Qwen3-Reranker" in line and "language model" in line for line in lines[start:])
    assert any("rerank-v3.5" in line and "$2 per 1,000 searches" in line for line in lines[start:])


def test_a_batch_that_is_too_large_is_freed_before_it_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    import torch

    from utils.encoders.other_kinds import MultiVectorModel

    sizes, handled = list[int](), list[object]()

    class Small(MultiVectorModel):
        def __init__(self) -> None:
            self.spec, self.device = EncoderSpec("m", "", batch_size=8), "cpu"

        def _encode(self, texts: list[str], side: str, batch_size: int) -> TokenRows:
            sizes.append(batch_size)
            if batch_size > 2:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return TokenRows(np.zeros((1, 2), np.float32), np.array([0, 1]))

    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: handled.append(sys.exc_info()[1]))
    Small().encode(["a"])
    assert (sizes, handled) == ([8, 4, 2], [None, None])
