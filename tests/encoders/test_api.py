"""Embeddings of APIs through the real SDKs: a bad day ends with all vectors right, or the finished ones kept."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from api_server import FAULTS, FILTERED, LONGEST, VECTOR_FAULTS, ApiServer, vector

from utils.api import response_cache
from utils.api.embedding_requests import shorten
from utils.api.limiter import Budget
from utils.api.limits import ApiOptions
from utils.api.openai import OPENAI
from utils.api.providers import PROVIDERS as REGISTRY
from utils.encoders.api import ApiEncoder
from utils.encoders.cached import open_encoder
from utils.encoders.resolve import EncodingOptions, api_names, resolve_api_encoder
from utils.errors import UserError
from utils.retrieval import mapped_rows
from utils.schema import EncoderSpec

PROVIDERS = ("openai", "cohere")
TEXTS = [f"text {number}" for number in range(1000)]


def spec_of(name: str, url: str | None, **options: object) -> EncoderSpec:
    return resolve_api_encoder(name, EncodingOptions(url, **options))  # type: ignore[arg-type]


def encoder(
    server: ApiServer, folder: Path, provider: str = "openai", batch_size: int | None = None, **options: object
) -> ApiEncoder:
    usual = ApiOptions(**{"timeout": 60.0, **options})  # type: ignore[arg-type]
    spec = spec_of(f"{provider}:model", server.url, batch_size=batch_size)
    opened = open_encoder(spec, "cpu", folder, (usual, Budget(None)))
    assert isinstance(opened, ApiEncoder)
    return opened


def expected(texts: list[str]) -> np.ndarray:
    return np.array([vector(text) for text in texts], dtype=np.float32)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_fault_amid_a_thousand_texts_loses_none_and_pays_none_twice(
    server: ApiServer, tmp_path: Path, provider: str
) -> None:
    every = (*FAULTS, *VECTOR_FAULTS)
    server.faults = {3 * place + 2: fault for place, fault in enumerate(every)}
    server.slow_seconds = 4.5
    asked = encoder(server, tmp_path, provider, batch_size=20, timeout=3.0)
    rows, _ = asked.embed(TEXTS, [])
    assert np.array_equal(rows, expected(TEXTS))
    assert not server.faults, "every fault was met"
    assert len(server.paid) == 1000 and set(server.paid.values()) == {1}
    assert asked.counts == {"hits": 0, "misses": 1000, "failed": 0, "cut": 0}
    n_requests = server.n_requests
    again = encoder(server, tmp_path, provider, batch_size=20)
    assert np.array_equal(again.embed(TEXTS, [])[0], rows) and server.n_requests == n_requests


def test_vectors_are_never_all_in_memory(
    server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mapped_rows, "LARGE", 1 << 10)
    monkeypatch.setattr(response_cache, "PART", 64)
    texts = [*TEXTS[:7], FILTERED, *TEXTS[7:200], "x" * 2 * LONGEST, *TEXTS[:5]]
    asked = encoder(server, tmp_path, batch_size=20)
    queries, candidates = asked.embed(texts[:10], texts[10:])
    assert mapped_rows.is_mapped(queries) and mapped_rows.is_mapped(candidates)
    rows = np.concatenate([queries, candidates])
    assert np.flatnonzero(np.isnan(rows[:, 0])).tolist() == [7]
    assert np.array_equal(rows[8:201], expected(TEXTS[7:200])) and np.array_equal(rows[202:], expected(TEXTS[:5]))
    assert asked.counts == {"hits": 0, "misses": 202, "failed": 1, "cut": 1}
    asked.embed(TEXTS[190:210], TEXTS[195:220])
    assert asked.counts == {"hits": 10, "misses": 20, "failed": 0, "cut": 0}
    assert "1 text without a vector from" in capsys.readouterr().err


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("fault", ["500", "truncated", "cut", "short"])
def test_a_fault_that_stays_ends_the_run_with_exactly_the_finished_ones_kept(
    server: ApiServer, tmp_path: Path, provider: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("utils.api.client.FIRST_PAUSE", 0.001)
    asked = encoder(server, tmp_path, provider, batch_size=20, concurrency=3, max_retries=2, strict=True)
    found = asked.embed(TEXTS[:300], [])[0]
    server.always = fault
    with pytest.raises(UserError) as raised:
        asked.embed(TEXTS, [])
    assert "the same command requests the rest" in raised.value.hint
    assert encoder(server, tmp_path, provider).missing(TEXTS) == TEXTS[300:]
    server.always = ""
    rows, _ = encoder(server, tmp_path, provider, batch_size=20).embed(TEXTS, [])
    assert np.array_equal(rows, expected(TEXTS)) and np.array_equal(rows[:300], found)
    assert set(server.paid.values()) == {1}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_texts_that_can_never_succeed_do_not_sink_the_run(
    server: ApiServer, tmp_path: Path, provider: str, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [*TEXTS[:50], "a [filtered] text", "", "x" * (3 * LONGEST), *TEXTS[50:100]]
    asked = encoder(server, tmp_path, provider)
    rows, _ = asked.embed(texts, [])
    assert np.isnan(rows[50]).all() and np.isfinite(np.delete(rows, 50, axis=0)).all()
    assert np.array_equal(rows[51], expected([" "])[0])  # an empty text is sent as a blank
    cut = [length for length in range(1, LONGEST + 1) if np.array_equal(rows[52], expected(["x" * length])[0])]
    assert cut and cut[0] > LONGEST * 0.8  # as much of it as the server takes, or nearly
    assert (asked.counts["failed"], asked.counts["cut"]) == (1, 1)
    said = capsys.readouterr().err
    assert "1 text without a vector" in said and "cut at the end" in said and "a blank in place of" in said
    again = encoder(server, tmp_path, provider)
    again.embed(texts, [])
    assert (again.counts["misses"], again.counts["failed"], again.counts["cut"]) == (0, 1, 1)  # told again, not asked
    with pytest.raises(UserError, match=r"content management policy"):
        encoder(server, tmp_path, provider, strict=True).embed(texts, [])


def test_a_server_with_a_smaller_batch_is_asked_in_smaller_ones(server: ApiServer, tmp_path: Path) -> None:
    server.max_items = 7
    assert np.array_equal(encoder(server, tmp_path).embed(TEXTS[:100], [])[0], expected(TEXTS[:100]))
    assert set(server.paid.values()) == {1}


def test_a_refusal_of_everything_is_an_error_not_a_failure_of_each_text(server: ApiServer, tmp_path: Path) -> None:
    server.max_items = 0
    with pytest.raises(UserError, match="maximum allowed batch size"):
        encoder(server, tmp_path).embed(TEXTS[:640], [])
    assert server.n_requests < 120  # eight requests at once, each halved five times at most


def test_another_size_of_vectors_is_not_mixed_in(server: ApiServer, tmp_path: Path) -> None:
    encoder(server, tmp_path).embed(TEXTS[:10], [])
    opened = encoder(server, tmp_path)
    with pytest.raises(UserError, match=r"vectors of 15 and 16 dimensions"):
        server.always = "narrow"
        opened.embed(TEXTS[:20], [])


def test_dimensions_and_input_type_are_sent_and_kept_apart(server: ApiServer, tmp_path: Path) -> None:
    def rows(**how: object) -> np.ndarray:
        spec = spec_of("openai:model", server.url, **how)  # type: ignore[arg-type]
        return open_encoder(spec, "cpu", tmp_path).embed(["one"], [])[0]

    assert rows(dimensions=4).shape == (1, 4) and rows().shape == (1, 16)
    rows(input_type="query")
    assert [body.get("input_type") for body in server.bodies] == [None, None, "query"]
    cohere = spec_of("cohere:model", server.url, input_type="classification")
    open_encoder(cohere, "cpu", tmp_path).embed(["one"], [])
    usual = spec_of("embed-multilingual-v3.0", server.url)
    open_encoder(usual, "cpu", tmp_path).embed(["one"], [])
    assert [body["input_type"] for body in server.bodies[-2:]] == ["classification", "search_query"]
    assert server.bodies[-1]["truncate"] == "END" and len(server.asked) == 1


def test_which_names_are_served() -> None:
    assert api_names(["org/model"], None) == set()
    assert api_names(["org/model"], "http://x") == {"org/model"}
    assert api_names(["org/a", "openai:org/b"], "http://x") == {"openai:org/b"}
    assert api_names(["org/a", "embed-v4.0"], None) == {"embed-v4.0"}
    spec = spec_of("intfloat/multilingual-e5-small", "http://localhost:8000")
    assert (spec.prompt, spec.base_url, spec.batch_size) == ("query: ", "http://localhost:8000/v1", 32)
    assert spec.name.startswith("served/intfloat_multilingual-e5-small-")
    assert spec_of("text-embedding-3-large", None, dimensions=256).name == "text-embedding-3-large-256d"
    assert spec_of("embed-v4.0", None, input_type="classification").name == "embed-v4.0-classification"
    own = spec_of("text-embedding-3-large", None)
    assert (own.name, own.base_url, own.batch_size) == ("text-embedding-3-large", "", 256)
    for how, said in (
        ({"batch_size": 4096}, "2048 texts a request"),
        ({"input_type": "query"}, "--input_type query with"),
    ):
        with pytest.raises(UserError, match=said):
            spec_of("text-embedding-3-small", None, **how)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="--dimensions 256 with"):
        spec_of("embed-multilingual-v3.0", None, dimensions=256)
    with pytest.raises(UserError, match="which Cohere does not know"):
        spec_of("embed-v4.0", None, input_type="query")


def test_a_run_stops_before_it_costs_more_than_it_may_and_goes_on_later(
    server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    own = dataclasses.replace(OPENAI, url=f"{server.url}/v1")
    monkeypatch.setitem(REGISTRY, "openai", own)  # the server stands for the provider itself

    def opened(max_cost: float) -> ApiEncoder:
        spec = spec_of("text-embedding-3-large", None, batch_size=20)
        options = ApiOptions(max_cost=max_cost, concurrency=2)
        found = open_encoder(spec, "cpu", tmp_path, (options, Budget(max_cost)))
        assert isinstance(found, ApiEncoder)
        return found

    cost = 2900 * 0.13 / 1e6  # of all texts, as the server bills them
    half = opened(cost / 2)
    with pytest.raises(UserError, match="the next request could exceed it"):
        half.embed(TEXTS, [])
    spent = half.client.usage()["cost_usd"]
    assert 0.2 * cost < spent <= cost / 2 and 200 < len(server.paid) < 600
    rest = opened(2 * cost)
    rest.embed(TEXTS, [])
    assert len(server.paid) == 1000 and set(server.paid.values()) == {1}
    assert spent + rest.client.usage()["cost_usd"] == pytest.approx(cost, abs=2e-6)


def test_a_long_text_is_cut_by_the_servers_figures() -> None:
    text = "x" * 1000
    assert len(shorten(text, "maximum context length is 100 tokens, you requested 250")) == 380
    assert len(shorten(text, "input too long")) == 500
