"""The numpy search of small problems: bit for bit the results of torch, and brute force."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from conftest import ROOT
from vectors import Pair, best, clustered, duplicates, gaussian, near_ties, rows, scores64, wild

from utils.constants import SIMILARITIES
from utils.errors import UserError
from utils.retrieval import small_search
from utils.retrieval.small_search import is_small
from utils.retrieval.topk import concatenate, margin_topk, topk
from utils.schema import TopK


def copies(n: int, m: int, d: int) -> Pair:
    """Return candidates that are copies of queries, each several times: distances of zero, cosines of one."""
    q = rows(n, d, 4)
    return q, q[np.random.default_rng(5).integers(0, n, m)]


def integers(n: int, m: int, d: int) -> Pair:
    """Return rows of small integers, which have many equal scores."""
    draw = np.random.default_rng(6)
    q, c = (draw.integers(-2, 3, (size, d)).astype(np.float32) for size in (n, m))
    q[:, 0] = c[:, 0] = 3
    return q, c


def all_equal(n: int, m: int, d: int) -> Pair:
    """Return candidates that are all the same."""
    return rows(n, d, 1), np.repeat(rows(1, d, 2), m, axis=0)


KINDS = (gaussian, clustered, duplicates, near_ties, wild, copies, integers, all_equal)
SIZES = ((40, 300, 33), (130, 200, 64), (1, 90, 384), (60, 2500, 24), (7, 1, 5))


def both(monkeypatch: pytest.MonkeyPatch, search: Callable[[], TopK]) -> tuple[TopK, TopK]:
    """Return the results of the numpy search and of torch."""
    found = []
    for numpy in (True, False):
        monkeypatch.setattr("utils.retrieval.topk.prefers_numpy", lambda *_, numpy=numpy: numpy)
        found.append(search())
    return found[0], found[1]


def assert_same_bits(one: TopK, other: TopK, what: str) -> None:
    np.testing.assert_array_equal(one.indices, other.indices, err_msg=what)
    np.testing.assert_array_equal(one.scores.view(np.int32), other.scores.view(np.int32), err_msg=what)
    assert one.indices.dtype == np.int64 and one.scores.dtype == np.float32


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_numpy_and_torch_agree_bit_for_bit(
    kind: Callable[..., Pair], similarity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n, m, d in SIZES:
        q, c = kind(n, m, d)
        for k in {1, min(10, m), min(75, m)}:
            found = both(monkeypatch, lambda q=q, c=c, k=k: topk(q, c, k, similarity=similarity))
            assert_same_bits(*found, f"{kind.__name__}, {n} x {m} x {d}, k = {k}")


@pytest.mark.parametrize("kind", [gaussian, clustered, duplicates, near_ties, copies, integers])
@pytest.mark.parametrize("margin", ["none", "absolute", "ratio", "distance", "csls"])
def test_margins_agree_bit_for_bit(kind: Callable[..., Pair], margin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for n, m, d in ((40, 300, 33), (130, 200, 64), (60, 2500, 24)):
        q, c = (np.abs(rows) for rows in kind(n, m, d))
        for k in (1, 10):
            found = both(monkeypatch, lambda q=q, c=c, k=k: margin_topk(q, c, k, margin=margin, margin_k=4))
            assert_same_bits(*found, f"{kind.__name__}, {n} x {m} x {d}, k = {k}")


def test_the_concatenated_rows_of_an_ensemble_agree_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, other in ((gaussian, clustered), (duplicates, duplicates), (near_ties, copies)):
        members = kind(50, 400, 48), other(50, 400, 96)
        q, c = (concatenate(side, [1, 3]) for side in zip(*members, strict=True))
        assert_same_bits(*both(monkeypatch, lambda q=q, c=c: topk(q, c, 10)), kind.__name__)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_numpy_equals_brute_force_over_several_tiles(similarity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("utils.retrieval.topk.prefers_numpy", lambda *_: True)
    monkeypatch.setattr(small_search, "TILE_SCORES", 700)
    monkeypatch.setattr(small_search, "PAIR_BYTES", 1000)
    q, c = gaussian(50, 300, 20)
    c[250:] = c[:50]
    for k in (1, 10, 300):
        found = topk(q, c, k, similarity=similarity)
        np.testing.assert_array_equal(found.indices, best(scores64(q, c, similarity), k))


def test_norms_whose_products_float32_cannot_represent(monkeypatch: pytest.MonkeyPatch) -> None:
    q, c = rows(5, 16, 3), rows(60, 16, 4)
    factors = np.float32(2.0) ** np.random.default_rng(0).choice([-115, 0, 110], 60).astype(np.float32)
    found = both(monkeypatch, lambda: topk(q * np.float32(2.0**-110), c * factors[:, None], 60))
    assert_same_bits(*found, "lengths")


def test_numpy_raises_the_same_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    good, zero, nan = rows(3, 4), rows(3, 4), rows(3, 4)
    zero[1], nan[2, 0] = 0, np.nan
    for q, c, similarity in (
        (good, zero, "cosine"),
        (zero, good, "cosine"),
        (nan, good, "cosine"),
        (good, nan, "euclidean"),
        (good * np.float32(1e20), good * np.float32(1e20), "dot"),
    ):
        raised = []
        for numpy in (True, False):
            monkeypatch.setattr("utils.retrieval.topk.prefers_numpy", lambda *_, numpy=numpy: numpy)
            with pytest.raises(UserError) as caught:
                topk(q, c, 1, similarity=similarity)
            raised.append((caught.value.what, caught.value.hint))
        assert raised[0] == raised[1]


def test_what_is_small() -> None:
    assert is_small(np.empty((1000, 4096)), np.empty((1000, 4096)), 10)
    assert not is_small(np.empty((3000, 384)), np.empty((7000, 384)), 10)
    assert not is_small(np.empty((1, 384)), np.empty((100_000, 384)), 10)  # copying the rows takes memory
    assert not is_small(np.empty((1000, 4096)), np.empty((1000, 4096)), 900)  # most pairs are needed in float64
    assert not is_small(torch.empty(5, 3), np.empty((9, 3)), 1)
    assert not is_small(np.empty((5, 3)), np.empty((9, 4)), 1)


def test_a_small_search_does_not_import_torch() -> None:
    code = """
import sys
import numpy as np
from utils.retrieval.fusion import fused_topk
from utils.retrieval.topk import margin_topk, topk
draw = np.random.default_rng(0)
q, c = (draw.standard_normal((size, 16), dtype=np.float32) for size in (30, 50))
topk(q, c, 5)
margin_topk(q, c, 5, margin="ratio", margin_k=4)
fused_topk([(q, c), (q[:, :8], c[:, :8])], [1, 2], 5)
assert not {"torch", "scipy"} & set(sys.modules)
topk(q, c, 5, precision="plain")
assert "torch" in sys.modules
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
