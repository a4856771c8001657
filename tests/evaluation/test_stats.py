"""Paired tests and intervals against values worked by hand or taken from the publication of the method."""

from __future__ import annotations

import numpy as np
import pytest

from utils.evaluation import stats


def test_mcnemar_is_twice_the_binomial_tail() -> None:
    # 1 of 6: 2 * (1 + 6) / 64; 0 of 6: 2 / 64; 2 of 10: 2 * (1 + 10 + 45) / 1024
    assert stats.mcnemar(1, 5) == stats.mcnemar(5, 1) == pytest.approx(14 / 64)
    assert stats.mcnemar(6, 0) == pytest.approx(2 / 64)
    assert stats.mcnemar(8, 2) == pytest.approx(112 / 1024)
    assert stats.mcnemar(3, 3) == 1.0 and stats.mcnemar(0, 0) == 1.0


def test_few_permutations_are_enumerated() -> None:
    # sums of +-1 +-2 +-4 are -7 -5 -3 -1 1 3 5 7: as large as 5 are 4 of 8
    assert stats.paired_permutation(np.array([-1.0, 2.0, 4.0]), 0) == 0.5
    assert stats.paired_permutation(np.array([1.0, 2.0, 4.0]), 0) == 0.25
    assert stats.paired_permutation(np.array([0.0, 1.0, 0.0]), 0) == 1.0
    assert stats.paired_permutation(np.zeros(5), 0) == stats.paired_permutation(np.array([]), 0) == 1.0


def test_enumeration_of_unit_differences_is_mcnemar() -> None:
    items = np.array([1.0] * 8 + [-1.0] * 2 + [0.0] * 50)
    assert stats.paired_permutation(items, 0) == pytest.approx(stats.mcnemar(8, 2))


def test_equal_sums_count_as_equal_in_any_order_of_addition() -> None:
    assert stats.paired_permutation(np.full(10, 0.1), 0) == 2 / 1024
    assert stats.paired_permutation(np.array([0.1, 0.2, -0.3]), 0) == 1.0


def test_drawn_permutations_are_seeded_and_their_p_is_near_the_exact_one_and_never_zero() -> None:
    items = np.array([1.0] * 20 + [-1.0] * 10)
    p = stats.paired_permutation(items, 1)
    assert p == stats.paired_permutation(items, 1) != stats.paired_permutation(items, 2)
    assert p == pytest.approx(stats.mcnemar(20, 10), abs=0.01)
    assert stats.paired_permutation(np.ones(60), 1) == 1 / 10_001


def test_holm_by_hand() -> None:
    # sorted .01 .02 .03 .04 times 4 3 2 1: .04 .06 .06 .04, then made non-decreasing
    assert stats.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert stats.holm([0.6, 0.7]) == [1.0, 1.0] and stats.holm([0.02]) == [0.02] and stats.holm([]) == []


def test_odds_ratio_is_finite() -> None:
    assert stats.odds_ratio(7, 2) == 3.0 and stats.odds_ratio(0, 0) == 1.0 and stats.odds_ratio(2, 0) == 5.0


def test_the_interval_of_a_paired_difference_equals_newcombes_example() -> None:
    assert stats.paired_difference(36, 12, 2, 0) == pytest.approx((0.0569, 0.3404), abs=5e-5)  # his table, method 10
    low, high = stats.paired_difference(36, 2, 12, 0)
    assert (low, high) == pytest.approx((-0.3404, -0.0569), abs=5e-5)


def test_models_that_never_differ_have_an_interval_of_positive_width() -> None:
    low, high = stats.paired_difference(20, 0, 0, 0)
    assert low == -high == pytest.approx(-0.1611, abs=1e-4)  # Wilson's of 20 of 20 reaches down by 0.1611
    low, high = stats.paired_difference(10, 0, 0, 10)
    assert -0.2 < low < 0 < high < 0.2


@pytest.mark.parametrize(("n", "discordant"), [(100, 0.2), (1000, 0.1), (200, 0.5), (70, 0.3)])
def test_the_smallest_difference_satisfies_connors_sample_size(n: int, discordant: float) -> None:
    least = stats.smallest_difference(n, discordant)
    assert least is not None and least < discordant
    needed = (1.959964 * discordant**0.5 + 0.841621 * (discordant - least**2) ** 0.5) ** 2 / least**2
    assert needed == pytest.approx(n, rel=1e-4)


def test_the_smallest_difference_if_all_discordant_items_favour_one_side() -> None:
    # all discordant on one side: n d = (1.96 + 0.8416 sqrt(1 - d))^2; at n = 100, d = .0768: (1.96 + .8086)^2 = 7.67
    assert stats.smallest_difference(100, 0.0) == pytest.approx(0.0767, abs=2e-4)
    assert stats.smallest_difference(100, 0.01) == stats.smallest_difference(100, 0.0)
    assert stats.smallest_difference(3, 0.5) is None
    least = stats.smallest_difference(10, 0.2)
    assert least is not None and 0.2 < least < 1


def test_the_hierarchical_interval_of_one_language_is_its_bootstrap() -> None:
    values = np.random.default_rng(0).random(50)
    assert stats.hierarchical_mean([values], 42) == pytest.approx(stats.bootstrap_mean(values, 43))


def test_differences_between_languages_widen_the_interval() -> None:
    same = [np.tile([0.0, 1.0], 50) for _ in range(8)]
    apart = [np.full(100, value) for value in np.linspace(0, 1, 8)]
    low, high = stats.hierarchical_mean(same, 42)
    wide_low, wide_high = stats.hierarchical_mean(apart, 42)
    assert 0.4 < low < 0.5 < high < 0.6 and wide_high - wide_low > 2 * (high - low)
    # constant items: the mean of 8 of 8 draws has the standard error of the languages alone
    assert wide_high - wide_low == pytest.approx(2 * 1.96 * np.linspace(0, 1, 8).std() / 8**0.5, rel=0.1)


def test_parallel_items_are_resampled_together() -> None:
    values = [np.tile([0.0, 1.0], 50) for _ in range(8)]
    low, high = stats.hierarchical_mean(values, 42)
    shared_low, shared_high = stats.hierarchical_mean(values, 42, ["all"] * 8)
    # the same 100 sentences eight times are 100 sentences, not 800
    assert shared_high - shared_low == pytest.approx(2 * 1.96 * 0.05, rel=0.1)
    assert shared_high - shared_low > 2 * (high - low)
