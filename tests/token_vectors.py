"""Rows of several vectors for each text, and their MaxSim by plain loops."""

from __future__ import annotations

import numpy as np

from utils.retrieval.token_rows import TokenRows


def make(n: int, least: int, most: int, dim: int, seed: int, *, unit: bool = True, scale: float = 1.0) -> TokenRows:
    """Rows of random lengths; every third is a copy of the one before, so that scores tie."""
    rng = np.random.default_rng(seed)
    rows = [rng.standard_normal((size, dim)).astype(np.float32) for size in rng.integers(least, most + 1, n)]
    rows = [row / np.linalg.norm(row, axis=1, keepdims=True) for row in rows] if unit else rows
    rows = [row * np.float32(scale) for row in rows]
    return TokenRows.of([rows[place - 1] if place % 3 == 2 else row for place, row in enumerate(rows)])


def brute(queries: TokenRows, candidates: TokenRows) -> np.ndarray:
    """The definition: float64 sums of maxima, rounded to float32."""
    scores = np.empty((len(queries), len(candidates)))
    for i, q in enumerate(queries.arrays()):
        for j, c in enumerate(candidates.arrays()):
            products = np.einsum("id,jd->ij", q.astype(np.float64), c.astype(np.float64))
            scores[i, j] = -1e9 if not len(c) else products.max(axis=1).sum() if len(q) else 0.0
    return scores.astype(np.float32)
