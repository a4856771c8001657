"""From labels' log-probabilities to a label, worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from utils.answers import LabelScores
from utils.generators.label_choice import calibrate, constrained_choice, label_scores, log_softmax

SCORES = LabelScores(((1, 2), (3,), (1, 4, 5)), ((-1.0, -2.0), (-2.5,), (-1.0, -3.0, -0.5)))
LABELS = ("ab", "c", "dé")


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        ("token", [-1.5, -2.5, -1.5]),
        ("sum", [-3.0, -2.5, -4.5]),
        ("byte", [-1.5, -2.5, -1.5]),
    ],
)
def test_length_norms(norm: str, expected: list[float]) -> None:
    assert label_scores(SCORES, LABELS, norm).tolist() == pytest.approx(expected)


def test_calibration_by_hand() -> None:
    text = np.log([0.6, 0.3, 0.1])  # the likeliest label is the one that the model always prefers
    empty = [np.log([0.8, 0.1, 0.1]), np.log([0.6, 0.3, 0.1])]  # mean 0.7, 0.2, 0.1
    found = calibrate(text - 5.0, [value + 3.0 for value in empty])
    assert np.exp(found).tolist() == pytest.approx([0.6 / 0.7, 0.3 / 0.2, 0.1 / 0.1])
    assert found.argmax() == 1
    assert np.exp(log_softmax(np.array([1.0, 1.0]))).tolist() == pytest.approx([0.5, 0.5])


def test_constrained_decoding_takes_the_likeliest_branch_at_each_token() -> None:
    rng = np.random.default_rng(0)
    assert constrained_choice(SCORES, 0.0, rng) == 0  # token 1 over 3, then 2 over 4; the label 3 has the best sum
    later = LabelScores(((1, 2), (3,), (1, 4)), ((-1.0, -9.0), (-2.5,), (-1.0, -3.0)))
    assert constrained_choice(later, 0.0, rng) == 2


def test_constrained_sampling_follows_the_renormalised_branches() -> None:
    two = LabelScores(((1,), (2,)), ((math.log(0.06),), (math.log(0.02),)))
    draws = [constrained_choice(two, 1.0, np.random.default_rng([7, place])) for place in range(2000)]
    assert np.mean(draws) == pytest.approx(0.25, abs=0.03)
    assert draws == [constrained_choice(two, 1.0, np.random.default_rng([7, place])) for place in range(2000)]
