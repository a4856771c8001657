"""Which training texts a prompt shows, on rows small enough to rank by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from utils.errors import UserError
from utils.generators import demonstrations as ways
from utils.retrieval.topk import topk
from utils.schema import TopK

ANGLES = np.radians([0.0, 10.0, 20.0, 30.0, 60.0, 80.0])
TRAIN = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1).astype(np.float32)
TEST = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)


def search(candidates: ways.Ints, k: int, queries: slice) -> TopK:
    return topk(TEST[queries], TRAIN[candidates], k)


def as_lists(found: list[ways.Ints]) -> list[list[int]]:
    return [indices.tolist() for indices in found]


def test_nearest() -> None:
    assert as_lists(ways.nearest(search, 6, 2)) == [[0, 1], [5, 4]]


def test_balanced_has_k_of_each_label_in_the_labels_order() -> None:
    labels = np.array([1, 1, 0, 0, 1, 0])
    assert as_lists(ways.balanced(search, labels, 2, 1)) == [[2, 0], [5, 4]]
    assert as_lists(ways.balanced(search, labels, 2, 2)) == [[2, 3, 0, 1], [5, 3, 4, 1]]
    few = np.array([0, 0, 0, 0, 0, 2])  # label 1 has no text, label 2 a single one
    assert as_lists(ways.balanced(search, few, 3, 2)) == [[0, 1, 5], [4, 3, 5]]


def test_a_rank_band(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "BLOCK", 1)  # as many blocks as test texts
    assert as_lists(ways.rank_band(search, 2, 6, 1, 50, 100)) == [[3], [2]]
    assert as_lists(ways.rank_band(search, 2, 6, 2, 0, 34)) == [[0, 1], [5, 4]]  # floor(6 * 34 / 100) = 2
    with pytest.raises(UserError, match="contain 0, but --k is 1"):
        ways.rank_band(search, 2, 6, 1, 90, 95)


def test_random_depends_on_seed_and_place_alone() -> None:
    found = as_lists(ways.at_random(5, 100, 3, 42))
    assert found == as_lists(ways.at_random(9, 100, 3, 42))[:5]
    assert found != as_lists(ways.at_random(5, 100, 3, 43))
    assert all(len(set(indices)) == 3 for indices in found)


def test_bm25_by_hand() -> None:
    train = ["the cat", "the dog dog", "a bird sang", "the the the"]
    assert as_lists(ways.by_bm25(["a DOG barked", "cat the"], train, 2)) == [[1, 2], [0, 3]]
    assert as_lists(ways.by_bm25(["unheard of", ""], train, 2)) == [[0, 1], [0, 1]]  # ties to the lower index


def test_words_of_scripts_without_blanks_are_pairs() -> None:
    assert ways.words("Das Haus, 3x!") == ["das", "haus", "3x"]
    assert ways.words("我爱你") == ["我爱", "爱你"]
    assert ways.words("ab我") == ["ab", "我"]
    assert ways.by_bm25(["喜欢音乐"], ["天气很好", "音乐很好听"], 1)[0].tolist() == [1]


def test_diverse_by_hand() -> None:
    def likeness(indices: ways.Ints) -> np.ndarray:
        rows = TRAIN[indices].astype(np.float64)
        return rows @ rows.T

    def gain(candidate: int, chosen: list[int]) -> float:
        near = math.cos(ANGLES[candidate])
        return 0.5 * near - 0.5 * max(math.cos(ANGLES[candidate] - ANGLES[other]) for other in chosen)

    found = as_lists(ways.diverse(search, likeness, 6, 3))[0]
    assert found[0] == 0
    second = max(range(1, 6), key=lambda candidate: (round(gain(candidate, [0]), 6), -candidate))
    assert found[1] == second
    assert sorted(found) == sorted(set(found))
    turned = as_lists(ways.diverse(search, likeness, 6, 2))[1]
    assert turned[0] == 5 and turned[1] == max((0, 1, 2, 3, 4), key=lambda c: _gain_from_top(c))


def _gain_from_top(candidate: int) -> float:
    return 0.5 * math.sin(ANGLES[candidate]) - 0.5 * math.cos(ANGLES[candidate] - ANGLES[5])
