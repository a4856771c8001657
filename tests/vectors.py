"""Embeddings for the tests of retrieval, and their float64 scores by brute force."""

from __future__ import annotations

import numpy as np


def scores64(q: np.ndarray, c: np.ndarray, similarity: str) -> np.ndarray:
    q, c = q.astype(np.float64), c.astype(np.float64)
    if similarity == "cosine":
        return (q / np.linalg.norm(q, axis=1, keepdims=True)) @ (c / np.linalg.norm(c, axis=1, keepdims=True)).T
    if similarity == "dot":
        return q @ c.T
    return -np.sqrt(np.square(q[:, None] - c[None]).sum(-1))


def best(scores: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(-scores.astype(np.float32), axis=1, kind="stable")[:, :k]


def rows(n: int, d: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(n, d)) * scale).astype(np.float32)


def margins64(q: np.ndarray, c: np.ndarray, margin: str, k: int) -> np.ndarray:
    a = scores64(q, c, "cosine")
    forward = -np.sort(-a, axis=1)[:, :k].mean(axis=1, keepdims=True)
    backward = -np.sort(-a, axis=0)[:k].mean(axis=0, keepdims=True)
    if margin == "ratio":
        return a / ((forward + backward) / 2)
    if margin == "distance":
        return a - (forward + backward) / 2
    return 2 * a - forward - backward if margin == "csls" else a


Pair = tuple[np.ndarray, np.ndarray]


def clustered(n: int, m: int, d: int) -> Pair:
    """Return rows with cosines between 0.7 and 0.95, as embeddings of E5 have."""
    centre = rows(1, d, 7)
    return centre + rows(n, d, 8, 0.45), centre + rows(m, d, 9, 0.45)


def duplicates(n: int, m: int, d: int) -> Pair:
    """Return candidates of which each occurs many times, in random order."""
    few = rows(max(1, m // 50), d, 2)
    return rows(n, d, 1), few[np.random.default_rng(3).integers(0, len(few), m)]


def near_ties(n: int, m: int, d: int) -> Pair:
    """Return candidates that low precision cannot distinguish."""
    base = rows(1, d, 5)
    return base + rows(n, d, 6, 0.1), base + rows(m, d, 7, 1e-5)


def wild(n: int, m: int, d: int) -> Pair:
    """Return rows with norms from 1e-12 to 1e6, and one dimension that dominates."""
    lengths = 10.0 ** np.random.default_rng(1).uniform(-12, 6, (m, 1))
    q, c = rows(n, d, 2), (rows(m, d, 3) * lengths).astype(np.float32)
    c[:, 0] *= 50
    return q, c


def gaussian(n: int, m: int, d: int) -> Pair:
    """Return rows without structure."""
    return rows(n, d, 1), rows(m, d, 2)
