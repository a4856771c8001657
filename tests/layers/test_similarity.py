"""Likeness of languages at a layer, rankings, and what they are compared with: numbers by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_records import ICL
from record_files import write_record

from utils.errors import UserError
from utils.layers.against import read_numbers
from utils.layers.ranking import agreement, ranking, ranks_of
from utils.layers.rows import as_csv
from utils.layers.similarity import similarity_at
from utils.schema import RunRecord


def sides(n: int = 60, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Return two languages in which each sentence is a common mean, a mean of the language, and the sentence."""
    rng = np.random.default_rng(0)
    sentence, means = rng.normal(size=(n, 16)), 4 * np.eye(16)
    a, b = (sentence + noise * rng.normal(size=(n, 16)) + means[0] + means[place] for place in (1, 2))
    return a.astype(np.float32), b.astype(np.float32)


def test_raw_cosines_of_unrelated_sentences_are_high_and_centred_ones_about_zero() -> None:
    row = similarity_at(*sides(), 42).row
    assert row["cosine"] > row["unrelated"] > 0.3 and row["ratio"] == pytest.approx(row["cosine"] / row["unrelated"])
    assert row["centred"] > 0.7 > row["common"]  # the common mean leaves the languages' own in
    assert row["neighbours"] > 2 * row["chance"] and row["chance"] == pytest.approx(10 / 59)
    for name in ("cosine", "unrelated", "centred", "common", "ratio", "neighbours", "cka", "cka_debiased"):
        assert row[f"{name}_low"] < row[name] < row[f"{name}_high"], name


def test_a_language_is_wholly_like_itself() -> None:
    a, _ = sides()
    row = similarity_at(a, a, 42).row
    assert [row[name] for name in ("cosine", "centred", "neighbours", "cka", "cka_debiased")] == pytest.approx([1] * 5)


def test_figures_of_few_sentences_and_of_equal_vectors_are_left_out_where_they_are_undefined() -> None:
    a, b = sides(3)
    row = similarity_at(a, b, 42).row
    assert "cka" not in row and row["chance"] == 0.5 and np.isfinite(row["unrelated_low"])
    equal = similarity_at(np.ones_like(a), np.ones_like(a), 42).row
    assert equal["cosine"] == pytest.approx(1) and equal["centred"] == 0 and equal["ratio"] == pytest.approx(1)


def test_ranks_by_hand_and_equal_values_share_the_best() -> None:
    assert ranks_of(np.array([[0.2, 0.9, 0.2, 0.1], [1.0, 2.0, 3.0, 4.0]])).tolist() == [[2, 1, 2, 4], [4, 3, 2, 1]]


def test_parallel_languages_draw_the_same_sentences() -> None:
    hard = np.random.default_rng(0).normal(size=50)
    items = {"deu": hard + 0.01, "fra": hard, "quy": hard - 2}
    found = ranking(items, dict.fromkeys(items, "the same"), 42)
    assert [(one.lang, one.rank, one.rank_low, one.rank_high) for one in found] == [
        ("deu", 1, 1, 1),
        ("fra", 2, 2, 2),
        ("quy", 3, 3, 3),
    ]
    assert found[0].low < found[0].value < found[0].high
    apart = ranking(items, {lang: lang for lang in items}, 42)
    assert (apart[0].rank_low, apart[0].rank_high) == (1, 2)  # other sentences: the order of the first two is not known
    assert ranking({}, {}, 42) == []


def test_agreement_is_of_the_languages_that_both_have() -> None:
    values = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "e": 9.0}
    found = agreement(values, {"a": 10, "b": 20, "d": 30, "c": 40, "x": 0}, 42)
    assert found is not None and found[0] == pytest.approx(0.8) and found[1] < 0.8 <= found[2]
    assert agreement(values, {"a": 10, "b": 20, "c": 30}, 42) is None
    assert agreement(values, dict.fromkeys("abcd", 5.0), 42) is None


def test_a_table_of_numbers(tmp_path: Path) -> None:
    path = tmp_path / "share.csv"
    path.write_text("Language,share,name\nen,46.5,English\nde,5.9,German\nzh,,Chinese\n")
    found = read_numbers(path)
    assert found.title == "share of share.csv" and found.of(["deu_Latn", "eng", "zho_Hans"]) == {
        "deu_Latn": 5.9,
        "eng": 46.5,
    }


def test_percentages_are_read_and_languages_without_a_number_left_out(tmp_path: Path) -> None:
    path = tmp_path / "share.csv"
    path.write_text("lang,share,notes\nen,46.5%,\nde,5.9 %,\nzh,NaN,\nsw,n/a,\nfr,-,\nhi,-0.5%,\n")
    assert dict(read_numbers(path).values) == {"en": 46.5, "de": 5.9, "hi": -0.5}
    lines = path.with_suffix(".jsonl")
    lines.write_text('{"lang": "en", "share": 0.5}\n{"lang": "de", "share": null}\n{"lang": "fr", "share": NaN}\n')
    assert dict(read_numbers(lines).values) == {"en": 0.5}


@pytest.mark.parametrize(
    ("text", "column", "what"),
    [
        ("tongue,share\nen,1\n", None, "no column of languages: tongue, share"),
        ("lang,a,b\nen,1,2\n", None, "2 columns of numbers: a, b"),
        ("lang,a\nen,much\n", None, "no column of numbers: lang, a"),
        ("lang,a\nen,much\n", "a", "line 2: 'much' is no number"),
        ("lang,a\nen,nan\nde,\n", "a", "the column a has no number"),
        ("lang,a\nen,inf\n", "a", "line 2: 'inf' is no number"),
        ('lang,a\nen,"1,234"\n', "a", "line 2: '1,234' is no number"),
        ("lang,a\nen,12%\nde,0.1\n", None, "line 3: '0.1', but other numbers are percentages"),
        ("lang,a\nen,1\nde,12%\n", None, "line 3: '12%', but other numbers are no percentages"),
        ("lang,a\nen,1\n", "b", "no column b: lang, a"),
        ("lang,a\nen,1\nen,2\n", None, "line 3: a second number of en"),
    ],
)
def test_tables_that_name_no_number(tmp_path: Path, text: str, column: str | None, what: str) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=what):
        read_numbers(path, column)


def record(folder: Path, lang: str, acc: float, k: int = 0) -> None:
    """Write a record of in-context learning."""
    run = {**ICL, "dataset": "sib200", "model": "gemma", "subset": lang, "seed": 42}
    metrics = dict.fromkeys(("acc", "prec", "rec", "f1"), acc)
    write_record(folder, lang, RunRecord(metrics, {}, 10, k, run), {"gold": ["a"], "hyp": ["a"]})


def test_scores_by_language_of_records(tmp_path: Path) -> None:
    for lang, acc in (("eng_Latn", 0.5), ("swh_Latn", 0.25)):
        record(tmp_path / "debug", lang, acc)
    found = read_numbers(tmp_path)
    assert found.of(["en", "swh_Latn", "deu_Latn"]) == {"en": 0.5, "swh_Latn": 0.25}
    assert "icl.py on sib200, k 0" in found.title
    record(tmp_path / "more", "eng_Latn", 0.5, k=4)
    with pytest.raises(UserError, match="records of 2 runs"):
        read_numbers(tmp_path)
    with pytest.raises(UserError, match="no such file"):
        read_numbers(tmp_path / "none.csv")


def test_a_name_of_a_language_that_a_spreadsheet_would_evaluate_is_text() -> None:
    rows = {"=1+1": [{"layer": 0, "depth": 0.0, "pooling": None, "f1": -0.5, "mrr": None}]}
    lines = as_csv(rows, {"model": "a"}, ("f1", "mrr")).decode().splitlines()
    assert lines == ["model,subset,layer,depth,pooling,f1,mrr", "a,'=1+1,0,0.0,,-0.5,"]
