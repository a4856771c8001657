"""Rerankers of APIs by the real SDKs: scores, retries, faults, budgets, and nothing that is requested twice."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from api_server import FILTERED, ApiServer, relevance
from conftest import Run

from utils.api.limiter import Budget
from utils.api.limits import ApiOptions
from utils.errors import UserError
from utils.protocols import Reranker
from utils.rerankers.cached import open_reranker
from utils.rerankers.resolve import RerankOptions, resolve_reranker

PAIRS = [(f"query {row}", f"document {place}") for row in range(3) for place in range(5)]
FAST = ApiOptions(max_retries=3, timeout=2.0, concurrency=2)


def opened(
    server: ApiServer, tmp_path: Path, name: str = "cohere:rerank-v3.5", path: str = "", options: ApiOptions = FAST
) -> Reranker:
    spec = resolve_reranker(name, tmp_path, RerankOptions(base_url=server.url + path))
    return open_reranker(spec, "cpu", tmp_path, (options, Budget(options.max_cost)))


@pytest.mark.parametrize(
    ("name", "path"),
    [("cohere:rerank-v3.5", ""), ("openai:bge", "/v1"), ("bge", "/v1/rerank"), ("bge", "/rerank")],
)
def test_scores_by_each_form_of_the_endpoint(server: ApiServer, tmp_path: Path, name: str, path: str) -> None:
    reranker = opened(server, tmp_path, name, path)
    assert reranker.score([*PAIRS, *PAIRS]) == pytest.approx([relevance(*pair) for pair in [*PAIRS, *PAIRS]], abs=1e-7)
    assert set(server.paid.values()) == {1} and len(server.paid) == 15
    assert reranker.counts == {"hits": 0, "misses": 15, "failed": 0, "cut": 0}
    n_requests = server.n_requests
    again = opened(server, tmp_path, name, path)
    assert again.score(PAIRS[::-1]) == reranker.score(PAIRS)[::-1] and server.n_requests == n_requests


@pytest.mark.parametrize("fault", ["429", "500", "truncated", "html", "reset", "error"])
def test_passing_faults_are_retried(server: ApiServer, tmp_path: Path, fault: str) -> None:
    server.faults = {1: fault, 2: fault}
    assert opened(server, tmp_path).score(PAIRS) == pytest.approx([relevance(*pair) for pair in PAIRS])


def test_scores_that_do_not_fit_the_documents_are_no_scores(server: ApiServer, tmp_path: Path) -> None:
    server.replaced = {"results": [{"index": 0, "relevance_score": 0.5}, {"index": 0, "relevance_score": 0.7}]}
    with pytest.raises(UserError, match="2 scores for 1 documents"):
        opened(server, tmp_path, options=ApiOptions(max_retries=0)).score(PAIRS)


def test_a_filtered_document_fails_alone_and_a_long_one_is_cut(server: ApiServer, tmp_path: Path) -> None:
    pairs = [*PAIRS[:4], ("query 0", f"bad {FILTERED}"), ("query 0", "long " * 200)]
    reranker = opened(server, tmp_path, "bge", "/v1")
    found = reranker.score(pairs)
    assert found[:4] == pytest.approx([relevance(*pair) for pair in pairs[:4]])
    assert math.isnan(found[4]) and math.isfinite(found[5])
    assert reranker.counts == {"hits": 0, "misses": 6, "failed": 1, "cut": 1}
    with pytest.raises(UserError, match="filtered"):
        opened(server, tmp_path, "bge", "/v1", ApiOptions(strict=True, max_retries=0)).score(pairs)


def test_a_run_that_ends_continues_where_it_stopped(server: ApiServer, tmp_path: Path) -> None:
    server.faults = dict.fromkeys(range(2, 99), "500")
    options = ApiOptions(max_retries=0, concurrency=1)
    with pytest.raises(UserError, match="status 500"):
        opened(server, tmp_path, options=options).score(PAIRS)
    server.faults = {}
    reranker = opened(server, tmp_path, options=options)
    assert reranker.score(PAIRS) == pytest.approx([relevance(*pair) for pair in PAIRS])
    assert reranker.counts["hits"] == 5 and set(server.paid.values()) == {1}


def test_searches_are_billed_within_the_budget(
    server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CO_API_KEY", "a-key-of-cohere")
    spec = resolve_reranker("rerank-v3.5", tmp_path)
    assert (spec.name, spec.model.provider, spec.model.base_url) == ("rerank-v3.5", "cohere", "")
    monkeypatch.setattr("utils.api.providers.PROVIDERS", {**_at(server)})
    monkeypatch.setattr("utils.api.client.PROVIDERS", {**_at(server)})
    options = ApiOptions(max_cost=0.005, concurrency=1, max_retries=0)
    reranker = open_reranker(spec, "cpu", tmp_path, (options, Budget(options.max_cost)))
    assert "3 requests, $0.0060" in reranker.quote(3, 15) and "more than --max_cost" in reranker.quote(3, 15)
    with pytest.raises(UserError, match="max_cost"):
        reranker.score(PAIRS)  # a search costs $0.002: the third would exceed the bound
    assert len(server.paid) == 10 and reranker.client is not None
    usage = reranker.client.usage()
    assert (usage["searches"], usage["cost_usd"]) == (2, 0.004)


def _at(server: ApiServer) -> dict[str, object]:
    import dataclasses

    from utils.api.providers import PROVIDERS

    return {**PROVIDERS, "cohere": dataclasses.replace(PROVIDERS["cohere"], url=server.url)}


def test_a_run_with_a_server(run: Run, server: ApiServer, tmp_path: Path) -> None:
    flags = ("--first_stage", "bm25", "--langs", "eng", "--pool", "same", "--k", "1")
    flags += ("--rerank", "bge", "--rerank_url", f"{server.url}/v1", "--rerank_depth", "10")
    plan = run("retrieval.py", *flags, "--dry_run")
    assert "at most 420 pairs" in plan.stdout and "at most 42 requests" in plan.stdout, plan.stdout + plan.stderr
    assert server.n_requests == 0
    done = run("retrieval.py", *flags)
    assert done.returncode == 0 and server.n_requests == 42, done.stderr
    run("retrieval.py", *flags, "--overwrite")
    assert server.n_requests == 42


@pytest.mark.parametrize(
    ("name", "options", "what"),
    [
        ("openai:bge", RerankOptions(), "without --rerank_url"),
        ("rerank-v3.5", RerankOptions(instruction="x"), "--rerank_instruction with rerank-v3.5"),
        ("bge", RerankOptions(base_url="nowhere"), "is not the address of a server"),
    ],
)
def test_mistakes(tmp_path: Path, name: str, options: RerankOptions, what: str) -> None:
    with pytest.raises(UserError, match=what):
        resolve_reranker(name, tmp_path, options)
