"""sts.py: correlations by hand and by scipy, records, tables, and mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import bm25s
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Run
from scipy.stats import pearsonr, spearmanr

from utils.data.judged import judged_subsets
from utils.data.own_sts import find_sts
from utils.data.sources import Sources
from utils.data.sts import load_sts
from utils.errors import UserError
from utils.evaluation.correlation import correlations
from utils.retrieval.aligned import aligned_scores
from utils.words import words

NGRAM = ("--model_checkpoint", "baseline/char_ngram")
ROWS = {
    "sentence1": ["a red house", "a red house", "a small dog", "we like the sea"],
    "sentence2": ["the red house", "a dog", "the small dog runs", "they went home"],
    "score": [5.0, 0.5, 3.0, 1.0],
}


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    for config in ("en-en", "en-de"):
        folder = tmp_path / "mirror" / "mteb" / "sts17-crosslingual-sts" / config
        folder.mkdir(parents=True)
        pq.write_table(pa.table(ROWS), folder / "test.parquet")
    return tmp_path / "mirror"


def test_correlations_by_hand() -> None:
    scores, gold = np.array([0.1, 0.4, 0.2, 0.3]), np.array([1.0, 4.0, 3.0, 2.0])
    metrics, ci95 = correlations(scores, gold, 0)
    assert metrics["spearman"] == pytest.approx(1 - 6 * 2 / (4 * 15))  # the ranks differ by 0, 0, 1 and 1
    assert metrics["pearson"] == pytest.approx(0.8)
    assert ci95["spearman"][0] < metrics["spearman"] <= ci95["spearman"][1]
    assert correlations(-scores, gold, 0)[0]["spearman"] == pytest.approx(-0.8)
    assert correlations(np.ones(4), gold, 0)[0] == {"spearman": 0.0, "pearson": 0.0}
    tied, judged = np.array([0.5, 0.5, 0.1, 0.9, 0.2]), np.array([2.0, 3.0, 3.0, 5.0, 1.0])
    found = correlations(tied, judged, 0)[0]
    assert found["spearman"] == pytest.approx(spearmanr(tied, judged).statistic, abs=1e-12)
    assert found["pearson"] == pytest.approx(pearsonr(tied, judged).statistic, abs=1e-12)


def test_scores_of_pairs_are_weighted_means_of_cosines() -> None:
    queries = np.array([[1, 0], [3, 4]], dtype=np.float32)
    others = np.array([[3, 4], [0, 2]], dtype=np.float32)
    left, right = np.array([0, 1, 1]), np.array([0, 1, 0])
    assert aligned_scores([(queries, others)], [1.0], left, right).tolist() == pytest.approx([0.6, 0.8, 1.0])
    both = aligned_scores([(queries, others), (others, others)], [3.0, 1.0], left, right)
    assert both.tolist() == pytest.approx([0.6 * 0.75 + 0.25, 0.8 * 0.75 + 0.25, 0.75 + 0.25 * 0.8])
    queries[0] = np.nan
    assert np.isnan(aligned_scores([(queries, others)], [1.0], left, right)).tolist() == [True, False, False]


def test_the_script_and_what_reads_its_records(run: Run, tmp_path: Path, mirror: Path) -> None:
    flags = (*NGRAM, "--data_dir", str(mirror), "--langs", "en", "de")
    planned = run("sts.py", *flags, "--dry_run")
    assert planned.returncode == 0 and "en_de" in planned.stdout, planned.stderr
    done = run("sts.py", *flags)
    assert done.returncode == 0 and "sts17: spearman\n" in done.stdout, done.stderr
    found = json.loads(next(tmp_path.glob("logs/**/eval_en_en_1.json")).read_text())
    said = json.loads(next(tmp_path.glob("logs/**/eval_en_en_1_preds.json")).read_text())
    assert found["spearman"] == pytest.approx(spearmanr(said["scores"], ROWS["score"]).statistic, abs=1e-12)
    assert found["pearson"] == pytest.approx(pearsonr(said["scores"], ROWS["score"]).statistic, abs=1e-12)
    assert found["n"] == 4 and found["run"]["src_lang"] == "en"
    assert "2 of 2 subsets are already logged" in run("sts.py", *flags).stdout
    table = run("script/aggregate/aggregate_sts.py", "--metric", "pearson")
    assert table.returncode == 0, table.stderr
    compared = run("script/aggregate/compare.py", "a", "b", "--task", "sts")
    assert compared.returncode == 2 and "sts has no metric that is a mean over items" in compared.stderr
    page = run("script/report.py", "--output", "report.html")
    assert page.returncode == 0, page.stderr


def test_mistakes(run: Run, mirror: Path) -> None:
    wrong = run("sts.py", "--dataset", "nusax")
    assert wrong.returncode == 2 and "it is one for bitext, classification" in wrong.stderr
    wrong = run("sts.py", "--langs", "en", "--data_dir", str(mirror), "--dataset", "stsb_multi", "--columns", "a")
    assert wrong.returncode == 2 and "--columns with the registered data set" in wrong.stderr
    wrong = run("sts.py", *NGRAM, "--data_dir", str(mirror))  # it has two of the eleven pairs
    assert wrong.returncode == 2 and "sts17-crosslingual-sts has no ar-ar, but en-de, en-en" in wrong.stderr
    wrong = run("sts.py", *NGRAM, "--langs", "en", "--data_dir", str(mirror), "--limit", "1")
    assert wrong.returncode == 2 and "en_en has 1 pair, and a correlation takes two" in wrong.stderr


TABLE = "sentence1\tsentence2\tscore\n" + "".join(
    f"{first}\t{second}\t{score}\n" for first, second, score in zip(*ROWS.values(), strict=True)
)


def own(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_own_tables(run: Run, tmp_path: Path) -> None:
    own(tmp_path / "mine.tsv", TABLE)
    done = run("sts.py", "--dataset", "mine.tsv", *NGRAM)
    assert done.returncode == 0 and "all" in done.stdout, done.stderr
    found = json.loads(next(tmp_path.glob("logs/**/eval_all_1.json")).read_text())
    said = json.loads(next(tmp_path.glob("logs/**/eval_all_1_preds.json")).read_text())
    assert found["n"] == 4 and said["judged"] == ROWS["score"] and found["run"]["setting"] == "mono"
    assert found["spearman"] == pytest.approx(spearmanr(said["scores"], ROWS["score"]).statistic, abs=1e-12)
    own(tmp_path / "set" / "en.tsv", TABLE)
    own(tmp_path / "set" / "en-de.tsv", TABLE)
    own(tmp_path / "set" / "zh-CN" / "test.tsv", TABLE)
    own(tmp_path / "set" / "zh-CN" / "train.tsv", TABLE)
    own(tmp_path / "set" / "README.md", "about")
    assert run("sts.py", "--dataset", "set", *NGRAM, "--langs", "en", "de").returncode == 0
    about = {path.name: json.loads(path.read_text())["run"] for path in tmp_path.glob("logs/**/set-*/**/eval_*_1.json")}
    langs = {name: (one["src_lang"], one["tgt_lang"], one["setting"]) for name, one in about.items()}
    assert langs == {"eval_en_1.json": ("en", "en", "mono"), "eval_en_de_1.json": ("en", "de", "xl")}


def test_a_correlation_that_is_undefined_has_a_note(run: Run, tmp_path: Path) -> None:
    own(tmp_path / "mine.tsv", "sentence1\tsentence2\tscore\na b\ta b\t1\nc d\tc d\t1\ne f\te g\t2\n")
    done = run("sts.py", "--dataset", "mine.tsv", *NGRAM, "--limit", "2")
    assert done.returncode == 0 and "0.00" in done.stdout
    for what in ("scores", "judgements"):
        assert f"note: all: all {what} are equal: a correlation is undefined, shown as 0" in done.stderr


def test_bm25_scores_the_words_of_one_sentence_in_the_other(run: Run, tmp_path: Path) -> None:
    own(tmp_path / "mine.tsv", TABLE)
    done = run("sts.py", "--dataset", "mine.tsv", "--model_checkpoint", "baseline/bm25", "--similarity", "dot")
    assert done.returncode == 0, done.stderr
    found = json.loads(next(tmp_path.glob("logs/**/eval_all_1_preds.json")).read_text())["scores"]
    library = bm25s.BM25()
    library.index([words(text) for text in (*ROWS["sentence1"], *ROWS["sentence2"])], show_progress=False)
    known = set(library.vocab_dict)
    for place, text in enumerate(ROWS["sentence1"]):
        asked = [word for word in words(text) if word in known]
        assert found[place] == pytest.approx(library.get_scores(asked)[4 + place], abs=1e-6)


def test_the_parts_of_own_tables(tmp_path: Path) -> None:
    sources = Sources(None, tmp_path)
    for name in ("en.tsv", "en-de.tsv"):
        own(tmp_path / "set" / name, TABLE)
    own(tmp_path / "set" / "zh-CN" / "test.tsv", TABLE)
    assert find_sts(str(tmp_path / "set")).subsets == ("en_de", "en", "zh-CN")
    rows = [{"l": "a b", "r": "b c", "s": 1, "lang": "en"}, {"l": "d", "r": "e", "s": 2.5, "lang": "en"}]
    rows += [{"l": "ein", "r": "a", "s": 2, "lang": "de-en"}, {"l": "zwei", "r": "b", "s": 0, "lang": "de-en"}]
    path = own(tmp_path / "mine.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    spec = find_sts(str(path), ["l", "r", "s", "lang"])
    assert spec.subsets == ("en", "de_en") and judged_subsets(spec, ["en"]) == ["en"]
    pairs = load_sts(spec, "de_en", sources)
    assert (pairs.src_lang, pairs.tgt_lang, pairs.gold) == ("de", "en", (2.0, 0.0))
    assert (pairs.first_texts, pairs.second_texts) == (("ein", "zwei"), ("a", "b"))
    bare = find_sts(str(own(tmp_path / "bare.csv", "a,b,4\nc,d,2\n")), no_header=True)
    assert load_sts(bare, "all", sources).gold == (4.0, 2.0)
    assert find_sts(str(path), ["r", "l", "s"]).name != find_sts(str(path), ["l", "r", "s"]).name


WRONG = {
    "score": ("a\tb\thigh", "{}: line 3: the score 'high' is not a number"),
    "comma": ("a\tb\t4,5", "{}: line 3: the score '4,5' is not a number"),
    "nan": ("a\tb\tnan", "{}: line 3: the score 'nan' is not a number"),
    "infinite": ("a\tb\t-inf", "{}: line 3: the score '-inf' is not a number"),
    "no score": ("a\tb\t", "{}: line 3: the score '' is not a number"),
    "first": (" \tb\t1", "{}: line 3: the first sentence is empty"),
    "second": ("a\t\t1", "{}: line 3: the second sentence is empty"),
    "equal": ("a\tb\t2.0", "own.tsv all: all 2 scores are equal"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_rows_of_own_tables_are_named(tmp_path: Path, case: str) -> None:
    row, message = WRONG[case]
    path = own(tmp_path / "own.tsv", f"sentence1\tsentence2\tscore\nx\ty\t2\n{row}\n")
    with pytest.raises(UserError) as caught:
        load_sts(find_sts(str(path)), "all", Sources(None, tmp_path))
    assert caught.value.what == message.format(path)


def test_own_folders_and_columns_that_cannot_be_read(tmp_path: Path) -> None:
    def refused(name: str, columns: list[str] | None = None) -> str:
        with pytest.raises(UserError) as caught:
            find_sts(str(tmp_path / name), columns)
        return caught.value.what

    own(tmp_path / "own.tsv", TABLE.replace("score", "rating"))
    assert "no columns sentence1, sentence2 and score" in refused("own.tsv")
    assert "no columns sentence1, sentence2 and score" in refused("own.tsv", ["sentence1", "sentence2"])
    assert refused("own.tsv", ["sentence1", "sentence2", "points"]).endswith("own.tsv has no column 'points'")
    own(tmp_path / "empty" / "README.md", "about")
    assert "has no tables" in refused("empty")
    own(tmp_path / "twice" / "en-de.tsv", TABLE)
    own(tmp_path / "twice" / "en_de.csv", TABLE)
    assert "en-de.tsv and en_de.csv are both of en_de" in refused("twice")
    own(tmp_path / "splits" / "de" / "train.tsv", TABLE)
    own(tmp_path / "splits" / "de" / "dev.tsv", TABLE)
    assert "de has several tables, and none called test: dev.tsv, train.tsv" in refused("splits")
    own(tmp_path / "gone.tsv", "sentence1\tsentence2\tscore\n")
    with pytest.raises(UserError, match=r"gone\.tsv all: there are no rows"):
        load_sts(find_sts(str(tmp_path / "gone.tsv")), "all", Sources(None, tmp_path))


def test_entries_of_own_folders_that_have_no_table_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("en.tsv", "fr.xlsx", "README.md", ".git/config", "de/notes.txt"):
        own(tmp_path / "pairs" / name, TABLE)
    assert find_sts(str(tmp_path / "pairs")).subsets == ("en",)
    assert capsys.readouterr().err == f"note: the folder {tmp_path}/pairs: left out, without a table: de, fr.xlsx\n"
