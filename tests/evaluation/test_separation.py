"""Shares of variance and linear probes: numbers by hand, and data whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from utils.evaluation.separation import codes_of, predicted_values, probe_accuracy, variance_between

SENTENCES = [str(row) for row in range(40)] * 2  # two languages that are parallel
LANGS = ["eng"] * 40 + ["jpn"] * 40


def parallel(apart: float) -> np.ndarray:
    """Return 40 random rows, and the same rows moved along one dimension."""
    rows = np.random.default_rng(0).normal(size=(40, 6))
    return np.concatenate([rows, rows + apart * np.eye(6)[0]])


def test_the_share_of_variance_between_groups_by_hand() -> None:
    rows = np.array([[0.0], [2.0], [4.0], [6.0]])
    # mean 3; group means 1 and 5: 4 * 2 ** 2 = 16 of 9 + 1 + 1 + 9 = 20
    share, low, high = variance_between(rows, ["a", "a", "b", "b"], [0, 1, 0, 1])
    assert share == pytest.approx(0.8) and low <= share <= high <= 1
    assert variance_between(np.ones((4, 2)), ["a", "a", "b", "b"], [0, 1, 2, 3]) == (0, 0, 0)


def test_the_interval_is_that_of_shares_without_each_sentence() -> None:
    # both languages differ by exactly 1 in each sentence: 2 * 40 * 0.25 over that plus the variance of the sentences
    rows = parallel(1.0)
    spread = ((rows[:40] - rows[:40].mean(axis=0)) ** 2).sum()
    share, low, high = variance_between(rows, LANGS, SENTENCES)
    assert share == pytest.approx(20 / (20 + 2 * spread))
    kept = [[row for row in range(80) if row % 40 != out] for out in range(40)]
    without = [variance_between(rows[of], LANGS[1:-1], [SENTENCES[row] for row in of])[0] for of in kept]
    half = 1.959964 * np.sqrt(39 / 40 * ((without - np.mean(without)) ** 2).sum())
    assert (low, high) == pytest.approx((share - half, share + half), abs=1e-6)


def test_a_language_that_is_moved_is_told_and_one_that_is_not_is_not() -> None:
    told = probe_accuracy(parallel(8.0), LANGS, SENTENCES, 42)
    assert told is not None and told[0] == 1
    same = probe_accuracy(parallel(0.0), LANGS, SENTENCES, 42)
    assert same is not None and same[0] == 0.5  # a probe says one language of two equal rows, and is right once


def test_translations_are_never_on_both_sides_of_a_fold() -> None:
    # the classes are drawn at random, and translations equal: with a translation in training, a probe knows the class
    rng = np.random.default_rng(0)
    rows = np.tile(rng.normal(size=(40, 300)), (2, 1))
    classes = codes_of(rng.integers(0, 2, 40).tolist() * 2)
    apart = predicted_values(rows, classes, codes_of(SENTENCES), 5, 42) == classes
    together = predicted_values(rows, classes, np.arange(80), 5, 42) == classes
    assert apart.mean() < 0.7 and together.mean() > 0.9


def test_a_value_of_one_sentence_has_no_probe() -> None:
    assert probe_accuracy(parallel(1.0), ["once"] + ["often"] * 79, list(range(80)), 42) is None
    assert probe_accuracy(parallel(1.0), ["one"] * 80, SENTENCES, 42) is None
