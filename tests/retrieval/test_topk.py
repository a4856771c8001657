"""Top-k search compared with brute force: similarities, margins, ties, tiles, shards, duplicates and invalid rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from vectors import best, margins64, rows, scores64

from utils.constants import SIMILARITIES
from utils.errors import UserError
from utils.retrieval import exact_search, shards
from utils.retrieval.topk import concatenate, margin_topk, topk
from utils.schema import TopK


def test_a_hand_worked_case() -> None:
    queries = np.array([[1, 0], [0, 2]], dtype=np.float32)
    candidates = np.array([[0, 1], [3, 0], [1, 1], [2, 0]], dtype=np.float32)
    found = topk(queries, candidates, 3)
    assert found.indices.tolist() == [
        [1, 3, 2],
        [0, 2, 1],
    ]  # 1 and 3 tie at cosine 1, 1 and 3 at 0: ties to the lower index
    np.testing.assert_allclose(found.scores, [[1, 1, 2**-0.5], [1, 2**-0.5, 0]], atol=1e-7)
    assert found.indices.dtype == np.int64 and found.scores.dtype == np.float32
    far = topk(queries, candidates, 1, similarity="euclidean")
    assert far.indices.tolist() == [[2], [0]] and far.scores.tolist() == [[-1], [-1]]
    assert topk(queries, candidates, 1, similarity="dot").indices.tolist() == [[1], [0]]


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("scale", [1e-18, 1.0, 1e12])
@pytest.mark.parametrize(("n", "m", "d"), [(1, 5, 3), (40, 60, 7), (33, 500, 33)])
def test_equals_brute_force_with_every_row_twice(similarity: str, scale: float, n: int, m: int, d: int) -> None:
    q, c = rows(n, d, 1, scale), rows(m, d, 2, scale)
    c[m // 2 :] = c[: m - m // 2]
    expected = scores64(q, c, similarity)
    for k in (1, 5, m):
        found = topk(q, c, k, similarity=similarity)
        np.testing.assert_array_equal(found.indices, best(expected, k))
        np.testing.assert_allclose(found.scores, np.take_along_axis(expected, found.indices, 1), rtol=1e-5, atol=1e-30)


def test_equals_brute_force_over_many_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_search, "QUERY_TILE", 7)
    monkeypatch.setattr(exact_search, "CANDIDATE_TILE", 13)
    monkeypatch.setattr(exact_search, "WORK_BYTES", 4096)
    q, c = rows(50, 9, 3), rows(200, 9, 4)
    for similarity in ("cosine", "dot", "euclidean"):
        np.testing.assert_array_equal(
            topk(q, c, 30, similarity=similarity).indices, best(scores64(q, c, similarity), 30)
        )


def test_near_ties_that_the_float32_scan_cannot_distinguish_are_ranked_exactly() -> None:
    base = rows(1, 384, 5)
    c = np.repeat(base, 300, axis=0)
    c += rows(300, 384, 6, 1e-6)  # cosines differ in the seventh digit only
    found = topk(base, c, 10)
    np.testing.assert_array_equal(found.indices, best(scores64(base, c, "cosine"), 10))


def test_clustered_rows_with_cosines_between_0_7_and_1() -> None:
    centre = rows(1, 64, 7)
    q, c = centre + rows(60, 64, 8, 0.5), centre + rows(3000, 64, 9, 0.5)
    assert np.median(scores64(q, c, "cosine")) > 0.7
    np.testing.assert_array_equal(topk(q, c, 10).indices, best(scores64(q, c, "cosine"), 10))


def test_all_candidates_equal_gives_the_lowest_indices() -> None:
    c = np.repeat(rows(1, 16, 1), 500, axis=0)
    assert (topk(rows(3, 16, 2), c, 4).indices == np.arange(4)).all()


def test_torch_tensors_are_accepted() -> None:
    torch = pytest.importorskip("torch")
    q, c = rows(5, 8, 1), rows(9, 8, 2)
    np.testing.assert_array_equal(topk(torch.tensor(q), torch.tensor(c), 3).indices, topk(q, c, 3).indices)


@pytest.mark.parametrize("margin", ["none", "ratio", "distance", "absolute", "csls"])
def test_margins_equal_their_published_formulas(margin: str) -> None:
    q, c = np.abs(rows(40, 12, 1)), np.abs(rows(70, 12, 2))
    expected = margins64(q, c, margin, 4)
    found = margin_topk(q, c, 6, margin=margin, margin_k=4)
    np.testing.assert_array_equal(found.indices, best(expected, 6))
    np.testing.assert_allclose(found.scores, np.take_along_axis(expected, found.indices, 1), rtol=1e-5, atol=3e-7)


def test_ratio_margin_by_hand_ranks_a_hub_lower() -> None:
    """The hub has the greater cosine, but it is close to all queries, so its ratio a / b is smaller."""
    q = np.array([[1.0, 0.1], [0.1, 1.0], [0.7, 0.8]], dtype=np.float32)
    c = np.array([[1.0, 0.6], [1.0, -0.4]], dtype=np.float32)
    assert topk(q[:1], c, 1).indices.tolist() == [[0]]  # cosines 0.904 and 0.887
    found = margin_topk(q, c, 2, margin="ratio", margin_k=1)  # c0's best cosine is 0.952, c1's 0.887, q0's 0.904
    assert found.indices[0].tolist() == [1, 0]
    np.testing.assert_allclose(
        found.scores[0], [0.8869 / ((0.9045 + 0.8869) / 2), 0.9045 / ((0.9045 + 0.9520) / 2)], rtol=1e-3
    )


def test_concatenated_rows_have_the_weighted_mean_of_the_cosines() -> None:
    a, b = (rows(6, 5, 1), rows(8, 5, 2)), (rows(6, 9, 3), rows(8, 9, 4))
    joined = scores64(concatenate([a[0], b[0]], [3, 1]), concatenate([a[1], b[1]], [3, 1]), "cosine")
    np.testing.assert_allclose(joined, (3 * scores64(*a, "cosine") + scores64(*b, "cosine")) / 4, atol=1e-6)


def test_invalid_rows_and_k_are_errors() -> None:
    good, zero, nan = rows(3, 4), rows(3, 4), rows(3, 4)
    zero[1], nan[2, 0] = 0, np.nan
    cases = [
        (lambda: topk(good, good, 4), "k = 4, but there are 3 candidates"),
        (lambda: topk(good, good, 0), "k = 0"),
        (lambda: topk(good, zero, 1), "candidate 1 is all zeros"),
        (lambda: topk(zero, good, 1), "query 1 is all zeros"),
        (lambda: topk(nan, good, 1), "row 2 of the queries holds NaN"),
        (lambda: topk(good, good[:, :2], 1), "4 dimensions, candidates 2"),
        (lambda: topk(good[:0], good, 1), "expected (n, d) with n > 0"),
        (lambda: topk(good, good, 1, similarity="cos"), "unknown similarity 'cos'"),
        (lambda: margin_topk(good, good, 1, margin="ratio", margin_k=9), "--margin_k 9, but the smaller side has 3"),
    ]
    for call, message in cases:
        with pytest.raises(UserError) as caught:
            call()
        assert message in caught.value.what and caught.value.hint


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_scores() -> None:
    """10,000 x 60,000 scores take 2.4 GB; the search takes less than 350 MB in addition to its inputs."""
    code = f"""
import resource, sys
sys.path.insert(0, {str(ROOT)!r})
import numpy as np, torch
from utils.retrieval.topk import topk
rng = np.random.default_rng(0)
q, c = rng.normal(size=(10000, 32)).astype(np.float32), rng.normal(size=(60000, 32)).astype(np.float32)
topk(q[:10], c[:10], 1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
topk(q, c, 10)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 350


@pytest.mark.gpu
def test_cuda_gives_the_same_results() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    q, c = rows(500, 384, 1), rows(20000, 384, 2)
    for similarity in ("cosine", "dot", "euclidean"):
        host, device = topk(q, c, 10, similarity=similarity), topk(q, c, 10, similarity=similarity, device="cuda")
        np.testing.assert_array_equal(host.indices, device.indices)


def test_shards_of_a_memory_map_give_the_same_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    q, c = rows(40, 24, 1), rows(700, 24, 2)
    c[650] = c[3]  # a tie across shards
    q[0] = c[3]
    np.save(tmp_path / "rows.npy", c)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    whole = [topk(q, c, 9, similarity=kind) for kind in SIMILARITIES]
    wide = margin_topk(q, c, 9, margin="ratio", margin_k=4)
    monkeypatch.setattr(shards, "CPU_BYTES", 24 * 97)
    for kind, expected in zip(SIMILARITIES, whole, strict=True):
        found = topk(q, mapped, 9, similarity=kind)
        np.testing.assert_array_equal(found.indices, expected.indices)
        np.testing.assert_array_equal(found.scores, expected.scores)
    assert whole[0].indices[0, :2].tolist() == [3, 650]
    found = margin_topk(q, mapped, 9, margin="ratio", margin_k=4)
    np.testing.assert_array_equal(found.indices, wide.indices)
    np.testing.assert_array_equal(found.scores, wide.scores)
    assert topk(q, mapped, 700).indices.shape == (40, 700)  # more than a shard has
    with pytest.raises(UserError) as caught:
        topk(q, mapped, 701)
    assert "there are 700 candidates" in caught.value.what


def test_norms_whose_inverse_float32_cannot_represent() -> None:
    q, c = rows(5, 16, 3), rows(60, 16, 4)
    expected = topk(q, c, 60)
    factors = np.float32(2.0) ** np.random.default_rng(0).choice([-115, 0, 110], 60).astype(np.float32)
    for precision in ("plain", "int8", "bf16", "fp32"):
        found = topk(q * np.float32(2.0**-110), c * factors[:, None], 60, precision=precision)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-7)
        assert (found.indices == expected.indices).mean() > 0.95  # nearly equal scores may change places


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_rankings_of_all_candidates(similarity: str) -> None:
    q, c = rows(30, 16, 1), rows(400, 16, 2)
    c[300:310] = c[5]  # ties
    expected = scores64(q, c, similarity)
    for k in (64, 80, 81, 400):  # by pruning, and by ranking all candidates
        found = topk(q, c, k, similarity=similarity)
        np.testing.assert_array_equal(found.indices, best(expected, k))


def test_shards_are_split_when_memory_runs_out(capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    q, c = rows(8, 12, 1), rows(9000, 12, 2)
    c[8000] = c[4]
    q[1] = c[4]

    def narrow(most: int) -> object:
        def one(part: slice, device: str) -> TopK:
            if part.stop - part.start > most:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return topk(q, c[part], 5)

        return one

    found, expected = shards.search_shards(c, 5, "cpu", narrow(3000)), topk(q, c, 5)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert found.indices[1, :2].tolist() == [4, 8000]
    assert "a shard of 9000 candidates is split in halves" in capsys.readouterr().err
    with pytest.raises(UserError) as caught:
        shards.search_shards(c, 5, "cpu", narrow(10))  # type: ignore[arg-type]
    assert caught.value.what == "the device ran out of memory in a search of 9000 candidates"


def test_lists_tensors_and_other_arrays_are_accepted_as_rows() -> None:
    torch = pytest.importorskip("torch")
    q, c = rows(6, 8, 1), rows(40, 8, 2)
    expected = topk(q, c, 3)
    as_others = (
        (q.tolist(), c.tolist()),
        (list(q), list(c)),
        (q.astype(">f4"), c[::-1].copy()[::-1]),
        (torch.tensor(q, requires_grad=True), torch.tensor(c)),
        (np.asfortranarray(q), np.asfortranarray(c)),
        (q.astype(np.float64), c.astype(np.float64)),
    )
    for queries, candidates in as_others:
        found = topk(queries, candidates, np.int64(3))  # type: ignore[arg-type]
        np.testing.assert_array_equal(found.indices, expected.indices)
        np.testing.assert_array_equal(found.scores, expected.scores)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("k = 2.5", {"k": 2.5}),
        ("k = True", {"k": True}),
        ("k = '3'", {"k": "3"}),
        ("unknown precision 'foo'", {"precision": "foo"}),
        ("device 'tpu' is not available", {"device": "tpu"}),
        ("dot products of up to", {"scale": 1e-22, "similarity": "dot"}),
        ("dot products of up to", {"scale": 1e20, "similarity": "dot"}),
        ("queries have 8 dimensions, candidates 0", {"candidates": np.ones((4, 0), np.float32)}),
        ("there are 0 candidates", {"candidates": np.ones((0, 8), np.float32)}),
        ("queries have the shape (8,)", {"queries": np.ones(8, np.float32)}),
    ],
)
def test_error_messages(what: str, change: dict[str, object]) -> None:
    scale = np.float32(change.pop("scale", 1.0))
    asked = {"queries": rows(6, 8, 1) * scale, "candidates": rows(40, 8, 2) * scale, "k": 3, **change}
    with pytest.raises(UserError) as caught:
        topk(**asked)  # type: ignore[arg-type]
    assert what in caught.value.what
