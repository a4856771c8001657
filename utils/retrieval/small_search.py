"""Exact top-k of small problems in numpy, which does not import torch.

Importing torch takes 1.4 s, which is longer than many runs need for all their searches. The score of a query and a
candidate is defined as in utils/retrieval/exact_search.py: its float64 value rounded to float32, ties to the lower
index. So both return the same indices and scores. A float32 matrix product excludes the candidates that cannot be
among the k best by its worst-case rounding error; the remaining pairs are scored in float64.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from utils.retrieval.rows import (
    U32,
    check_dot_range,
    check_rows,
    first_of_equals,
    inverse_power_of_two,
    row_norms,
    sum_products,
)
from utils.retrieval.similarities import MIN_NEIGHBOURHOOD
from utils.schema import TopK

if TYPE_CHECKING:
    from utils.schema import Rows

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[Any]  # float32 or float64
    Float64s = npt.NDArray[np.float64]

# Multiply-adds (n * m * d) up to which a search is no slower here than in torch by more than a small part of torch's
# import. docs/performance.md has the measurements; torch gains from its int8 scan on larger problems.
MOST_PRODUCTS = 1 << 32
PAIR_COST = 16  # a float64 product of gathered rows takes as long as so many of the matrix product
MOST_NUMBERS = 1 << 24  # (n + m) * d: the rows are copied
TILE_SCORES = 1 << 22  # scores of the float32 matrix product that are held at once
PAIR_BYTES = 1 << 21  # gathered float64 rows that are held at once: what a core's cache holds
CROWDED = 4  # pairs per query, in multiples of k, from which identical candidates are scored only once


def is_small(queries: Any, candidates: Any, k: int) -> bool:
    """Whether to search these rows, (n, d) and (m, d), in numpy; only numpy arrays of valid shapes are."""
    if any(not isinstance(rows, np.ndarray) or rows.ndim != 2 or not len(rows) for rows in (queries, candidates)):
        return False
    (n, d), m = queries.shape, len(candidates)
    work = n * d * max(m, PAIR_COST * k)
    return bool(candidates.shape[1] == d and work <= MOST_PRODUCTS and (n + m) * d <= MOST_NUMBERS)


class SmallProduct:
    """Cosines, dot products or negative Euclidean distances of queries (n, d) and candidates (m, d).

    Raises UserError for NaN, infinity, zero rows under cosine, and dot products that leave float32's range.
    """

    def __init__(self, queries: Rows, candidates: Rows, similarity: str) -> None:
        self.q, self.c = (np.ascontiguousarray(rows, dtype=np.float32) for rows in (queries, candidates))
        self.similarity, (self.n, self.dim), self.m = similarity, self.q.shape, len(self.c)
        q_norms, c_norms = row_norms(self.q), row_norms(self.c)
        check_rows(q_norms, "queries", zeros_allowed=similarity != "cosine")
        check_rows(c_norms, "candidates", zeros_allowed=similarity != "cosine")
        if similarity == "cosine":
            self.q_factor, self.c_factor = 1 / q_norms, 1 / c_norms
        else:  # powers of two keep the float32 products in range and round nothing
            tops = float(q_norms.max()), float(c_norms.max())
            if similarity == "euclidean":
                tops = (max(tops), max(tops))
            self.q_factor, self.c_factor = (
                np.full(size, inverse_power_of_two(top)) for size, top in zip((self.n, self.m), tops, strict=True)
            )
        if similarity == "dot":
            check_dot_range(q_norms, c_norms)
        self.slope = np.full(self.n, 4.0 if similarity == "euclidean" else 1.0)  # of estimates over products
        self._scaled_q, self._scaled_c = _scaled(self.q, self.q_factor), _scaled(self.c, self.c_factor)
        self._c_squared = ((c_norms * self.c_factor) ** 2).astype(np.float32)

    def estimates(self, rows: slice) -> npt.NDArray[np.float32]:
        """Return float32 values of some queries with all candidates (q, m), which increase with the scores."""
        products: npt.NDArray[np.float32] = self._scaled_q[rows] @ self._scaled_c.T
        return 2 * products - self._c_squared if self.similarity == "euclidean" else products

    def pair_scores(self, rows: Ints, cols: Ints) -> Float64s:
        """Return the float64 scores of queries (s,) with candidates (s,), each summed by itself: (s,)."""
        scores = np.empty(len(rows))
        step = max(1, PAIR_BYTES // (8 * max(self.dim, 1)))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            q, c = self.q[rows[part]].astype(np.float64), self.c[cols[part]].astype(np.float64)
            if self.similarity == "euclidean":
                c -= q
                scores[part] = -np.sqrt(sum_products(c, c))
            else:
                scores[part] = sum_products(c, q)
        return scores * self.q_factor[rows] * self.c_factor[cols] if self.similarity == "cosine" else scores

    @cached_property
    def first(self) -> Ints | None:
        """For each candidate the index of the first identical one (m,); None if all differ."""
        return first_of_equals(self.c)


class SmallMargin:
    """Margins over cosines, given the mean cosines of queries (n,) and candidates (m,) to their neighbours."""

    def __init__(self, product: SmallProduct, margin: str, forward: Float64s, backward: Float64s) -> None:
        self.product, self.margin = product, margin
        self.n, self.m, self.dim = product.n, product.m, product.dim
        self.r_q, self.r_c = forward, backward
        if margin == "ratio":  # the slope of a / b is 1 / b
            self.slope = 1 / np.maximum((forward + backward.min()) / 2, MIN_NEIGHBOURHOOD)
        else:
            self.slope = np.full(self.n, 4.0 if margin == "csls" else 2.0)

    @property
    def first(self) -> Ints | None:
        """For each candidate the index of the first identical one (m,); None if all differ."""
        return self.product.first

    def estimates(self, rows: slice) -> Float64s:
        """Return margins of some queries with all candidates, computed from float32 cosines: (q, m)."""
        return self._apply(self.product.estimates(rows), self.r_q[rows, None], self.r_c)

    def pair_scores(self, rows: Ints, cols: Ints) -> Float64s:
        """Return the float64 margins of queries (s,) with candidates (s,): (s,)."""
        return self._apply(self.product.pair_scores(rows, cols), self.r_q[rows], self.r_c[cols])

    def _apply(self, cosines: Floats, r_q: Float64s, r_c: Float64s) -> Float64s:
        return margins_of(self.margin, cosines, r_q, r_c)


def margins_of(margin: str, cosines: Floats, r_q: Float64s, r_c: Float64s) -> Float64s:
    """Return the margins of cosines, given the mean cosines of both sides to their neighbours, which are broadcast."""
    if margin == "ratio":
        return np.asarray(cosines / np.maximum((r_q + r_c) / 2, MIN_NEIGHBOURHOOD))
    if margin == "distance":
        return np.asarray(cosines - (r_q + r_c) / 2)
    return np.asarray(2 * cosines - r_q - r_c)


def search_small(scorer: SmallProduct | SmallMargin, k: int) -> TopK:
    """Return the k best candidates of each query by their float64 scores rounded to float32, 1 <= k <= m."""
    indices, scores = np.empty((scorer.n, k), dtype=np.int64), np.empty((scorer.n, k), dtype=np.float32)
    step = max(1, TILE_SCORES // scorer.m)
    for start in range(0, scorer.n, step):
        part = slice(start, start + step)
        rows, cols = _pairs_in_doubt(scorer, part, k)
        values = _score_pairs(scorer, rows + start, cols, crowded=len(rows) > CROWDED * k * (rows[-1] + 1))
        order = np.lexsort((-values, rows))  # stable: equal scores stay in the order of their indices
        counts = np.bincount(rows)
        chosen = order[(np.cumsum(counts) - counts)[:, None] + np.arange(k)]
        indices[part], scores[part] = cols[chosen], values[chosen]
    return TopK(indices, scores)


def _pairs_in_doubt(scorer: SmallProduct | SmallMargin, part: slice, k: int) -> tuple[Ints, Ints]:
    """Return all pairs that can be among the k best of their query, at least k per query.

    Returns the positions of the queries within the part (s,) and the candidates (s,), sorted by query and candidate.
    """
    estimates = scorer.estimates(part)  # (q, m)
    kth = np.partition(estimates, scorer.m - k, axis=1)[:, scorer.m - k].astype(np.float64)
    error = 2 * (scorer.dim + 16) * U32 * scorer.slope[part]  # of an estimate
    floor = kth - 2.5 * error - 4 * U32 * np.abs(kth)
    rows, cols = np.nonzero(estimates >= _rounded_down(floor)[:, None])
    return rows, cols


def _score_pairs(
    scorer: SmallProduct | SmallMargin, rows: Ints, cols: Ints, *, crowded: bool
) -> npt.NDArray[np.float32]:
    """Return the float32 scores of pairs (s,). If there are many, identical candidates are scored once per query."""
    if not crowded or scorer.first is None:
        return scorer.pair_scores(rows, cols).astype(np.float32)
    distinct, back = np.unique(rows * scorer.m + scorer.first[cols], return_inverse=True)
    return scorer.pair_scores(distinct // scorer.m, distinct % scorer.m).astype(np.float32)[back]


def _rounded_down(values: Float64s) -> npt.NDArray[np.float32]:
    """Return float32 numbers that are not above these."""
    return np.nextafter(values.astype(np.float32), np.float32(-np.inf))


def _scaled(rows: npt.NDArray[np.float32], factors: Float64s) -> npt.NDArray[np.float32]:
    """Return rows (n, d) times factors (n,), multiplied in float64, which has room for the factors."""
    scaled = np.empty_like(rows)
    np.multiply(rows, factors[:, None], out=scaled, dtype=np.float64, casting="same_kind")
    return scaled
