"""Rows of a query, its positives and negatives: llama2-embedding's measures by hand, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Run

from utils.cli.pair_benchmark import PairBenchmark
from utils.data.judged import load_judged
from utils.data.own_judged import find_judged
from utils.data.pair_rows import read_pair_rows
from utils.data.sources import Sources
from utils.errors import UserError
from utils.retrieval.ensemble import Ensemble

ROWS = [{"query": "a", "pos": ["b"], "neg": ["c", "c"]}, {"query": "d", "pos": ["b", "a"], "neg": []}]
VECTORS = {"a": (1.0, 0.0), "b": (0.8, 0.6), "c": (0.0, 1.0), "d": (0.6, 0.8)}


def write(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_figures_by_hand(tmp_path: Path) -> None:
    path = write(tmp_path / "pairs.jsonl", *ROWS)
    data = load_judged(find_judged(str(path)), "all", Sources(None, tmp_path))
    pairs = PairBenchmark(data, read_pair_rows(path))
    queries, texts = pairs.sides
    assert queries == ["a", "d", "b", "a"] and texts == ["a", "c", "b", "d"] and pairs.n_candidates == 2
    members = [tuple(np.array([VECTORS[text] for text in side], dtype=np.float32) for side in (queries, texts))]
    ensemble = Ensemble([], [1.0])
    found = pairs.ranked(ensemble, members, 2)  # type: ignore[arg-type]
    # a, which is a passage too, is not asked of itself; b has the cosine 0.8 with a, and 0.96 with d
    assert [[texts[place] for place in row] for row in found.indices] == [["b", "c"], ["b", "c"]]
    metrics, ci95 = pairs.figures(ensemble, members, 0)  # type: ignore[arg-type]
    assert metrics == {
        "positive_score": pytest.approx((0.8 + 0.96 + 0.6) / 3, abs=1e-6),
        "negative_score": pytest.approx(1.0, abs=1e-6),
        "top1": pytest.approx(1 / 3),  # b finds d first, then a; a finds b first, then d
        "top3": 1.0,
        "top5": 1.0,
        "top10": 1.0,
    }
    assert set(ci95) == set(metrics)


def test_the_script_logs_both_kinds_of_measures(run: Run, tmp_path: Path) -> None:
    rows = [
        {"query": "the red house", "pos": ["the red houses"], "neg": ["a dog"]},
        {"query": "a small dog", "pos": ["the dog is small"], "neg": ["the red houses"]},
    ]
    path = write(tmp_path / "pairs.jsonl", *rows)
    flags = ("--dataset", str(path), "--model_checkpoint", "baseline/char_ngram")
    done = run("retrieval.py", *flags)
    assert done.returncode == 0 and "left out" not in done.stderr, done.stderr
    deepest = json.loads(next(tmp_path.glob("logs/**/eval_all_10.json")).read_text())  # of three passages
    assert deepest["k"] == 10 and deepest["recall"] == deepest["ndcg"] == 1.0
    found = json.loads(next(tmp_path.glob("logs/**/eval_all_1.json")).read_text())
    assert found["ndcg"] == 1.0 and found["top3"] == 1.0 and 0 < found["positive_score"] < 1
    again = run("retrieval.py", *flags)
    assert "1 of 1 subsets are already logged" in again.stdout
    table = run("script/aggregate/aggregate_retrieval.py", "--metric", "negative_score", "--k", "1")
    assert table.returncode == 0 and f"{100 * found['negative_score']:.2f}" in table.stdout, table.stderr
    planned = run("retrieval.py", *flags, "--overwrite", "--dry_run")
    assert planned.returncode == 0 and "pairs-" in planned.stdout


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"query": "a", "pos": []}, "line 1: the row has no positive"),
        ({"query": "", "pos": ["b"]}, "line 1: a text in query is empty"),
        ({"query": "a", "pos": ["b", 3]}, "line 1: a text in pos is no text"),
        ({"query": "a", "pos": ["b"], "neg": ["b"]}, "line 1: 'b' is in pos and in neg"),
    ],
)
def test_rows_that_are_refused(tmp_path: Path, row: object, told: str) -> None:
    with pytest.raises(UserError) as error:
        read_pair_rows(write(tmp_path / "pairs.jsonl", row))
    assert told in error.value.what
