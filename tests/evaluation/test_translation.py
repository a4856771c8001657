"""BLEU and chrF++ from the statistics of sentences: equal to sacrebleu's own, and resampled as corpora."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF

from utils.evaluation import permutation, stats
from utils.evaluation.translation import FIGURES, bleu_of, chrf_of, corpus_draws, translation_figures

ANSWERS = [
    "The cat sat on the mat.",
    "Watu wote wamezaliwa huru.",
    "ein Hund",
    "",
    "यह एक वाक्य है।",
    "Completely different words here, none shared",
    "We now have 4-month-old mice that are non-diabetic that used to be diabetic, he said.",
]
REFERENCES = [
    "The cat is on the mat.",
    "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa.",
    "ein kleiner Hund schläft",
    "an answer that is missing",
    "यह एक छोटा वाक्य है।",
    "xyz",
    "We now have 4-month-old mice that are non-diabetic that used to be diabetic, he added.",
]


def measures(tokenize: str = "13a") -> dict[str, BLEU | CHRF]:
    return {"bleu": BLEU(tokenize=tokenize), "chrf": CHRF(word_order=2)}


def alone(references: list[str]) -> list[list[str]]:
    return [[reference] for reference in references]


@pytest.mark.parametrize("tokenize", ["13a", "intl", "char", "zh"])
@pytest.mark.parametrize("rows", [slice(None), slice(0, 1), slice(2, 3), slice(3, 4), slice(5, 6), slice(2, 6)])
def test_figures_equal_sacrebleus(tokenize: str, rows: slice) -> None:
    found = translation_figures(ANSWERS[rows], alone(REFERENCES[rows]), measures(tokenize), 0)
    for name, measure in measures(tokenize).items():
        expected = measure.corpus_score(ANSWERS[rows], [REFERENCES[rows]])
        assert 100 * found.metrics[name] == pytest.approx(expected.score, abs=1e-9)
        assert found.signatures[name] == str(measure.get_signature())


def test_figures_by_hand() -> None:
    # 3 of 4 words, 1 of 3 pairs, none of 2 and 1: smoothed to 1/2 and 1/4; as long as the reference
    assert bleu_of(np.array([4, 4, 3, 1, 0, 0, 4, 3, 2, 1])) == pytest.approx(
        (3 / 4 * 1 / 3 * (1 / 2) / 2 * (1 / 4) / 1) ** 0.25
    )
    assert bleu_of(np.array([4, 8, 4, 3, 2, 1, 4, 3, 2, 1])) == pytest.approx(np.exp(1 - 8 / 4))
    assert bleu_of(np.array([2, 2, 2, 1, 0, 0, 2, 1, 0, 0])) == 0  # no answer has three words
    # precision (1/2 + 1/4) / 2, recall (1/3 + 1/8) / 2: the third order is in one side only
    precision, recall = 3 / 8, 11 / 48
    assert chrf_of(np.array([2, 3, 1, 4, 8, 1, 0, 5, 0])) == pytest.approx(
        5 * precision * recall / (4 * precision + recall)
    )
    assert chrf_of(np.zeros(24)) == 0 and bleu_of(np.zeros(10)) == 0


def test_several_references_are_those_of_sacrebleu() -> None:
    more = [reference.upper() for reference in REFERENCES]
    both = [list(pair) for pair in zip(REFERENCES, more, strict=True)]
    found = translation_figures(ANSWERS, both, measures(), 0)
    assert found.signatures["chrf"].startswith("nrefs:2|")
    for name, measure in measures().items():
        expected = measure.corpus_score(ANSWERS, [REFERENCES, more]).score
        assert 100 * found.metrics[name] == pytest.approx(expected, abs=1e-9)


def test_sentences_with_different_numbers_of_references_are_those_of_sacrebleu_with_none_for_the_missing() -> None:
    known = [[reference, reference.upper()][: 1 + place % 2] for place, reference in enumerate(REFERENCES)]
    second = [row[1] if len(row) > 1 else None for row in known]
    found = translation_figures(ANSWERS, known, measures(), 0)
    assert found.signatures["chrf"].startswith("nrefs:var|")
    for name, measure in measures().items():
        expected = measure.corpus_score(ANSWERS, [REFERENCES, second]).score  # type: ignore[list-item]
        assert 100 * found.metrics[name] == pytest.approx(expected, abs=1e-9)


def test_intervals_resample_the_corpus() -> None:
    found = translation_figures(ANSWERS, alone(REFERENCES), measures(), 7)
    counts = stats.resample_counts(len(ANSWERS), 7)
    for name, measure in measures().items():
        draws = corpus_draws(found.statistics[name], name, 7)
        for draw in (0, 1, 999):
            places = np.repeat(np.arange(len(ANSWERS)), counts[draw].astype(int))
            drawn = [ANSWERS[place] for place in places], [[REFERENCES[place] for place in places]]
            assert 100 * draws[draw] == pytest.approx(measure.corpus_score(*drawn).score, abs=1e-9)
        low, high = found.ci95[name]
        assert (low, high) == stats.percentiles(draws) and low <= found.metrics[name] <= high


def test_paired_test_swaps_sentences_between_the_corpora() -> None:
    others = [answer.replace("a", "o") for answer in ANSWERS]
    sides = [translation_figures(each, alone(REFERENCES), measures(), 0) for each in (ANSWERS, others)]
    for name, measure in measures().items():
        both = (sides[0].statistics[name], sides[1].statistics[name])
        statistic = permutation.corpus_of(both, FIGURES[name])
        swapped = np.array([[False] * 7, [True, False, True, False, False, False, True]])
        for pattern, difference in zip(swapped, statistic(swapped), strict=True):
            one = [b if swap else a for a, b, swap in zip(ANSWERS, others, pattern, strict=True)]
            other = [a if swap else b for a, b, swap in zip(ANSWERS, others, pattern, strict=True)]
            scores = [measure.corpus_score(each, [REFERENCES]).score for each in (one, other)]
            assert 100 * difference == pytest.approx(scores[0] - scores[1], abs=1e-9)
        assert 0 < permutation.p_of_swaps([(7, [statistic])], 0) <= 1
    same = permutation.corpus_of((both[0], both[0]), FIGURES["chrf"])
    assert permutation.p_of_swaps([(7, [same])], 0) == 1


def test_figures_equal_those_of_sacrebleus_command(tmp_path: Path) -> None:
    answers, references = tmp_path / "answers.txt", tmp_path / "references.txt"
    answers.write_text("\n".join(ANSWERS) + "\n", encoding="utf-8")
    references.write_text("\n".join(REFERENCES) + "\n", encoding="utf-8")
    flags = ("-i", str(answers), "-m", "bleu", "chrf", "--chrf-word-order", "2", "-w", "6")
    command = [sys.executable, "-m", "sacrebleu", str(references), *flags]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    said = {one["name"]: one for one in json.loads(printed)}
    found = translation_figures(ANSWERS, alone(REFERENCES), measures(), 0)
    assert 100 * found.metrics["bleu"] == pytest.approx(said["BLEU"]["score"], abs=1e-6)
    assert 100 * found.metrics["chrf"] == pytest.approx(said["chrF2++"]["score"], abs=1e-6)
    assert said["chrF2++"]["signature"] == found.signatures["chrf"]
