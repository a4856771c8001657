"""Norms and duplicates of embeddings, and the checks that they can be searched; numpy only."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from utils.errors import UserError

Ints = npt.NDArray[np.int64]
Norms = npt.NDArray[np.float64]
U32, U64 = 2.0**-24, 2.0**-53  # unit roundoffs of float32 and float64
LEAST, MOST = 1e-36, 3e38  # dot products outside this range are not normal float32 numbers


def row_norms(rows: npt.NDArray[np.float32]) -> Norms:
    """Return the Euclidean norms of rows (n, d) in float64: (n,). numpy casts blockwise, so the rows are not copied."""
    norms: Norms = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))
    return norms


def sum_products(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the inner products of the rows (..., d) of both: (...).

    Every sum is computed by itself and in the same order, so its last bit does not depend on the shape of the arrays.
    The numpy and the torch search both use this function, and therefore return the same bits.
    """
    sums: npt.NDArray[np.float64] = np.einsum("...d,...d->...", a, b)
    return sums


def check_rows(norms: Norms, side: str, *, zeros_allowed: bool) -> None:
    """Raise UserError for rows with NaN or infinity, which their norms (n,) show, and for zero rows if not allowed.

    `side` is "queries" or "candidates".
    """
    invalid = np.flatnonzero(~np.isfinite(norms))
    if len(invalid):
        raise UserError(f"row {invalid[0]} of the {side} holds NaN or infinity", "encode again with --dtype fp32")
    zero = np.flatnonzero(norms == 0)
    if len(zero) and not zeros_allowed:
        one = {"queries": "query", "candidates": "candidate"}[side]
        raise UserError(f"{one} {zero[0]} is all zeros: its cosine is not defined", "check whether its text is empty")


def check_dot_range(q_norms: Norms, c_norms: Norms) -> None:
    """Raise UserError if the greatest possible dot product is not a normal float32: scores would be infinite or 0."""
    greatest = float(q_norms.max() * c_norms.max())
    if not (greatest == 0 or LEAST <= greatest <= MOST):
        what = f"dot products of up to {greatest:.0e} exceed the range of float32"
        raise UserError(what, "multiply the embeddings by a constant, or use --similarity cosine")


def inverse_power_of_two(norm: float) -> float:
    """Return the power of two that scales this norm to between 0.5 and 1; 1 for 0. Scaling by it rounds nothing."""
    return 2.0 ** -math.ceil(math.log2(norm)) if norm > 0 else 1.0


def first_of_equals(rows: npt.NDArray[np.float32]) -> Ints | None:
    """Return for each row (m, d) the index of the first identical row (m,), or None if all rows differ."""
    seen: dict[bytes, int] = {}
    first = [seen.setdefault(row.tobytes(), index) for index, row in enumerate(rows)]
    return None if len(seen) == len(first) else np.asarray(first, dtype=np.int64)
