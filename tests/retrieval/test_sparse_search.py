"""Sparse rows searched without making them dense, compared with plain numpy; ensembles of all kinds of rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array
from token_vectors import brute, make

from utils.errors import UserError
from utils.retrieval import sparse_search
from utils.retrieval.fusion import fused_topk
from utils.retrieval.topk import concatenate, topk

RNG = np.random.default_rng(0)


def rows(n: int, dim: int, density: float = 0.1) -> csr_array:
    """Sparse rows without a row of zeros; every third is a copy of the one before."""
    found = random_array((n, dim), density=density, rng=RNG, dtype=np.float32).toarray()
    found[:, 0] += 0.01
    copies = np.arange(2, n, 3)
    found[copies] = found[copies - 1]
    return csr_array(found)


def scores_of(queries: csr_array, candidates: csr_array, similarity: str) -> np.ndarray:
    q, c = (side.toarray().astype(np.float64) for side in (queries, candidates))
    if similarity == "cosine":
        q, c = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (q, c))
    return q @ c.T


def is_ranking(found: np.ndarray, scores: np.ndarray) -> bool:
    """Whether these are the greatest scores of each row, in falling order."""
    values = np.take_along_axis(scores, found, 1)
    best = -np.sort(-scores, axis=1)[:, : found.shape[1]]
    distinct = all(len(set(row)) == len(row) for row in found.tolist())
    return bool(distinct and np.allclose(values, best, atol=1e-6))


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize(("n", "m", "k"), [(20, 50, 5), (7, 300, 10), (5, 40, 40), (3, 1, 1)])
def test_the_k_best_equal_dense_products(n: int, m: int, k: int, similarity: str) -> None:
    queries, candidates = rows(n, 60), rows(m, 60)
    found = topk(queries, candidates, k, similarity=similarity)
    scores = scores_of(queries, candidates, similarity)
    assert is_ranking(found.indices, scores)
    np.testing.assert_allclose(found.scores, np.take_along_axis(scores, found.indices, 1), rtol=1e-6)
    assert not ((np.diff(found.scores, axis=1) == 0) & (np.diff(found.indices, axis=1) < 0)).any()


def test_ties_and_scores_do_not_depend_on_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, candidates = rows(30, 200, 0.02), rows(500, 200, 0.02)
    whole = topk(queries, candidates, 20, similarity="dot")
    monkeypatch.setattr(sparse_search, "TILE_VALUES", 11)
    monkeypatch.setattr(sparse_search, "TILE_SCORES", 8)
    tiled = topk(queries, candidates, 20, similarity="dot")
    np.testing.assert_array_equal(tiled.indices, whole.indices)
    np.testing.assert_array_equal(tiled.scores, whole.scores)


def test_rows_that_share_nothing_tie_in_the_order_of_their_indices() -> None:
    found = topk(csr_array(np.eye(4, dtype=np.float32)[:1]), csr_array(np.eye(4, dtype=np.float32)), 4)
    np.testing.assert_array_equal(found.indices, [[0, 1, 2, 3]])
    np.testing.assert_array_equal(found.scores, [[1, 0, 0, 0]])


def test_what_cannot_be_searched_is_told() -> None:
    queries, candidates = rows(3, 20), rows(9, 20)
    with pytest.raises(UserError, match="euclidean with sparse vectors"):
        topk(queries, candidates, 2, similarity="euclidean")
    candidates.data[candidates.indptr[4] : candidates.indptr[5]] = 0
    with pytest.raises(UserError, match="candidate 4 is all zeros"):
        topk(queries, candidates, 2)
    assert topk(queries, candidates, 2, similarity="dot").indices.shape == (3, 2)
    with pytest.raises(UserError, match="mean vectors are computed of encoders with one dense vector"):
        concatenate([queries, candidates], [1.0, 1.0])


@pytest.mark.parametrize(("fuse", "normalize"), [("score", "none"), ("score", "zscore"), ("rank", "none")])
def test_an_ensemble_of_all_kinds_of_rows(fuse: str, normalize: str) -> None:
    dense = tuple(RNG.standard_normal((n, 6)).astype(np.float32) for n in (12, 40))
    sparse, several = (rows(12, 30), rows(40, 30)), (make(12, 1, 5, 8, 0), make(40, 1, 5, 8, 1))
    found = fused_topk([dense, sparse, several], [1.0, 2.0, 3.0], 10, fuse=fuse, normalize=normalize)
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in dense]
    each = [unit[0].astype(np.float64) @ unit[1].T, scores_of(*sparse, "cosine"), brute(*several).astype(np.float64)]
    if fuse == "rank":
        better = [scores.astype(np.float32)[:, None, :] > scores.astype(np.float32)[:, :, None] for scores in each]
        each = [1 / (61 + above.sum(axis=2)) for above in better]
    if normalize == "zscore":
        each = [(scores - scores.mean(1, keepdims=True)) / scores.std(1, keepdims=True) for scores in each]
    fused = sum(weight / 6 * scores for weight, scores in zip([1, 2, 3], each, strict=True))
    assert is_ranking(found.indices, np.asarray(fused))
    with pytest.raises(UserError, match=r"sparse vectors|Euclidean"):
        fused_topk([sparse, several], [1.0, 1.0], 5, fuse="distance")
