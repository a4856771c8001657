"""New rankings from a reranker's scores, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from utils.records.bounds import mean_bounds
from utils.rerankers.order import reorder
from utils.schema import TopK
from utils.tasks import BEFORE


def ranked(*rows: list[int]) -> TopK:
    scores = np.tile(np.linspace(0.9, 0.5, len(rows[0]), dtype=np.float32), (len(rows), 1))
    return TopK(np.array(rows, dtype=np.int64), scores)


def test_the_first_candidates_are_ordered_by_the_new_scores_and_the_others_follow() -> None:
    found = reorder(ranked([7, 3, 5, 1, 9]), np.array([[0.1, 0.8, 0.4]], dtype=np.float32))
    assert found.indices.tolist() == [[3, 5, 7, 1, 9]]
    assert found.scores[0].tolist() == pytest.approx([0.8, 0.4, 0.1, -0.9, -1.9])


def test_ties_go_to_the_lower_index() -> None:
    found = reorder(ranked([7, 3, 5, 1]), np.array([[0.5, 0.5, 0.9, 0.5]], dtype=np.float32))
    assert found.indices.tolist() == [[5, 1, 3, 7]]


def test_a_pair_without_a_score_comes_behind_those_with_one() -> None:
    found = reorder(ranked([7, 3, 5, 1]), np.array([[np.nan, 0.2, 0.6]], dtype=np.float32))
    assert found.indices.tolist() == [[5, 3, 7, 1]]
    assert found.scores[0].tolist() == pytest.approx([0.6, 0.2, -0.8, -1.8])


def test_a_query_without_scores_keeps_its_ranking() -> None:
    before = ranked([7, 3, 5], [-1, -1, -1])
    found = reorder(before, np.full((2, 3), np.nan, dtype=np.float32))
    assert (found.indices == before.indices).all() and (found.scores == before.scores).all()


@pytest.mark.parametrize("lowest", [1e9, -1e9, 3e7, 0.0])
def test_the_scores_of_the_rest_fall_whatever_the_size_of_the_new_ones(lowest: float) -> None:
    indices = np.arange(1001)[None]
    found = reorder(TopK(indices, np.zeros((1, 1001), dtype=np.float32)), np.array([[lowest]], dtype=np.float32))
    assert (np.diff(found.scores[0]) < 0).all() and found.indices.tolist() == indices.tolist()


def test_a_perfect_first_stage_is_shown_and_a_ceiling_of_1_is_not() -> None:
    assert mean_bounds([{BEFORE: 1.0, "ceiling": 1.0}]) == {BEFORE: 1.0}
