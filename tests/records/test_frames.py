"""The table of records: hand-made records with known numbers, and what is broken beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from frame_records import BITEXT, ICL, LABELS, MEMBER, only, write

from utils.errors import UserError
from utils.records.columns import COLUMNS, ITEMS, KEYS, SETTING_KINDS
from utils.records.frames import load

ROW_OF_BITEXT = {  # of BITEXT at k 5
    "task": "bitext",
    "dataset": "nusax",
    "subset": "eng_ace",
    "lang": "ace",
    "src_lang": "eng",
    "tgt_lang": "ace",
    "family": "Austronesian",
    "script": "Latn",
    "setting": "xl",
    "model": "org/a",
    "row": "org/a (data indonlp/nusax@abc)",
    "seed": 42,
    "k": 5,
    "n": 4,
    "acc": 0.5,
    "acc_low": 0.1,
    "acc_high": 0.9,
    "prec": 0.25,
    "rec": 0.5,
    "f1": 0.375,
    "mrr": 0.45,
    "similarity": "cosine",
    "margin": "ratio",
    "margin_k": 4,
    "direction": "forward",
    "fuse": "score",
    "n_encoders": 1,
    "checkpoint": "org/a",
    "revision": "r1",
    "kind": "dense",
    "prompt": "query: ",
    "dtype": "fp32",
    "backend": "torch",
    "embedding_precision": "float32",
    "tuned": False,
    "dimensions": 768,
    "cache_hits": 3,
    "cache_misses": 5,
    "origin": "mirror",
    "source": "indonlp/nusax",
    "source_revision": "abc",
    "device": "cpu",
    "machine": "x86_64",
    "seconds": 1.75,
    "seconds_encode": 1.5,
    "seconds_retrieve": 0.25,
    "git_commit": "c0ffee",
    "git_dirty": False,
    "schema": 1,
    "version_python": "3.11.7",
    "version_scikit_learn": "1.9.1",
}


def test_a_record_of_bitext(tmp_path: Path) -> None:
    path = write(tmp_path, BITEXT, 5, mrr=0.45)
    row = only(load(tmp_path))
    assert row.pop("started") == pd.Timestamp("2026-11-02T10:00:00Z")
    assert row == {"path": str(path), **ROW_OF_BITEXT}


def test_how_vectors_were_made_and_reranked(tmp_path: Path) -> None:
    changed = {"passage_prompt": "passage: ", "pooling": "mean", "attention": "bidirectional", "dimensions": 64}
    member = {**MEMBER, **changed, "embedding_precision": "int8", "weight": 1.0}
    settings = {"rerank": "org/r", "rerank_depth": 50, "dimensions": 64, "vector_bytes": 64}
    about = {"name": "org/r", "kind": "llm", "revision": "r2", "dtype": "bf16", "instruction": "Judge."}
    write(tmp_path, {**BITEXT, **settings, "encoders": [member], "reranker": about}, 5, mrr=0.45)
    row = only(load(tmp_path))
    expected = {"prompt": "query: ", **changed, "embedding_precision": "int8", **settings, "kind": "dense"}
    expected |= {f"reranker_{name}": about[name] for name in ("kind", "revision", "dtype", "instruction")}
    assert {name: row[name] for name in expected} == expected


def test_the_kinds_of_an_ensemble(tmp_path: Path) -> None:
    bm25 = {"checkpoint": "baseline/bm25", "revision": "1"}  # earlier versions' records have no kind
    members = [{**MEMBER, "weight": 1.0}, {**bm25, "weight": 1.0}, {**MEMBER, "kind": "multi-vector", "weight": 1.0}]
    write(tmp_path, {**BITEXT, "encoders": members}, 5, mrr=0.45)
    assert only(load(tmp_path))["kind"] == "dense + sparse + multi-vector"


def test_the_dtypes(tmp_path: Path) -> None:
    write(tmp_path, BITEXT, mrr=0.5)
    write(tmp_path, LABELS, 10)
    frame = load(tmp_path)
    names = {name: str(dtype) for name, dtype in frame.dtypes.items()}
    assert {names[name] for name in ("task", "dataset", "lang", "family", "model", "vote", "git_commit")} == {
        "category"
    }
    assert {names[name] for name in ("seed", "k")} == {"int64"} and names["path"] == "str"
    assert {names[name] for name in ("n", "margin_k", "n_train", "limit")} == {"Int64"}
    assert {names[name] for name in ("acc", "f1_low", "mrr", "seconds_encode", "temperature")} == {"float64"}
    assert {names[name] for name in ("cross", "git_dirty", "calibrate")} == {"boolean"}
    assert isinstance(frame["started"].dtype, pd.DatetimeTZDtype)
    figures = [name for name in frame if str(name).startswith(("acc", "mrr"))]
    assert figures == ["acc", "acc_low", "acc_high", "mrr", "mrr_low", "mrr_high"] and list(frame)[: len(KEYS)] == list(
        KEYS
    )
    assert frame.groupby("task").acc.mean().to_dict() == {"bitext": 0.5, "classification": 0.5}


def test_an_empty_folder_has_the_columns_and_the_dtypes(tmp_path: Path) -> None:
    empty, empty_items = load(tmp_path), load(tmp_path, preds=True)
    assert list(empty) == list(COLUMNS) and len(empty) == len(empty_items) == 0
    assert list(empty_items) == [*KEYS, *SETTING_KINDS, *ITEMS]
    write(tmp_path, BITEXT)
    full = load(tmp_path)
    different = [name for name in empty if empty[name].dtype.kind != full[name].dtype.kind]
    assert not different and str(empty["model"].dtype) == "category"
    with pytest.raises(UserError, match="no folder of logs"):
        load(tmp_path / "typo")


def test_a_cross_record_tells_both_languages(tmp_path: Path) -> None:
    write(tmp_path, LABELS)
    row = only(load(tmp_path))
    assert (row["lang"], row["src_lang"], row["train_lang"]) == ("swh_Latn", "eng_Latn", "eng_Latn")
    assert (row["family"], row["script"], row["setting"]) == ("Atlantic-Congo", "Latn", "xl")
    assert row["cross"] and row["vote"] == "weighted" and (row["n_train"], row["n_dropped"]) == (49, 3)
    assert "tgt_lang" not in row and "weights" not in row


@pytest.mark.parametrize(
    ("dataset", "src_lang", "tgt_lang", "lang"),
    [
        ("nusax", "eng", "ace", "ace"),
        ("tatoeba", "ara", "eng", "ara"),
        ("bucc", "de", "en", "de"),
        ("nusatranslation", "ind", "abs", "abs"),
        ("sample", "spa", "eng", "spa"),
        ("mine.tsv-0", "german", "french", "french"),
        ("sample", "spa", "fra", "fra"),
    ],
)
def test_the_language_of_a_pair_is_its_less_usual_side(
    dataset: str, src_lang: str, tgt_lang: str, lang: str, tmp_path: Path
) -> None:
    pair = {"dataset": dataset, "subset": f"{src_lang}_{tgt_lang}", "src_lang": src_lang, "tgt_lang": tgt_lang}
    write(tmp_path, {**BITEXT, **pair})
    assert only(load(tmp_path))["lang"] == lang


def test_an_ensemble_has_its_members(tmp_path: Path) -> None:
    encoders = [{**MEMBER, "weight": 3.0}, {**MEMBER, "checkpoint": "org/b", "prompt": None, "weight": 1.0}]
    members = {"a": {"acc": 0.25}, "b": {"acc": 0.75}}
    write(tmp_path, {**BITEXT, "model": "a__b__weights3_1", "encoders": encoders, "tuned": {}}, members=members)
    row = only(load(tmp_path))
    assert row["n_encoders"] == 2 and row["weights"] == "3.0 1.0" and row["tuned"]
    assert row["checkpoint"] == "org/a + org/b" and row["prompt"] == "query:  + -" and row["dtype"] == "fp32"
    assert row["members"] == members


def test_a_record_of_in_context_learning(tmp_path: Path) -> None:
    write(tmp_path, ICL, 0, unparsed=0.25)
    row = only(load(tmp_path, task="icl"))
    about = {name: row[name] for name in row if name.startswith(("generator", "quant", "api"))}
    assert about == {
        "generator": "org/g",
        "generator_kind": "base",
        "generator_revision": "g1",
        "generator_dtype": "bf16",
        "quantization": "8bit",
        "api_requests": 6,
        "api_tokens_in": 100,
        "api_cost_usd": 0.5,
    }
    assert (row["model"], row["k"], row["unparsed"], row["temperature"]) == ("org/a", 0, 0.25, 0.5)
    assert (row["balance"], row["min_percentile"], row["max_percentile"], row["calibrate"]) == (True, 90, 100, False)


def test_tasks_datasets_and_debug_are_chosen(tmp_path: Path) -> None:
    for run in (BITEXT, LABELS, ICL):
        write(tmp_path, run)
    write(tmp_path / "debug", {**BITEXT, "limit": 5})
    assert list(load(tmp_path).task) == ["bitext", "classification", "icl"]
    assert list(load(str(tmp_path), task="icl").task) == ["icl"]
    assert list(load(tmp_path, dataset="nusax").task) == ["bitext"]
    everything = load(tmp_path, debug=True)
    assert len(everything) == 4 and everything.limit.dropna().tolist() == [5]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("nusax/org/a", {"subset": "eng_ace", "lang": "ace", "src_lang": "eng", "tgt_lang": "ace"}),
        ("save_bitext/bucc/org/a", {"task": "bitext", "subset": "de_en", "lang": "de", "family": "Indo-European"}),
        ("save_classification/nusax/org/a", {"task": "classification", "subset": "ace", "train_lang": "ace"}),
        ("save_classification_cross_eng/nusax/org/a", {"cross": True, "subset": "ace", "train_lang": "eng"}),
        ("save_classification/sib200/org/a", {"subset": "ace_Latn", "lang": "ace_Latn", "script": "Latn"}),
        (
            "save_icl_8bit/nusax/bigscience/bloomz-560m/org/a",
            {"task": "icl", "subset": "ace", "generator": "bigscience/bloomz-560m", "quantization": "8bit"},
        ),
    ],
)
def test_the_originals_files_are_placed_by_their_path(place: str, expected: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / place / "seed_7"
    folder.mkdir(parents=True)
    metrics = {"acc": 0.8, "prec": 0.7, "rec": 0.8, "f1": 0.75}
    (folder / f"eval_{expected['subset']}_10.json").write_text(json.dumps(metrics))
    row = only(load(tmp_path))
    assert row["model"] == "org/a" and (row["k"], row["seed"]) == (10, 7)
    assert {name: row[name] for name in expected} == expected
    assert {name: row[name] for name in metrics} == metrics and "n" not in row and "acc_low" not in row
