"""Rows of retrieval that rank different pools: neither compared nor marked as if they were of one pool."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Run
from judged_records import log_judged

from utils.records.reader import read_results
from utils.reporting.pages.parts import pairing

TABLE, COMPARE = "script/aggregate/aggregate_retrieval.py", "script/aggregate/compare.py"
LARGE, SMALL = {"n_passages": 4, "passage_langs": ["eng", "spa"]}, {"n_passages": 2, "passage_langs": ["eng"]}


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Of 8 questions, a answers 7 in the large pool, b none there, and c all in the small one."""
    root = tmp_path / "logs"
    log_judged(root, "org/a", "eng", [1.0] * 7 + [0.0], **LARGE)
    log_judged(root, "org/b", "eng", [0.0] * 8, **LARGE)
    log_judged(root, "org/c", "eng", [1.0] * 8, pool_langs="eng", **SMALL)
    return root


def test_rows_of_one_pool_are_compared_and_those_of_two_are_not(run: Run, logs: Path) -> None:
    done = run(COMPARE, "org/a", "org/b", "--task", "retrieval", "--format", "json")
    assert json.loads(done.stdout)["means"][0]["difference"] == pytest.approx(0.875)
    for script, flags in ((COMPARE, ()), ("script/plot/plot_compare.py", ("--dataset", "mine"))):
        other = run(script, "org/a", "org/c (pool_langs eng)", "--task", "retrieval", *flags)
        assert other.returncode == 2 and other.stderr == (
            "error: mine eng: A and B rank different pools: A 4 passages (eng spa), B 2 passages (eng)\n"
            "hint: run both with the same --pool and --langs\n"
        )


def test_marks_say_where_rows_rank_different_pools(run: Run, logs: Path) -> None:
    same = run(TABLE, "--bold", "significant", "--models", "org/a", "org/b").stdout
    assert "*87.50" in same and "pools" not in same
    tested = run(TABLE, "--bold", "significant").stdout
    assert "*100.00" in tested and "*87.50" not in tested
    assert (
        "only the highest is marked, as org/c (pool_langs eng) (A) and org/a (B) cannot be paired: mine eng" in tested
    )
    best = run(TABLE, "--bold", "best").stdout
    assert "mine: the rows rank different pools: 4 passages (eng spa); 2 passages (eng)" in best


def test_the_page_compares_records_of_one_pool_only(logs: Path) -> None:
    blocks: dict[object, int] = {}
    numbers = {}
    for result in read_results(logs, "retrieval"):
        found = pairing(result, result.path.with_name("eval_eng_10_preds.json").read_bytes(), blocks)
        numbers[result.model] = None if found is None else found["gold"]
    assert numbers["org/a"] == numbers["org/b"] != numbers["org/c"]
