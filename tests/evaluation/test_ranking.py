"""Measures of rankings on runs that are worked out by hand, and against a plain computation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from utils.evaluation.language_bias import language_bias
from utils.evaluation.ranking import item_measures, ranking_figures

PASSAGES = ("d4", "d3", "d2", "d1")  # from the last identifier to the first
JUDGED = {"q1": {"d1": 2, "d3": 1}, "q2": {"d2": 1, "d4": 0}}
# q1: d4 and d1 have the same score, so that d4, the last identifier, is first; d3 is third. q2: all four are equal.
INDICES = np.array([[0, 3, 1], [0, 1, 2]])
SCORES = np.array([[0.5, 0.5, 0.25], [1.0, 1.0, 1.0]], dtype=np.float32)


def test_a_run_with_ties_by_hand() -> None:
    found = item_measures(INDICES, SCORES, ("q1", "q2"), PASSAGES, JUDGED, 3)
    ideal = 2 + 1 / math.log2(3)
    assert found["ndcg"].tolist() == pytest.approx([(2 / math.log2(3) + 1 / math.log2(4)) / ideal, 1 / math.log2(4)])
    assert found["recall"].tolist() == [1.0, 1.0]
    assert found["mrr"].tolist() == pytest.approx([1 / 2, 1 / 3])
    assert found["map"].tolist() == pytest.approx([(1 / 2 + 2 / 3) / 2, 1 / 3])
    assert found["hit"].tolist() == [1.0, 1.0]


def test_the_first_two_only() -> None:
    found = item_measures(INDICES, SCORES, ("q1", "q2"), PASSAGES, JUDGED, 2)
    assert found["recall"].tolist() == [0.5, 0.0] and found["hit"].tolist() == [1.0, 0.0]
    assert found["mrr"].tolist() == [0.5, 0.0] and found["map"].tolist() == [0.25, 0.0]


def test_means_ceiling_and_intervals() -> None:
    found = ranking_figures(INDICES, SCORES, ("q1", "q2"), PASSAGES, JUDGED, 1, seed=42)
    assert found.metrics == {"ndcg": 0, "recall": 0, "map": 0, "hit": 0, "mrr": 0, "ceiling_recall": 0.75}
    low, high = ranking_figures(INDICES, SCORES, ("q1", "q2"), PASSAGES, JUDGED, 2, seed=42).ci95["hit"]
    assert (low, high) == pytest.approx((0.0945, 0.9055), abs=1e-4)  # Wilson's interval of 1 of 2


def test_a_question_without_a_ranking_has_nothing() -> None:
    nothing = np.full((2, 3), -1)
    found = item_measures(nothing, np.zeros((2, 3), dtype=np.float32), ("q1", "q2"), PASSAGES, JUDGED, 3)
    assert all(values.tolist() == [0.0, 0.0] for values in found.values())


def test_as_a_plain_computation_on_random_rankings() -> None:
    rng = np.random.default_rng(0)
    passages = tuple(f"d{number:02}" for number in reversed(range(30)))
    queries = tuple(f"q{number}" for number in range(50))
    judged = {
        query: {passages[place]: int(grade) for place, grade in enumerate(rng.integers(0, 4, 30)) if place % 2}
        | {passages[0]: 1}
        for query in queries
    }
    indices = np.stack([rng.permutation(30) for _ in queries])
    scores = np.tile(np.linspace(1, 0, 30, dtype=np.float32), (50, 1))
    found = item_measures(indices, scores, queries, passages, judged, 10)
    for row, query in enumerate(queries):
        gains = [judged[query].get(passages[index], 0) for index in indices[row]]
        ideal = sorted(judged[query].values(), reverse=True)
        discounts = 1 / np.log2(np.arange(2, 12))
        n_answers = sum(grade > 0 for grade in ideal)
        at = [rank for rank, gain in enumerate(gains[:10], start=1) if gain > 0]
        assert found["ndcg"][row] == pytest.approx((gains[:10] @ discounts) / (np.array(ideal[:10]) @ discounts))
        assert found["recall"][row] == pytest.approx(len(at) / n_answers)
        assert found["map"][row] == pytest.approx(sum((i + 1) / rank for i, rank in enumerate(at)) / n_answers)
        assert found["mrr"][row] == pytest.approx(1 / at[0] if at else 0)
        assert found["hit"][row] == bool(at)


def test_the_preference_for_a_language() -> None:
    langs = ("en", "en", "sw", "sw")  # of d4, d3, d2, d1
    judged = {"q1": {"d4": 1, "d1": 1}, "q2": {"d3": 1, "d2": 1}}
    ranked = np.array([[0, 1, 2, 3], [1, 2, 0, 3]])
    found = language_bias(ranked, ("q1", "q2"), PASSAGES, langs, judged, 2)
    assert found["en"] == {"first_k": 0.75, "answers": 0.5, "rank_depth": 4, "mean_rank": 1.0}
    assert found["sw"] == {"first_k": 0.25, "answers": 0.5, "rank_depth": 4, "mean_rank": 3.0}
    cut = language_bias(ranked[:, :2], ("q1", "q2"), PASSAGES, langs, judged, 2)
    assert cut["sw"]["mean_rank"] == 2.5  # one answer is not among the first two, and counts as third
