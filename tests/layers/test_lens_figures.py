"""The figures of the lens, worked out by hand from readings of two layers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from utils.layers.lens_figures import Options, item_values, layer_figures, sharing


def reading(tokens: list[int], probabilities: list[list[float]], rank: list[float]) -> dict[str, Any]:
    logprobs = [[math.log(value) for value in row] for row in probabilities]
    return {
        "tokens": tokens,
        "logprobs": logprobs,
        "rank": rank,
        "entropy": [2.0, 0.5],
        "error": 0.0,
        "apart": False,
    }


GERMAN = Options(("positive", "negative"), 1, ("positiv", "negativ"), ("positive", "negative"))
# the words of an item are: positive, negative, positiv, negativ; the last begins as its English neighbour does
READINGS = [
    reading([5, 6, 7, 6], [[0.1, 0.2, 0.05, 0.2], [0.4, 0.3, 0.1, 0.3]], [3.0, 2.0]),
    reading([5, 6, 7, 6], [[0.2, 0.2, 0.1, 0.2], [0.1, 0.6, 0.1, 0.6]], [27.0, 1.0]),
]


def test_values_of_items_by_hand() -> None:
    assert GERMAN.words == ("positive", "negative", "positiv", "negativ")
    found = item_values(READINGS, [GERMAN, GERMAN])
    assert found["acc"].tolist() == [[1.0, 0.0], [0.5, 1.0]]  # two equal options are right half of the time
    assert found["rank_options"].tolist() == [[1.0, 2.0], [1.5, 1.0]]
    np.testing.assert_allclose(found["p_right"], [[0.2, 0.3], [0.2, 0.6]])
    np.testing.assert_allclose(found["p_options"], [[0.3, 0.7], [0.4, 0.7]])
    np.testing.assert_allclose(found["p_own"], [[0.25, 0.4], [0.3, 0.7]])
    np.testing.assert_allclose(found["p_english"], found["p_options"])
    assert found["entropy"].tolist() == [[2.0, 0.5], [2.0, 0.5]]


def test_a_first_token_of_two_options_counts_once() -> None:
    shared = Options(("positive", "positively"), 0)
    one = reading([5, 5], [[0.25, 0.25], [0.5, 0.5]], [1.0, 1.0])
    found = item_values([one], [shared])
    np.testing.assert_allclose(found["p_options"], [[0.25, 0.5]])
    assert found["acc"].tolist() == [[0.5, 0.5]] and found["rank_options"].tolist() == [[1.5, 1.5]]
    assert "p_own" not in found and "p_english" not in found
    assert sharing([one], [shared]) == {"shared_first_tokens": 1}


def test_what_readings_share_is_counted() -> None:
    assert sharing(READINGS, [GERMAN, GERMAN]) == {"shared_languages": 2}
    english = Options(GERMAN.asked, 1, GERMAN.english, GERMAN.english)
    plain = {**READINGS[0], "tokens": [5, 6]}
    assert sharing([plain], [english]) == {}
    assert sharing([{**plain, "apart": True}], [english]) == {"apart": 1}


def test_figures_of_layers_are_means_with_intervals() -> None:
    first, last = layer_figures(item_values(READINGS * 10, [GERMAN] * 20), seed=42)
    assert first["acc"] == pytest.approx(0.75) and last["acc"] == pytest.approx(0.5)
    assert first["rank_vocab"] == pytest.approx(9.0)  # the geometric mean of 3 and 27
    assert last["rank_vocab"] == pytest.approx(math.sqrt(2))
    assert first["p_english"] == pytest.approx(0.35) and last["p_own"] == pytest.approx(0.55)
    for row in (first, last):
        for name in ("acc", "p_right", "rank_vocab"):
            assert row[f"{name}_low"] <= row[name] + 1e-9 and row[name] <= row[f"{name}_high"] + 1e-9
    assert 3 < first["rank_vocab_low"] < 9 < first["rank_vocab_high"] < 27
    assert layer_figures(item_values(READINGS * 10, [GERMAN] * 20), seed=42)[0] == first
