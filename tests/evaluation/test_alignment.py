"""Alignment of parallel vectors: numbers by hand, and direct computations from matrices of all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from utils.evaluation import stats
from utils.evaluation.alignment import (
    gram_products,
    linear_cka,
    parallel_cosines,
    shared_neighbours,
    unit,
    unrelated_cosine,
    unrelated_draws,
)

# three sentences of two dimensions: lengths 5, 1 and 1
A = np.array([[3.0, 4.0], [1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
B = np.array([[1.0, 0.0], [2.0, 0.0], [1.0, 0.0]], dtype=np.float32)


def noisy(n: int, d: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and a noisy linear map of them, both around a large common mean."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, d))
    return a + 3, a @ rng.normal(size=(d, d)) / np.sqrt(d) + rng.normal(size=(n, d)) - 2


def test_cosines_of_parallel_and_of_unrelated_sentences_by_hand() -> None:
    a, b = unit(A), unit(B)
    assert parallel_cosines(a, b).tolist() == pytest.approx([0.6, 1.0, 0.0])
    # other translations are all (1, 0): each source counts twice, 2 * (0.6 + 1 + 0) / 6
    assert unrelated_cosine(a, b) == pytest.approx(3.2 / 6)


def test_the_mean_is_removed_before_rows_are_scaled_and_a_row_of_zeros_stays() -> None:
    assert unit(A, A.mean(axis=0)).round(4).tolist() == [[0.5812, 0.8137], [-0.1961, -0.9806], [-0.8944, -0.4472]]
    assert unit(B, B[0]).tolist() == [[0, 0], [1, 0], [0, 0]]


def test_unrelated_pairs_equal_the_mean_of_the_matrix_without_its_diagonal() -> None:
    a, b = map(unit, noisy(40, 7))
    cosines = a @ b.T
    assert unrelated_cosine(a, b) == pytest.approx(cosines[~np.eye(40, dtype=bool)].mean(), abs=1e-12)


def test_a_resample_of_unrelated_pairs_has_no_pair_of_a_sentence_with_itself() -> None:
    a, b = map(unit, noisy(9, 4))
    counts = stats.resample_counts(9, 42)
    for row, draw in zip(counts[:20], unrelated_draws(a, b, 42), strict=False):
        drawn = np.repeat(np.arange(9), row.astype(int))
        different = drawn[:, None] != drawn[None, :]
        assert draw == pytest.approx((a @ b.T)[np.ix_(drawn, drawn)][different].mean(), abs=1e-12)


def test_shared_neighbours_by_hand() -> None:
    near_a, near_b = np.array([[1, 2], [0, 2], [3, 0]]), np.array([[2, 1], [3, 2], [1, 2]])
    assert shared_neighbours(near_a, near_b).tolist() == [1.0, 0.5, 0.0]


def direct_cka(a: np.ndarray, b: np.ndarray, *, debiased: bool) -> float:
    """Return CKA from centred, or from U-centred, Gram matrices (Szekely and Rizzo 2014)."""
    n = len(a)
    grams = []
    for rows in (a, b):
        gram = rows @ rows.T
        if debiased:
            np.fill_diagonal(gram, 0)
            sums = gram.sum(axis=0)
            gram = gram - sums[:, None] / (n - 2) - sums[None, :] / (n - 2) + sums.sum() / ((n - 1) * (n - 2))
            np.fill_diagonal(gram, 0)
        else:
            centring = np.eye(n) - 1 / n
            gram = centring @ gram @ centring
        grams.append(gram)
    first, second = grams
    return float((first * second).sum() / np.sqrt((first**2).sum() * (second**2).sum()))


@pytest.mark.parametrize("d", [5, 60])  # Gram matrices of the dimensions, and of the sentences
def test_cka_and_its_jackknife_equal_those_of_whole_matrices(d: int) -> None:
    a, b = noisy(30, d)
    found = linear_cka(a, b)
    for name, debiased in (("cka", False), ("cka_debiased", True)):
        value, low, high = found[name]
        assert value == pytest.approx(direct_cka(a, b, debiased=debiased), abs=1e-10)
        kept = [np.delete(np.arange(30), row) for row in range(30)]
        without = np.array([direct_cka(a[rows], b[rows], debiased=debiased) for rows in kept])
        half = 1.959964 * np.sqrt(29 / 30 * ((without - without.mean()) ** 2).sum())
        assert (low, high) == pytest.approx((value - half, min(value + half, 1)), abs=1e-6)


def test_cka_is_one_for_a_rotation_and_the_debiased_one_about_zero_for_unrelated_rows() -> None:
    a, _ = noisy(50, 8)
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))
    assert [value for value, _, _ in linear_cka(a, 3 * a @ rotation + 1).values()] == pytest.approx([1, 1])
    other = np.random.default_rng(2).normal(size=(50, 300))
    found = linear_cka(np.random.default_rng(3).normal(size=(50, 300)), other)
    assert found["cka"][0] > 0.8
    low, high = found["cka_debiased"][1:]
    assert low < 0 < high and high - low < 0.2


def test_cka_of_too_few_sentences_or_of_equal_rows_is_left_out() -> None:
    a, b = noisy(30, 5)
    assert linear_cka(a[:4], b[:4]) == {} and len(linear_cka(a[:5], b[:5])) >= 1
    assert linear_cka(a, np.ones_like(b)) == {}


def test_the_blocks_of_a_gram_matrix_give_the_same_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = noisy(30, 60)
    whole = gram_products(a, b)[0].both
    monkeypatch.setattr("utils.evaluation.alignment.BLOCK", 7)
    assert np.abs(gram_products(a, b)[0].both - whole).max() < 1e-9
