"""The table of language bias: means over the languages of the questions, worked by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Run
from judged_records import log_judged

TABLE = "script/aggregate/aggregate_retrieval.py"
GOLDEN = """\
model      data set         language    first 10    answers    difference    mean rank
-------  ----------  ---------------  ----------  ---------  ------------  -----------
org/a          mine              eng       55.00      50.00         +5.00         4.00
org/a          mine              spa       45.00      50.00         -5.00         3.00
org/a          mine  of the question       70.00      50.00        +20.00         1.50
"""


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """English questions get 75 % English passages, Spanish ones 35 %; the languages share the answers."""
    root = tmp_path / "logs"
    for subset, eng, ranks in (("eng", 0.75, (2.0, 5.0)), ("spa", 0.35, (6.0, 1.0))):
        shares = {"eng": (eng, ranks[0]), "spa": (1 - eng, ranks[1])}
        bias = {
            lang: {"first_k": share, "answers": 0.5, "rank_depth": 200, "mean_rank": rank}
            for lang, (share, rank) in shares.items()
        }
        log_judged(root, "org/a", subset, [1.0, 0.5], bias)
    log_judged(root, "org/b", "eng", [1.0, 0.5], pool="same")
    return root


def test_the_table_has_means_over_the_languages_of_the_questions(run: Run, logs: Path) -> None:
    done = run(TABLE, "--bias")
    # the question's own language has (75 + 65) / 2 % of the first passages, and the mean rank (2 + 1) / 2
    assert done.returncode == 0 and done.stdout.startswith(GOLDEN), done.stderr
    assert "means over the questions in eng spa; seed 42; similarity cosine, pool usual" in done.stdout
    of_english = json.loads(run(TABLE, "--bias", "--langs", "eng", "--format", "json").stdout)
    assert [(one["language"], one["first_k"], one["n"]) for one in of_english] == [
        ("eng", 0.75, 1),
        ("spa", 0.25, 1),
        ("of the question", 0.75, 1),
    ]


def test_what_has_no_language_bias_is_refused(run: Run, logs: Path) -> None:
    alone = run(TABLE, "--bias", "--pool", "same")
    assert alone.returncode == 2 and "error: no record has figures of several languages" in alone.stderr
    for flags in (("--ci",), ("--metric", "recall"), ("--sizes",), ("--bold", "best")):
        done = run(TABLE, "--bias", *flags)
        assert done.returncode == 2 and f"error: --bias with {flags[0]}" in done.stderr
