"""Figures of a corpus in comparisons: taken anew where sentences are swapped or resampled, and for marks in tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics import CHRF

from utils.errors import UserError
from utils.evaluation.translation import translation_figures
from utils.records.reader import is_right, read_record
from utils.records.result import LoggedResult
from utils.reporting.tables import paired
from utils.reporting.tables.items import mean_draws

GOLD = ["ein kleiner Hund", "zwei große Katzen schlafen", "drei Vögel", "vier weiße Pferde"]
A = ["ein kleiner Hund", "zwei Katzen schlafen", "drei Vögel", "vier Pferde"]
B = ["ein Hund", "zwei große Katzen", "zwei Vögel", "vier weiße Pferde"]


def logged(folder: Path, answers: list[str], subset: str = "eng-deu") -> LoggedResult:
    found = translation_figures(answers, [[one] for one in GOLD], {"chrf": CHRF(word_order=2)}, 0)
    run = {"task": "icl", "dataset": "own", "model": folder.name, "subset": subset, "seed": 42, "answer_kind": "text"}
    body = {**found.metrics, "n": len(GOLD), "k": 1, "ci95": {}, "run": run}
    folder.mkdir(exist_ok=True)
    path = folder / f"eval_{subset}_1.json"
    path.write_text(json.dumps(body))
    counts = {name: rows.tolist() for name, rows in found.statistics.items()}
    preds = {"gold": GOLD, "hyp": answers, "statistics": counts}
    (folder / f"eval_{subset}_1_preds.json").write_text(json.dumps(preds))
    return read_record(path)


def test_the_figures_are_those_of_the_corpus_and_not_means_of_sentences(tmp_path: Path) -> None:
    pair = paired.pair(logged(tmp_path / "a", A), logged(tmp_path / "b", B), "chrf")
    scores = [CHRF(word_order=2).corpus_score(side, [GOLD]).score / 100 for side in (A, B)]
    assert pair.figures == pytest.approx(scores)
    (line,) = paired.lines_of([pair], 0)
    assert (line.a, line.b) == pytest.approx(scores) and line.interval[0] <= line.difference <= line.interval[1]
    assert line.odds_ratio is None and 0 < line.p <= 1
    same = paired.pair(logged(tmp_path / "a", A), logged(tmp_path / "c", A), "chrf")
    (line,) = paired.lines_of([same], 0)
    assert line.p == 1 and line.interval == (0, 0)


def test_translations_of_one_sentence_are_swapped_together_in_a_mean(tmp_path: Path) -> None:
    pairs = [
        paired.pair(logged(tmp_path / "a", A, subset), logged(tmp_path / "b", B, subset), "chrf")
        for subset in ("eng-deu", "fra-deu")
    ]
    mean, alone = paired.means_of(pairs, 0)[-1], paired.lines_of(pairs[:1], 0)[0]
    assert (mean.a, mean.b, mean.n) == (pytest.approx(alone.a), pytest.approx(alone.b), 8)
    assert mean.p == pytest.approx(alone.p, abs=0.02)  # the same swaps in both: no more evidence than one of them
    draws = mean_draws({"eng-deu": logged(tmp_path / "a", A)}, "icl", "chrf")
    assert draws is not None and draws.min() < alone.a < draws.max() + 1e-9 and np.ptp(draws) > 0


def test_predictions_without_counts_cannot_be_compared(tmp_path: Path) -> None:
    one = logged(tmp_path / "a", A)
    file = tmp_path / "a" / "eval_eng-deu_1_preds.json"
    file.write_text(json.dumps({"gold": GOLD, "hyp": A, "statistics": {"chrf": [[1], [1, 2]]}}))
    with pytest.raises(UserError, match="have no counts of chrf"):
        paired.pair(one, logged(tmp_path / "b", B), "chrf")


def test_a_span_is_right_where_it_is_exact_and_a_translation_neither_right_nor_wrong() -> None:
    assert is_right({"values": {"em": [1.0, 0.0]}}, ["a", "b"], ["A", "c"]) == [True, False]
    assert is_right({"statistics": {}}, ["a"], ["a"]) == [None]
    assert is_right({"values": {"hit": [1.0]}}, ["a"], ["b"]) == [False]
    assert is_right({"values": {"f1": [1.0]}}, ["a"], ["a"]) == [None]  # measured by the F1 of its words alone
    assert is_right({"statistics": {}, "values": {"em": [1.0]}}, ["a"], ["A"]) == [True]
