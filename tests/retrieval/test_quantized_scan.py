"""The scan in low precision: it keeps the k best candidates for any data, and the results are exact."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from vectors import Pair, best, clustered, duplicates, gaussian, margins64, near_ties, rows, scores64, wild

from utils import numerics
from utils.numerics import int8_is_exact
from utils.retrieval import exact_search, pair_scores, pruning, quantized_scan
from utils.retrieval.quantized_scan import PRECISIONS, Scan
from utils.retrieval.scan_choice import choose_scan
from utils.retrieval.topk import build_product, margin_topk, topk

KINDS = (clustered, duplicates, near_ties, wild, gaussian)


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make several tiles of queries and candidates, the last ones smaller."""
    monkeypatch.setattr(quantized_scan, "CANDIDATE_TILE", 448)
    monkeypatch.setattr(exact_search, "FEW_SCORES", 1)
    monkeypatch.setattr(quantized_scan, "QUERY_TILE", 37)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_results_equal_brute_force(kind: Callable[..., Pair], precision: str, similarity: str) -> None:
    for n, m, d in ((50, 3000, 33), (1, 1501, 96)):
        q, c = kind(n, m, d)
        expected = scores64(q, c, similarity)
        if kind is duplicates:  # give identical candidates identical scores
            expected = scores64(q, np.unique(c, axis=0), similarity)[:, np.unique(c, axis=0, return_inverse=True)[1]]
        for k in (1, 10, 300):
            found = topk(q, c, k, similarity=similarity, precision=precision)
            np.testing.assert_array_equal(found.indices, best(expected, k), err_msg=f"{kind.__name__} k={k}")


@pytest.mark.parametrize("k", [1, 7, 100, 1000])
def test_every_number_of_neighbours(k: int) -> None:
    q, c = clustered(40, 2500, 50)
    found = topk(q, c, k, precision="int8")
    np.testing.assert_array_equal(found.indices, best(scores64(q, c, "cosine"), k))
    np.testing.assert_array_equal(found.scores, topk(q, c, k, precision="plain").scores)


@pytest.mark.parametrize("margin", ["ratio", "distance", "csls"])
@pytest.mark.parametrize("precision", [None, "int8", "bf16"])
def test_margins_with_every_precision(margin: str, precision: str | None) -> None:
    q, c = np.abs(rows(60, 12, 1)), np.abs(rows(1500, 12, 2))
    found = margin_topk(q, c, 6, margin=margin, margin_k=4, precision=precision)
    np.testing.assert_array_equal(found.indices, best(margins64(q, c, margin, 4), 6))


@pytest.mark.parametrize("kind", [clustered, gaussian, near_ties])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_candidates_kept_include_the_best_and_are_few_if_the_data_allow(
    kind: Callable[..., Pair], precision: str
) -> None:
    q, c = kind(30, 4000, 128)
    scorer = build_product(q, c, "cosine", "cpu")
    found = Scan(scorer, precision).keep_candidates(slice(0, 30), 10)
    wanted = best(scores64(q, c, "cosine"), 10)
    for query in range(30):
        mine = found.candidates[found.queries == query]
        assert bool(found.overflowed[query]) or set(wanted[query].tolist()) <= set(mine.tolist())
        assert mine.equal(mine.sort().values)
    if kind is clustered:
        most = {"int8": 400, "bf16": 60, "fp32": 11}[precision]
        assert 10 <= len(found.queries) / 30 <= most


def test_the_error_of_rounding_is_bounded() -> None:
    """Upper bounds are never below the true scores."""
    for kind in KINDS:
        q, c = kind(20, 448, 40)
        scorer = build_product(q, c, "cosine", "cpu")
        true = torch.from_numpy(scores64(q, c, "cosine"))
        for precision in PRECISIONS:
            searched = Scan(scorer, precision)
            found = searched.keep_candidates(slice(0, 20), 448)  # all candidates are kept
            assert len(found.queries) == 20 * 448
            upper = found.upper.double() + searched.centring(slice(0, 20)).double()[found.queries]
            values = true[found.queries, found.candidates]
            assert bool((upper >= values - 1e-12).all()), (kind.__name__, precision)


def test_integer_products_do_not_saturate_here() -> None:
    assert int8_is_exact() in (True, False)
    if int8_is_exact():
        a = torch.randint(-127, 128, (33, 200), dtype=torch.int8)
        b = torch.randint(-127, 128, (70, 200), dtype=torch.int8)
        assert torch._int_mm(a, b.t()).equal((a.long() @ b.long().t()).int())


def test_the_precision_is_chosen_by_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantized_scan, "CANDIDATE_TILE", 4096)
    few = build_product(*gaussian(200, 500, 16), "cosine", "cpu")
    assert choose_scan(few, 10) is None  # a search without a scan is as fast
    tied = build_product(*near_ties(200, 20000, 32), "cosine", "cpu")
    chosen = choose_scan(tied, 10)
    assert chosen is not None and chosen.precision == "fp32"
    if int8_is_exact():
        spread = build_product(*gaussian(200, 20000, 16), "cosine", "cpu")
        chosen = choose_scan(spread, 10)
        assert chosen is not None and chosen.precision == "int8"


def test_queries_with_too_many_candidates_kept_are_searched_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "MAX_KEPT", 40)
    q, c = near_ties(45, 1200, 24)
    q[7] = rows(1, 24, 99)[0]
    for precision in PRECISIONS:
        found = topk(q, c, 2, precision=precision)
        np.testing.assert_array_equal(found.indices, best(scores64(q, c, "cosine"), 2))


def test_scoring_pairs_by_gathering_as_on_gpus_gives_the_same_results(monkeypatch: pytest.MonkeyPatch) -> None:
    q, c = clustered(90, 3000, 24)
    expected = topk(q, c, 5, precision="int8")
    monkeypatch.setattr(pair_scores, "pair_products", pair_scores._gathered_products)
    monkeypatch.setitem(pair_scores.RESCORE_BYTES, "cpu", 24 * 8 * 7)  # several steps
    found = topk(q, c, 5, precision="int8")
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_full_precision_is_set_and_restored() -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        with numerics.full_precision("cuda"):
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction
    finally:
        torch.set_float32_matmul_precision(before)
