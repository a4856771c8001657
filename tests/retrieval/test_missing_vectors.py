"""Texts without a vector: candidates are never retrieved, queries retrieve nothing."""

from __future__ import annotations

import numpy as np
import pytest

from utils.errors import UserError
from utils.evaluation.metrics import dedup_hits, item_scores, predict_at_k
from utils.retrieval.missing_vectors import search_around_missing
from utils.retrieval.topk import topk
from utils.schema import TopK


def search(members, k):  # type: ignore[no-untyped-def]
    return topk(*members[0], k)


def test_a_candidate_without_a_vector_is_never_retrieved_and_a_query_retrieves_nothing() -> None:
    rng = np.random.default_rng(0)
    queries, candidates = rng.standard_normal((6, 4), dtype=np.float32), rng.standard_normal((9, 4), dtype=np.float32)
    whole = search_around_missing([(queries, candidates)], 9, search)
    lacking_query, lacking_candidate = queries.copy(), candidates.copy()
    lacking_query[2], lacking_candidate[5] = np.nan, np.nan
    found = search_around_missing([(lacking_query, lacking_candidate)], 8, search)
    assert (found.indices[2] == -1).all() and (found.scores[2] == 0).all()
    for row in (0, 1, 3, 4, 5):
        assert found.indices[row].tolist() == [index for index in whole.indices[row].tolist() if index != 5]
    with pytest.raises(UserError, match="only 8 candidates have a vector"):
        search_around_missing([(queries, lacking_candidate)], 9, search)


def test_an_ensemble_leaves_out_texts_that_any_encoder_has_no_vector_for() -> None:
    one, other = np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)
    other[1] = np.nan

    def first(members, k):  # type: ignore[no-untyped-def]
        assert [len(queries) for queries, _ in members] == [2, 2]
        return topk(*members[0], k)

    found: TopK = search_around_missing([(one, one), (other, one)], 1, first)
    assert found.indices[:, 0].tolist() == [0, -1, 2]


def test_metrics_of_a_query_that_retrieved_nothing() -> None:
    gold, retrieved = np.array([0, 1, 2]), np.array([[0], [-1], [1]])
    hyp = predict_at_k(gold, retrieved, 1)
    assert hyp.tolist() == [0, -1, 1]
    assert item_scores(gold, hyp)["acc"].tolist() == [1, 0, 0]
    assert dedup_hits(np.array([0, 2, 1]), retrieved, np.array([0, 1, 2]), 1).tolist() == [True, False, True]
