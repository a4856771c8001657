"""How alike the sentence vectors of two languages are on parallel text, beside sentences that are unrelated; pure.

Row i of both sides is one sentence and its translation: (n, d) each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from utils.evaluation import stats

Values = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32] | Values
Ints = npt.NDArray[np.int64]
FEWEST = 5  # sentences of CKA: the debiased one takes 4, and the jackknife leaves one out
EQUAL = 1e-6  # a range of values that rounding in float32 explains, as a share of the greatest value
BLOCK = 1024  # rows of a Gram matrix that are held at once


def unit(rows: Matrix, mean: Matrix | None = None) -> Values:
    """Return rows (n, d) minus a mean (d,), each divided by its length; a row of zeros stays one."""
    moved = rows.astype(np.float64) - (0.0 if mean is None else mean)
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    scaled: Values = np.divide(moved, lengths, out=np.zeros_like(moved), where=lengths > 0)
    return scaled


def parallel_cosines(a: Values, b: Values) -> Values:
    """Return the cosine of each sentence and its translation (n,); a and b are unit rows."""
    cosines: Values = np.einsum("ij,ij->i", a, b)
    return cosines


def unrelated_cosine(a: Values, b: Values) -> float:
    """Return the mean cosine of all sentences i and translations of other sentences j; a and b are unit rows, n > 1.

    The sum over all n (n - 1) pairs is the product of both sums, minus that of the parallel pairs.
    """
    n = len(a)
    return float((a.sum(axis=0) @ b.sum(axis=0) - parallel_cosines(a, b).sum()) / (n * (n - 1)))


def unrelated_draws(a: Values, b: Values, seed: int) -> Values:
    """Return the mean cosine of unrelated pairs in each resample of the sentences: (RESAMPLES,).

    The resamples are those of `stats.mean_draws`. A sentence that is drawn twice is not unrelated to itself, so only
    pairs of different sentences count; a resample of one sentence alone has the mean of all.
    """
    counts = stats.resample_counts(len(a), seed).astype(np.float64)
    squared = counts**2
    products = np.einsum("ij,ij->i", counts @ a, counts @ b) - squared @ parallel_cosines(a, b)
    n_pairs = len(a) ** 2 - squared.sum(axis=1)
    draws: Values = np.divide(products, n_pairs, out=np.full(len(counts), unrelated_cosine(a, b)), where=n_pairs > 0)
    return draws


def shared_neighbours(near_a: Ints, near_b: Ints) -> Values:
    """Return the share of each sentence's neighbours (n, k) in one language that are its neighbours in the other: (n,).

    The neighbours are indices of sentences, the sentence itself left out. The mean is the mutual nearest-neighbour
    alignment of Huh et al. (2024); neighbours drawn at random share k / (n - 1).
    """
    pairs = zip(near_a.tolist(), near_b.tolist(), strict=True)
    shared = [len(set(one) & set(other)) / near_a.shape[1] for one, other in pairs]
    return np.array(shared, dtype=np.float64)


@dataclass(frozen=True)
class Products:
    """What CKA needs of the Gram matrices A and B of two sides, (n,) each.

    both: the sums over j of A_ij B_ij. rows_a, rows_b: the sums of the rows, A 1 and B 1. across: A (B 1) + B (A 1).
    own_a, own_b: the diagonals.
    """

    both: Values
    rows_a: Values
    rows_b: Values
    across: Values
    own_a: Values
    own_b: Values


def gram_products(a: Values, b: Values) -> tuple[Products, Products]:
    """Return the products of the Gram matrices of a (n, d) and b (n, e), and those with diagonals of zeros.

    No matrix of all pairs is held: a block of its rows at a time where n is less than d, else one of the dimensions.
    """
    n = len(a)
    if n <= max(a.shape[1], b.shape[1]):
        parts = [(a[i : i + BLOCK] @ a.T) * (b[i : i + BLOCK] @ b.T) for i in range(0, n, BLOCK)]
        both = np.concatenate([part.sum(axis=1) for part in parts])
    else:
        both = parallel_cosines(a @ (a.T @ b), b)
    own_a, own_b = parallel_cosines(a, a), parallel_cosines(b, b)
    rows_a, rows_b = a @ a.sum(axis=0), b @ b.sum(axis=0)
    plain = Products(both, rows_a, rows_b, a @ (a.T @ rows_b) + b @ (b.T @ rows_a), own_a, own_b)
    rows_a, rows_b, zero = rows_a - own_a, rows_b - own_b, np.zeros(n)
    across = a @ (a.T @ rows_b) - own_a * rows_b + b @ (b.T @ rows_a) - own_b * rows_a
    return plain, Products(both - own_a * own_b, rows_a, rows_b, across, zero, zero)


def hsic(of: Products, *, debiased: bool) -> tuple[float, Values]:
    """Return how alike two Gram matrices are, up to a constant, and the same without each of the n sentences (n,).

    It is tr(A H B H) with the centring matrix H (Gretton et al. 2005), or with diagonals of zeros the unbiased estimate
    of Song et al. (2012, equation 5). Both depend on three sums, and `Products` has what a sentence contributes.
    """
    n, twice = len(of.both), of.own_a * of.own_b
    rows = float(of.rows_a @ of.rows_b)
    less_rows = rows - of.rows_a * of.rows_b - of.across + of.own_a * of.rows_b + of.own_b * of.rows_a + of.both - twice
    all_a, all_b = (side.sum() - 2 * side + own for side, own in ((of.rows_a, of.own_a), (of.rows_b, of.own_b)))
    whole = of.both.sum(), rows, of.rows_a.sum() * of.rows_b.sum()
    estimate = _unbiased if debiased else _biased
    return float(estimate(n, *whole)), estimate(n - 1, whole[0] - 2 * of.both + twice, less_rows, all_a * all_b)


def _biased(n: int, total: Any, rows: Any, pairs: Any) -> Any:
    return total - 2 / n * rows + pairs / n**2


def _unbiased(n: int, total: Any, rows: Any, pairs: Any) -> Any:
    return (total + pairs / ((n - 1) * (n - 2)) - 2 / (n - 2) * rows) / (n * (n - 3))


def linear_cka(a: Matrix, b: Matrix) -> dict[str, tuple[float, float, float]]:
    """Return `cka` and `cka_debiased` of rows a (n, d) and b (n, e), each with its 95 % interval over sentences.

    Linear centred kernel alignment (Kornblith et al. 2019) is near 1 for any vectors where n is less than d; the
    debiased estimate (Murphy et al. 2024) is 0 on average for unrelated ones. The intervals are those of the jackknife
    (Efron and Stein 1981), since a sentence drawn twice by a bootstrap would be alike to itself. What is undefined is
    left out: for fewer than 5 sentences, or vectors of one side that are all equal.
    """
    sides = [side.astype(np.float64) for side in (a, b)]
    if any(len(side) < FEWEST or np.ptp(side, axis=0).max() <= EQUAL * np.abs(side).max() for side in sides):
        return {}
    first, second = (side - side.mean(axis=0) for side in sides)
    pairs = [gram_products(*pair) for pair in ((first, second), (first, first), (second, second))]
    found = {}
    for place, name in enumerate(("cka", "cka_debiased")):
        across, own_a, own_b = (hsic(each[place], debiased=bool(place)) for each in pairs)
        if min(own_a[0], own_b[0], own_a[1].min(), own_b[1].min()) > 0:
            value = across[0] / np.sqrt(own_a[0] * own_b[0])
            half = stats.Z95 * jackknife_error(across[1] / np.sqrt(own_a[1] * own_b[1]))
            least = -1.0 if place else 0.0
            found[name] = float(value), float(max(value - half, least)), float(min(value + half, 1.0))
    return found


def jackknife_error(without: Values) -> float:
    """Return the standard error of a figure from its values without each of n sentences (n,) (Tukey 1958)."""
    n = len(without)
    return float(np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum()))
