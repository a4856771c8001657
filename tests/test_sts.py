"""sts.py: correlations by hand and by scipy, records, tables, and mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Run
from scipy.stats import pearsonr, spearmanr

from utils.evaluation.correlation import correlations
from utils.retrieval.aligned import aligned_scores

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
    assert done.returncode == 0 and "sts17: spearman at k" in done.stdout, done.stderr
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
