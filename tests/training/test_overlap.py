"""Test texts among training rows are counted and left out."""

from __future__ import annotations

from utils.training.overlap import TestTexts, find_overlap

TESTS = ["The cat sat.", "Ein Haus  ", "दिन या", "12:30", ""]
ROWS = [
    ["a dog"],
    ["the CAT, sat!!"],  # near
    ["a dog", " The cat sat. "],  # exact, in the second text
    ["the cat sat", "Ein Haus"],  # near and exact: it counts as exact
    ["दान या"],  # another word
    ["13:30"],  # a number is no duplicate of another one
    [""],
    [],
]


def test_rows_with_a_test_text_are_counted_once() -> None:
    found = find_overlap(ROWS, TestTexts(TESTS))
    assert found.counts() == {"test texts": 4, "rows": 8, "exact": 2, "near": 1}
    assert found.clean == (0, 4, 5, 6, 7)
    assert "3 of 8 training rows have one of 4 test texts in them (2 exactly, 1 nearly)" in found.describe(dropped=True)


def test_rows_without_a_test_text() -> None:
    found = find_overlap(ROWS[:1], TestTexts(TESTS))
    assert found.clean == (0,)
    assert found.describe(dropped=False) == "none of 1 training rows has one of 4 test texts in it"
    assert find_overlap(ROWS, TestTexts([])).clean == tuple(range(8))
