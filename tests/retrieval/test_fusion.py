"""Ensembles compared with plain numpy: mean scores, distances, reciprocal ranks, normalised scores, tuned weights."""

from __future__ import annotations

import numpy as np
import pytest

from utils.errors import UserError
from utils.retrieval import similarities
from utils.retrieval.fusion import fused_topk, tune, weight_grid

RNG = np.random.default_rng(0)
A = (RNG.normal(size=(20, 6)).astype(np.float32), RNG.normal(size=(50, 6)).astype(np.float32))
B = (RNG.normal(size=(20, 9)).astype(np.float32), RNG.normal(size=(50, 9)).astype(np.float32))
WEIGHTS = [1.0, 3.0]


def cosine(member: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    q, c = (rows / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True) for rows in member)
    return q @ c.T


def distance(member: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    q, c = (rows.astype(np.float64) for rows in member)
    return np.sqrt(np.square(q[:, None] - c[None]).sum(-1))


def ranking(scores: np.ndarray, k: int = 10) -> np.ndarray:
    return np.argsort(-scores.astype(np.float32), axis=1, kind="stable")[:, :k]


def zscore(scores: np.ndarray) -> np.ndarray:
    return (scores - scores.mean(1, keepdims=True)) / scores.std(1, keepdims=True)


def minmax(scores: np.ndarray) -> np.ndarray:
    low, high = scores.min(1, keepdims=True), scores.max(1, keepdims=True)
    return (scores - low) / (high - low)


def reciprocal(scores: np.ndarray) -> np.ndarray:
    return 1 / (60 + 1 + (scores[:, None, :] > scores[:, :, None]).sum(-1))


EXPECTED = {
    ("score", "none"): lambda: cosine(A) + 3 * cosine(B),
    ("score", "zscore"): lambda: zscore(cosine(A)) + 3 * zscore(cosine(B)),
    ("score", "minmax"): lambda: minmax(cosine(A)) + 3 * minmax(cosine(B)),
    ("distance", "none"): lambda: -(distance(A) + 3 * distance(B)),
    ("distance", "zscore"): lambda: zscore(-distance(A)) + 3 * zscore(-distance(B)),
    ("rank", "none"): lambda: reciprocal(cosine(A)) + 3 * reciprocal(cosine(B)),
}


@pytest.mark.parametrize(("fuse", "normalize"), EXPECTED)
def test_equals_plain_numpy(fuse: str, normalize: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = EXPECTED[fuse, normalize]() / 4
    for work in (similarities.WORK_BYTES, 2048):
        monkeypatch.setattr("utils.retrieval.fusion.WORK_BYTES", work)
        found = fused_topk([A, B], WEIGHTS, 10, fuse=fuse, normalize=normalize)
        np.testing.assert_array_equal(found.indices, ranking(expected))
        np.testing.assert_allclose(found.scores, np.take_along_axis(expected, found.indices, 1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("fuse", ["score", "distance", "rank"])
def test_a_weight_of_zero_excludes_an_encoder(fuse: str) -> None:
    alone = ranking(-distance(A) if fuse == "distance" else cosine(A))
    np.testing.assert_array_equal(fused_topk([A, B], [1, 0], 10, fuse=fuse).indices, alone)
    np.testing.assert_array_equal(fused_topk([A], [1], 10, fuse=fuse).indices, alone)


@pytest.mark.parametrize(("fuse", "normalize"), EXPECTED)
def test_duplicates_tie_and_the_lower_index_comes_first(fuse: str, normalize: str) -> None:
    twice = [(q, np.concatenate([c, c])) for q, c in (A, B)]
    found = fused_topk(twice, WEIGHTS, 4, fuse=fuse, normalize=normalize)
    assert (found.indices[:, 1] == found.indices[:, 0] + 50).all()
    assert (found.indices[:, 3] == found.indices[:, 2] + 50).all()


def test_k_above_the_candidates_is_an_error() -> None:
    with pytest.raises(UserError, match="k = 51, but there are 50 candidates"):
        fused_topk([A, B], WEIGHTS, 51, fuse="rank")


def test_the_weight_grid_covers_the_simplex() -> None:
    assert len(weight_grid(2)) == 11 and len(weight_grid(3)) == 21
    assert all(sum(point) == pytest.approx(1) for point in weight_grid(3))


def test_tuning_chooses_the_best_weights_and_among_equals_the_most_even() -> None:
    best, grid = tune(2, lambda weights: -abs(weights[0] - 0.7))
    assert best == (0.7, 0.3) and len(grid) == 11
    assert tune(2, lambda weights: 1.0)[0] == (0.5, 0.5)


def test_weighted_dot_products_are_one_search() -> None:
    expected = (A[0].astype(np.float64) @ A[1].T + 3 * (B[0].astype(np.float64) @ B[1].T)) / 4
    found = fused_topk([A, B], WEIGHTS, 10, similarity="dot")
    np.testing.assert_array_equal(found.indices, ranking(expected))
    np.testing.assert_allclose(found.scores, np.take_along_axis(expected, found.indices, 1), rtol=1e-5, atol=1e-5)
