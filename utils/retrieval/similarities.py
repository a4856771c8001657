"""Cosines, dot products, distances and margins in torch: approximate ones of whole tiles, exact ones of pairs."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from utils.numerics import products
from utils.retrieval.fused_kernels import fused_kernels
from utils.retrieval.rows import (
    U64,
    check_dot_range,
    check_rows,
    inverse_power_of_two,
    row_norms,
    sum_products,
)
from utils.retrieval.score_forms import Form
from utils.retrieval.torch_kernels import LINEAR, PRODUCT, RATIO

if TYPE_CHECKING:
    from torch import Tensor

WORK_BYTES = 1 << 27  # temporary float64 arrays
MIN_NEIGHBOURHOOD = 1e-6  # ratio margin: the least denominator, since the mean cosines may be 0 or negative
TINY, HUGE = 1e-30, 1e30  # norms outside this range have inverses that float32 does not represent


class Product:
    """Scores that come from one matrix product of scaled rows.

    Tiles are scored in scan space: 2qc - |c|^2 for Euclidean distances, the score itself otherwise. Raises UserError
    for NaN, infinity, zero rows under cosine, and dot products outside float32's range.
    """

    def __init__(self, queries: Tensor, candidates: Tensor, similarity: str) -> None:
        self.similarity = similarity
        self.shape = (queries.shape[0], candidates.shape[0])
        self.dim = queries.shape[1]
        q_norms, c_norms = _norms(queries), _norms(candidates)  # (n,), (m,) float64
        check_rows(q_norms.cpu().numpy(), "queries", zeros_allowed=similarity != "cosine")
        check_rows(c_norms.cpu().numpy(), "candidates", zeros_allowed=similarity != "cosine")
        if similarity == "cosine":
            queries, q_norms = _within_range(queries, q_norms)
            candidates, c_norms = _within_range(candidates, c_norms)
        self.q, self.c = queries, candidates
        if similarity == "cosine":
            self.q_factor, self.c_factor = 1 / q_norms, 1 / c_norms
            self.row_scale = self.q_factor * 0 + 1
        else:  # powers of two keep the products of the scan in range and round nothing
            q_top, c_top = float(q_norms.max()), float(c_norms.max())
            if similarity == "euclidean":
                q_top = c_top = max(q_top, c_top)
            self.q_factor = q_norms * 0 + inverse_power_of_two(q_top)
            self.c_factor = c_norms * 0 + inverse_power_of_two(c_top)
            self.row_scale = self.q_factor * 0 + (4 if similarity == "euclidean" else 1)
        if similarity == "dot":
            check_dot_range(q_norms.cpu().numpy(), c_norms.cpu().numpy())
        self.factors_fit = bool((self.c_factor >= TINY**0.5).all() and (self.c_factor <= HUGE**0.5).all())
        self.q_squared = (q_norms * self.q_factor) ** 2  # (n,) in scan units
        self.c_squared = (c_norms * self.c_factor) ** 2  # (m,)

    def subsample(self, query_step: int, step: int) -> Product:
        """Return the scores of every query_step-th query with every step-th candidate; dot products may be rescaled."""
        return Product(self.q[::query_step].contiguous(), self.c[::step].contiguous(), self.similarity)

    def select(self, rows: Tensor) -> Product:
        """Return the scores of the given queries (q,) with all candidates."""
        some = copy.copy(self)
        some.shape = (len(rows), self.shape[1])
        some.q, some.q_factor, some.row_scale = self.q[rows], self.q_factor[rows], self.row_scale[rows]
        some.q_squared = self.q_squared[rows]
        return some

    def form(self) -> Form | None:
        """Return how values in scan space follow from products."""
        if self.is_product():
            return Form(PRODUCT)
        return Form(LINEAR, scale=2.0, offset=self.c_squared.float())

    def products(self, queries: Tensor, cols: slice) -> Tensor:
        """Return the products of scaled queries (q, d) with the scaled rows of some candidates: (q, t) float32."""
        factor = self.c_factor[cols].float()
        if self.factors_fit:  # no copy of the candidates
            return products(queries, self.c[cols]).mul_(factor)
        return products(queries, self.c[cols] * factor[:, None])

    def queries(self, rows: slice) -> Tensor:
        """Return the scaled rows of some queries (q, d)."""
        return self.q[rows] * self.q_factor[rows].float()[:, None]

    def is_product(self) -> bool:
        """Whether scan space is the product of scaled rows itself."""
        return self.similarity != "euclidean"

    def value(self, product: Tensor, rows: slice, cols: slice) -> Tensor:
        """Return products of scaled rows (q, t) in scan space; changes the argument."""
        return product if self.is_product() else product.mul_(2).sub_(self.c_squared[cols].float())

    def pair_values(self, rows: Tensor, cols: Tensor, products: Tensor) -> Tensor:
        """Return the products of scaled queries and unscaled candidates (s,) in scan space, float32."""
        products = products * self.c_factor[cols].float()
        return products if self.is_product() else 2 * products - self.c_squared[cols].float()

    def full(self, rows: Tensor) -> Tensor:
        """Return the scores of some queries with all candidates by a float64 matrix product: (q, m)."""
        q = self.q[rows].double() * self.q_factor[rows, None]
        product = self.q.new_empty((len(rows), self.shape[1]), dtype=q.dtype)
        step = max(1, WORK_BYTES // (8 * self.dim))
        for start in range(0, self.shape[1], step):
            cols = slice(start, start + step)
            product[:, cols] = q @ (self.c[cols].double() * self.c_factor[cols, None]).T
        if self.similarity == "euclidean":
            return self.to_score(rows, product.mul_(2).sub_(self.c_squared))
        return self.to_score(rows, product)

    def exact(self, rows: Tensor, cols: Tensor) -> Tensor:
        """Return the float64 scores of queries (q,) with candidates (q, j), each summed by itself: (q, j)."""
        kernels = fused_kernels(self.q.device)
        if kernels is not None:
            pairs = rows.repeat_interleave(cols.shape[1]), cols.reshape(-1)
            is_distance = self.similarity == "euclidean"
            sums = kernels.pair_sums(self.q, self.c, *pairs, exact=True, distance=is_distance).view(cols.shape)
            return -sums.sqrt() if is_distance else self._scaled(sums, rows, cols)
        q = self.q[rows].double()[:, None, :]  # (q, 1, d)
        c = self.c.index_select(0, cols.reshape(-1)).double().view(*cols.shape, -1)  # (q, j, d)
        if self.similarity == "euclidean":
            c.sub_(q)
            return -_sum_products(c, c).sqrt()
        return self._scaled(_sum_products(c, q.expand_as(c)), rows, cols)

    def _scaled(self, dots: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
        """Return the scores of inner products of rows (q, j)."""
        return dots * self.q_factor[rows, None] * self.c_factor[cols] if self.similarity == "cosine" else dots

    def bounds(self, rows: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Return lower and upper bounds of what `exact` returns, from the scores of `full` (q, m)."""
        error = 2 * (self.dim + 16) * U64 * self.row_scale[rows, None]
        if self.similarity == "euclidean":
            squares, error = scores.square(), error / self.q_factor[0] ** 2
            return -(squares + error).sqrt(), -(squares - error).clamp_min(0).sqrt()
        error = error / (self.q_factor[0] * self.c_factor[0]) if self.similarity == "dot" else error
        return scores - error, scores + error

    def to_score(self, rows: Tensor, values: Tensor) -> Tensor:
        """Return the scores of float64 values in scan space (q, j); they increase with the values."""
        if self.similarity == "cosine":
            return values
        if self.similarity == "dot":
            return values / (self.q_factor[0] * self.c_factor[0])
        return -(self.q_squared[rows, None] - values).clamp_min(0).sqrt() / self.q_factor[0]


class Margin:
    """Margins over cosines, given the mean cosines of queries (n,) and candidates (m,) to their neighbours."""

    def __init__(
        self, product: Product, margin: str, forward: npt.NDArray[np.float64], backward: npt.NDArray[np.float64]
    ) -> None:
        import torch

        self.product, self.margin, self.shape, self.dim = product, margin, product.shape, product.dim
        self.q, self.c = product.q, product.c
        self.q_factor, self.c_factor = product.q_factor, product.c_factor
        self.r_q = torch.as_tensor(forward, device=product.q.device)  # (n,)
        self.r_c = torch.as_tensor(backward, device=product.q.device)  # (m,)
        ones = product.row_scale
        if margin == "ratio":  # the slope of a / b is 1 / b
            self.row_scale = 1 / ((self.r_q + self.r_c.min()) / 2).clamp_min(MIN_NEIGHBOURHOOD)
        else:
            self.row_scale = ones * (4 if margin == "csls" else 2)

    def _apply(self, cosines: Tensor, r_q: Tensor, r_c: Tensor) -> Tensor:
        if self.margin == "ratio":
            return cosines / ((r_q + r_c) / 2).clamp_min(MIN_NEIGHBOURHOOD)
        if self.margin == "distance":
            return cosines - (r_q + r_c) / 2
        return 2 * cosines - r_q - r_c

    def subsample(self, query_step: int, step: int) -> Margin:
        """Return the margins of every query_step-th query with every step-th candidate."""
        r_q, r_c = self.r_q[::query_step].cpu().numpy(), self.r_c[::step].cpu().numpy()
        return Margin(self.product.subsample(query_step, step), self.margin, r_q, r_c)

    def select(self, rows: Tensor) -> Margin:
        """Return the margins of the given queries (q,) with all candidates."""
        some = copy.copy(self)
        some.product = self.product.select(rows)
        some.shape, some.q, some.q_factor = some.product.shape, some.product.q, some.product.q_factor
        some.row_scale, some.r_q = self.row_scale[rows], self.r_q[rows]
        return some

    def form(self) -> Form | None:
        """Return how margins follow from cosines; None if the mean of a ratio may be below its least value."""
        r_q, r_c = self.r_q.float(), self.r_c.float()
        if self.margin == "ratio":
            is_positive = float(r_q.min() + r_c.min()) > 4 * MIN_NEIGHBOURHOOD
            return Form(RATIO, shift=r_q, offset=r_c) if is_positive else None
        is_csls = self.margin == "csls"
        return Form(LINEAR, 2.0 if is_csls else 1.0, r_q if is_csls else r_q / 2, r_c)

    def products(self, queries: Tensor, cols: slice) -> Tensor:
        """Return the products of scaled queries (q, d) with the scaled rows of some candidates: (q, t) float32."""
        return self.product.products(queries, cols)

    def queries(self, rows: slice) -> Tensor:
        """Return the scaled rows of some queries (q, d)."""
        return self.product.queries(rows)

    def is_product(self) -> bool:
        """Whether scan space is the product of scaled rows itself; it is not."""
        return False

    def value(self, product: Tensor, rows: slice, cols: slice) -> Tensor:
        """Return the margins of cosines (q, t)."""
        return self._apply(product, self.r_q[rows, None].float(), self.r_c[cols].float())

    def pair_values(self, rows: Tensor, cols: Tensor, products: Tensor) -> Tensor:
        """Return the margins of products of unit queries and unscaled candidates (s,), float32."""
        cosines = self.product.pair_values(rows, cols, products)
        return self._apply(cosines, self.r_q[rows].float(), self.r_c[cols].float())

    def full(self, rows: Tensor) -> Tensor:
        """Return the margins of some queries with all candidates by a float64 matrix product: (q, m)."""
        return self._apply(self.product.full(rows), self.r_q[rows, None], self.r_c)

    def exact(self, rows: Tensor, cols: Tensor) -> Tensor:
        """Return the float64 margins of queries (q,) with candidates (q, j): (q, j)."""
        return self._apply(self.product.exact(rows, cols), self.r_q[rows, None], self.r_c[cols])

    def bounds(self, rows: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Return lower and upper bounds of what `exact` returns, from the scores of `full` (q, m)."""
        error = 2 * (self.dim + 16) * U64 * self.row_scale[rows, None] + 4 * U64 * scores.abs()
        return scores - error, scores + error

    def to_score(self, rows: Tensor, values: Tensor) -> Tensor:
        """Return the values: scan space is the score."""
        return values


def _norms(rows: Tensor) -> Tensor:
    """Return the Euclidean norms of rows (n, d) in float64: (n,)."""
    import torch

    if rows.device.type == "cpu":  # torch would copy all rows to float64 first
        return torch.from_numpy(row_norms(rows.numpy()))
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    return norms


def _sum_products(a: Tensor, b: Tensor) -> Tensor:
    """Return the inner products of the rows (..., d) of both in float64: (...)."""
    import torch

    if a.device.type == "cpu":
        return torch.from_numpy(sum_products(a.numpy(), b.numpy()))
    return (a * b).sum(-1)


def _within_range(rows: Tensor, norms: Tensor) -> tuple[Tensor, Tensor]:
    """Scale rows (n, d) with very small or large norms (n,) by powers of two, which changes no cosine."""
    extreme = ((norms < TINY) | (norms > HUGE)).nonzero().squeeze(1)
    if not len(extreme):
        return rows, norms
    factors = norms.new_tensor([inverse_power_of_two(norm) for norm in norms[extreme].tolist()])
    rows = rows.clone()
    rows[extreme] = (rows[extreme].double() * factors[:, None]).float()
    return rows, norms.index_copy(0, extreme, norms[extreme] * factors)
