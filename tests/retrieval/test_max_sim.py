"""Late interaction compared with plain loops, bit by bit, and with sentence-transformers' own maxsim."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from token_vectors import brute, make

from utils.errors import UserError
from utils.retrieval import max_sim, max_sim_scan, max_sim_sides
from utils.retrieval.max_sim import max_sim_scores, max_sim_topk
from utils.retrieval.token_rows import TokenRows
from utils.retrieval.topk import margin_topk, topk

CASES = {
    "few": (20, 50, 1, 6, 8, 5, True, 1.0),
    "scanned": (40, 700, 1, 12, 16, 10, True, 1.0),
    "some without vectors": (40, 700, 0, 3, 16, 10, True, 1.0),
    "not of unit length": (40, 700, 1, 9, 16, 10, False, 3.0),
    "whole ranking": (3, 900, 1, 30, 4, 900, True, 1.0),
    "equal lengths": (30, 600, 5, 5, 32, 20, True, 1.0),
    "tiny": (30, 600, 1, 9, 16, 7, True, 1e-14),
    "huge": (30, 600, 1, 9, 16, 7, True, 1e14),
    "one vector": (30, 600, 1, 1, 16, 7, True, 1.0),
}


@pytest.mark.parametrize("precision", [None, "bf16", "fp32", "plain"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_k_best_equal_plain_loops_to_the_last_bit(case: tuple, precision: str | None) -> None:
    n, m, least, most, dim, k, unit, scale = case
    queries = make(n, least, most, dim, 0, unit=unit, scale=scale)
    candidates = make(m, least, most, dim, 1, unit=unit, scale=scale)
    scores = brute(queries, candidates)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    found = max_sim_topk(queries, candidates, k, precision=precision)
    np.testing.assert_array_equal(found.indices, order)
    np.testing.assert_array_equal(found.scores, np.take_along_axis(scores, order, 1))
    every = max_sim_scores(queries, candidates)(np.arange(n)[::-1])
    np.testing.assert_allclose(every, scores[::-1], rtol=1e-6, atol=1e-6 * scale**2)


def test_scores_equal_the_librarys_and_do_not_depend_on_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    from sentence_transformers.util import maxsim

    queries, candidates = make(50, 1, 20, 24, 2), make(400, 1, 30, 24, 3)
    library = maxsim(*([torch.from_numpy(row) for row in side.arrays()] for side in (queries, candidates))).numpy()
    found = max_sim_topk(queries, candidates, 10)
    np.testing.assert_allclose(np.take_along_axis(library, found.indices, 1), found.scores, atol=1e-5)
    np.testing.assert_allclose(found.scores, -np.sort(-library, axis=1)[:, :10], atol=1e-5)
    monkeypatch.setattr(max_sim_scan, "BLOCK", 7)
    monkeypatch.setattr(max_sim_scan, "TILE", {"cpu": (3, 5)})
    monkeypatch.setattr(max_sim_sides, "PAIR_BYTES", {"cpu": 999})
    monkeypatch.setattr(max_sim, "PART", {"cpu": 3})
    monkeypatch.setattr(max_sim, "PAIRS", 1)
    again = max_sim_topk(queries, candidates, 10)
    np.testing.assert_array_equal(again.indices, found.indices)
    np.testing.assert_array_equal(again.scores, found.scores)


def test_more_ties_than_are_kept_are_scored_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    from utils.retrieval import pruning

    monkeypatch.setattr(pruning, "MAX_KEPT", 20)
    queries, one = make(4, 3, 3, 8, 4), make(1, 4, 4, 8, 5)
    found = max_sim_topk(queries, TokenRows.of(one.arrays() * 500), 3)
    np.testing.assert_array_equal(found.indices, [[0, 1, 2]] * 4)
    np.testing.assert_array_equal(found.scores, np.repeat(brute(queries, one), 3, axis=1))


def test_maxima_below_zero_are_maxima() -> None:
    negative = TokenRows.of([-np.abs(row) for row in make(300, 1, 6, 8, 6).arrays()])
    queries = TokenRows.of([np.abs(row) for row in make(9, 1, 6, 8, 7).arrays()])
    scores = brute(queries, negative)
    assert scores.max() < 0
    found = max_sim_topk(queries, negative, 5, precision="bf16")
    np.testing.assert_array_equal(found.indices, np.argsort(-scores, axis=1, kind="stable")[:, :5])


def test_candidates_are_read_from_a_memory_map(tmp_path: Path) -> None:
    queries, candidates = make(9, 1, 6, 8, 8), make(300, 1, 6, 8, 9)
    np.save(tmp_path / "vectors.npy", candidates.vectors)
    mapped = TokenRows(np.load(tmp_path / "vectors.npy", mmap_mode="r"), candidates.offsets)
    np.testing.assert_array_equal(topk(queries, mapped, 5).indices, max_sim_topk(queries, candidates, 5).indices)


def test_rows_are_chosen_as_of_an_array() -> None:
    rows = make(20, 0, 4, 3, 10)
    arrays = rows.arrays()
    for which in (slice(3, 9), slice(None, 0), slice(None, None, -2), [4, 4, -1], np.arange(20) % 3 == 0):
        chosen = rows[which]
        expected = [arrays[place] for place in np.arange(20)[which]]
        assert len(chosen) == len(expected) == chosen.shape[0]
        assert all(np.array_equal(one, other) for one, other in zip(chosen.arrays(), expected, strict=True))


@pytest.mark.gpu
def test_cuda_gives_the_same_results() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    for case in CASES.values():
        n, m, least, most, dim, k, unit, scale = case
        queries, candidates = (
            make(size, least, most, dim, seed, unit=unit, scale=scale) for seed, size in enumerate((n, m))
        )
        host, device = (max_sim_topk(queries, candidates, k, device=name) for name in ("cpu", "cuda"))
        np.testing.assert_array_equal(device.indices, host.indices)
        np.testing.assert_array_equal(device.scores, host.scores)
        here, there = (max_sim_scores(queries, candidates, name)(np.arange(n)) for name in ("cpu", "cuda"))
        np.testing.assert_allclose(there, here, rtol=1e-12, atol=1e-12 * scale**2)


def test_what_cannot_be_searched_is_told() -> None:
    queries, candidates = make(3, 1, 4, 8, 11), make(9, 1, 4, 8, 12)
    with pytest.raises(UserError, match="Euclidean distances of a multi-vector encoder"):
        topk(queries, candidates, 2, similarity="euclidean")
    with pytest.raises(UserError, match="margins are computed of encoders with one dense vector"):
        margin_topk(queries, candidates, 2, margin="ratio", margin_k=2)
    with pytest.raises(UserError, match="different kinds"):
        topk(queries, candidates.vectors, 2)
    with pytest.raises(UserError, match="vectors of 8 dimensions, candidates of 7"):
        topk(queries, make(9, 1, 4, 7, 12), 2)
    with pytest.raises(UserError, match="k = 10, but there are 9 candidates"):
        topk(queries, candidates, 10)
    candidates.vectors[candidates.offsets[4]] = np.nan
    with pytest.raises(UserError, match="row 4 of the candidates holds NaN"):
        topk(queries, candidates, 2)
    huge = TokenRows.of([row * np.float32(1e30) for row in queries.arrays()])
    with pytest.raises(UserError, match="exceed the range of float32"):
        topk(huge, huge, 2)
