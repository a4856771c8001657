"""The scan of a GPU, with its kernels in torch: results equal brute force, for all scores and kinds of rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from vectors import Pair, best, clustered, duplicates, gaussian, margins64, near_ties, rows, scores64, wild

from utils.retrieval import bar_scan, exact_search, pair_scores, scan_choice, torch_kernels
from utils.retrieval.bar_scan import BarScan, bit_counts, positions
from utils.retrieval.fused_kernels import first_fault, fused_kernels
from utils.retrieval.pair_scores import Queries
from utils.retrieval.topk import build_product, margin_topk, topk


@pytest.fixture(autouse=True)
def kernels_in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scan as on a GPU, with small samples, tiles and launches."""
    monkeypatch.setattr(scan_choice, "fused_kernels", lambda device: torch_kernels)
    monkeypatch.setattr(pair_scores, "PADDED", frozenset())
    monkeypatch.setattr(bar_scan, "SAMPLE", 256)
    monkeypatch.setattr(bar_scan, "MOST_QUERIES", 37)
    monkeypatch.setattr(bar_scan, "MOST_WORDS", 500)
    monkeypatch.setattr(bar_scan, "ROUND_CHUNK", 9000)


@pytest.mark.parametrize("kind", [clustered, duplicates, near_ties, wild, gaussian])
@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_results_equal_brute_force(kind: Callable[..., Pair], similarity: str) -> None:
    for n, m, d in ((50, 3000, 33), (1, 1501, 96)):
        q, c = kind(n, m, d)
        expected = scores64(q, c, similarity)
        if kind is duplicates:  # give identical candidates identical scores
            expected = scores64(q, np.unique(c, axis=0), similarity)[:, np.unique(c, axis=0, return_inverse=True)[1]]
        for k in (1, 10, 300):
            found = topk(q, c, k, similarity=similarity, precision="bf16")
            np.testing.assert_array_equal(found.indices, best(expected, k), err_msg=f"{kind.__name__} k={k}")


@pytest.mark.parametrize("margin", ["ratio", "distance", "csls"])
def test_margins_equal_brute_force(margin: str) -> None:
    for q, c in ((np.abs(rows(60, 12, 1)), np.abs(rows(1500, 12, 2))), (rows(60, 48, 1), rows(1500, 48, 2))):
        found = margin_topk(q, c, 6, margin=margin, margin_k=4, precision="bf16")
        np.testing.assert_array_equal(found.indices, best(margins64(q, c, margin, 4), 6))


@pytest.mark.parametrize(("kind", "most"), [(clustered, 120), (gaussian, 100), (near_ties, 4000)])
def test_the_candidates_kept_include_the_best_and_are_few_if_the_data_allow(
    kind: Callable[..., Pair], most: int
) -> None:
    q, c = kind(30, 4000, 128)
    scorer = build_product(q, c, "cosine", "cpu")
    form = scorer.form()
    assert form is not None
    tile = Queries(torch.arange(30), scorer.queries(slice(0, 30)))
    wanted = best(scores64(q, c, "cosine"), 10)
    n_kept = 0
    for part, found in BarScan(scorer, form, torch_kernels).keep_candidates(tile, 10):
        for number, query in enumerate(range(part.start, part.stop)):
            mine = found.candidates[found.queries == number]
            assert bool(found.overflowed[number]) or set(wanted[query].tolist()) <= set(mine.tolist())
        n_kept += len(found.queries)
    assert 300 <= n_kept <= 30 * most


def test_queries_with_too_many_candidates_are_searched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bar_scan, "MAX_KEPT", 40)
    again = []
    scan = exact_search.Scan
    monkeypatch.setattr(exact_search, "Scan", lambda scorer, name: again.append(scorer.shape) or scan(scorer, name))
    q, c = near_ties(45, 1200, 24)
    q[7], c[:3] = rows(1, 24, 99)[0], rows(3, 24, 98)
    for similarity in ("cosine", "euclidean"):
        found = topk(q, c, 2, similarity=similarity, precision="bf16")
        np.testing.assert_array_equal(found.indices, best(scores64(q, c, similarity), 2))
    assert again and all(shape[0] <= 45 for shape in again)


def test_bits_are_counted_and_placed() -> None:
    words = torch.tensor([0, 1, -1, -(2**31), 0b1010, 2**31 - 1], dtype=torch.int32)
    assert bit_counts(words).tolist() == [0, 1, 32, 1, 2, 31]
    which, candidates = positions(torch.tensor([4, 0, 2], dtype=torch.int32), words[[4, 0, 3]])
    assert which.tolist() == [0, 0, 2] and candidates.tolist() == [129, 131, 95]
    which, candidates = positions(torch.tensor([1], dtype=torch.int32), words[[2]])
    assert candidates.tolist() == list(range(32, 64))


def test_the_kernels_in_torch_are_their_own_reference() -> None:
    assert first_fault(torch_kernels, "cpu", torch.bfloat16) == ""
    assert fused_kernels(torch.device("cpu")) is None


def test_a_fault_of_a_kernel_is_named() -> None:
    class Broken:
        block_maxima, append_hits = torch_kernels.block_maxima, torch_kernels.append_hits
        reached_values = torch_kernels.reached_values

        @staticmethod
        def pair_sums(*args: torch.Tensor, **how: bool) -> torch.Tensor:
            return torch_kernels.pair_sums(*args, **how) + 1

    assert first_fault(Broken, "cpu", torch.bfloat16) == "pair_sums"
