"""Measures of free answers and of judgements, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from utils.evaluation import chat


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("a b c d e f g", 0.0),  # four 4-grams, all different
        ("a b c d a b c d", 1 / 5),  # abcd, bcda, cdab, dabc, abcd
        ("no no no no no no", 2 / 3),  # three equal ones
        ("a b c", 0.0),
        ("", 0.0),
        ("很好很好很好", 1 / 3),  # three 4-grams of characters, the last is the first
    ],
)
def test_repetition_is_the_share_of_4_grams_that_were_there_before(text: str, share: float) -> None:
    assert chat.repetition(text) == pytest.approx(share)


def test_means_are_over_instructions_and_leave_out_what_has_no_value() -> None:
    values = chat.item_means([[1.0, 0.0, None], [1.0, 1.0, 1.0], [None, None, None]])
    assert values[:2].tolist() == [0.5, 1.0] and np.isnan(values[2])
    found = chat.figure(values, 42)
    assert found is not None and found[0] == 0.75 and found[1] == (0.5, 1.0)
    assert chat.figure(values[2:], 42) is None


def test_intervals_treat_the_answers_to_one_instruction_as_one() -> None:
    of_items = np.array([0.0, 1.0] * 10)
    repeated = chat.item_means([[value] * 50 for value in of_items])
    assert chat.figure(repeated, 1) == chat.figure(of_items, 1)


def test_levels_as_shares_of_the_scale() -> None:
    assert [chat.as_share(level) for level in (1, 2, 6, None)] == [0.0, 0.2, 1.0, None]


def test_weighted_kappa_by_hand() -> None:
    assert chat.weighted_kappa([1, 3, 6], [1, 3, 6]) == 1.0
    # observed: (0 + 1 + 1 + 0) / 4 = 1/2; by chance over {1, 2} and {1, 2}: P(differ) = 1/2
    assert chat.weighted_kappa([1, 1, 2, 2], [1, 2, 1, 2]) == 0.0
    # observed: 25; by chance: half of the pairs are 25 apart
    assert chat.weighted_kappa([1, 6], [6, 1]) == pytest.approx(-1.0)
    assert chat.weighted_kappa([3, 3], [3, 3]) is None and chat.weighted_kappa([], []) is None


def test_weighted_kappa_is_that_of_a_library() -> None:
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(3)
    a, b = rng.integers(1, 7, (2, 50)).tolist()
    theirs = cohen_kappa_score(a, b, labels=list(chat.LEVELS), weights="quadratic")
    assert chat.weighted_kappa(a, b) == pytest.approx(theirs, abs=1e-12)


def test_wins_and_what_the_order_does() -> None:
    verdicts = [("1", "2"), ("1", "1"), ("2", "1"), ("tie", "tie"), ("1", "tie"), (None, "2"), (None, None)]
    assert chat.win_shares(verdicts) == [1.0, 0.5, 0.0, 0.5, 0.75, 1.0, None]
    # of ten judgements in both orders, the first answer has five, the second two: those of pairs 2 and 5 change
    assert chat.position_bias(verdicts) == (pytest.approx((5 - 2) / 10), 2 / 5)
    assert chat.position_bias([(None, "1")]) is None
