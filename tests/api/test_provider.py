"""A provider is one value of `Provider` in the registry: a third one needs no other change."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from api_server import ApiServer, vector

from utils.answers import GenerationSettings
from utils.api.limiter import Budget
from utils.api.limits import ApiOptions
from utils.api.openai import OPENAI
from utils.api.provider import Provider
from utils.api.providers import PROVIDERS, price_of, redact
from utils.encoders.cached import open_encoder
from utils.encoders.resolve import EncodingOptions, resolve
from utils.errors import UserError
from utils.generators import resolve as generators
from utils.generators.cached import open_generator


@pytest.fixture
def third(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """A made-up provider with OpenAI's wire format, whose own service is the server on loopback."""
    seen: list[tuple[str, str]] = []

    def open_client(key: str, url: str, timeout: float) -> Any:
        seen.append((key, url))
        return OPENAI.open_client(key, url, timeout)

    provider = Provider(
        name="third",
        title="Third",
        key_variables=("THIRD_API_KEY",),
        url_variable="THIRD_BASE_URL",
        url=f"{server.url}/v1",
        open_client=open_client,
        embed=OPENAI.embed,
        chat=OPENAI.chat,
        request_items=7,
        max_request_items=10,
        prices={"small": (0.5, 1.0)},
        prices_read="2026-01-01",
    )
    monkeypatch.setitem(PROVIDERS, "third", provider)
    monkeypatch.setenv("THIRD_API_KEY", "third-0123456789")
    monkeypatch.delenv("THIRD_BASE_URL", raising=False)
    return provider


def test_a_third_provider_gives_vectors(server: ApiServer, third: Provider, tmp_path: Path) -> None:
    spec = resolve("third:small", tmp_path)
    assert (spec.name, spec.provider, spec.base_url, spec.batch_size) == ("third/small", "third", "", 7)
    texts = [f"text {number}" for number in range(20)]
    encoder = open_encoder(spec, "cpu", tmp_path, (ApiOptions(max_cost=1.0), Budget(1.0)))
    assert encoder.quote(texts).startswith("small: 3 requests, about ") and "2026-01-01" in encoder.quote(texts)
    rows, _ = encoder.embed(texts, [])
    assert np.array_equal(rows, np.array([vector(text) for text in texts], dtype=np.float32))
    assert server.n_requests == 3 and encoder.client is not None
    assert encoder.client.usage()["cost_usd"] > 0 and price_of(spec) == (0.5, 1.0)
    assert redact("key third-0123456789") == "key ***"


def test_a_third_provider_generates(server: ApiServer, third: Provider, tmp_path: Path) -> None:
    spec = generators.resolve("third:large", tmp_path)
    assert (spec.name, spec.kind, spec.provider) == ("third/large", "chat", "third")
    generator = open_generator(spec, "cpu", tmp_path)
    assert generator.generate(["one"], GenerationSettings()) == [server.answer]


def test_what_a_provider_lacks_is_an_error(third: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolved(name: str, **options: Any) -> None:
        resolve(name, tmp_path, EncodingOptions(**options))

    with pytest.raises(UserError, match="10 texts a request"):
        resolved("third:small", batch_size=11)
    with pytest.raises(UserError, match="--input_type query with small") as raised:
        resolved("third:small", input_type="query")
    assert "Third's models have no input types" in raised.value.hint
    with pytest.raises(UserError, match="--gen_loader base with Third"):
        generators.resolve("third:large", tmp_path, generators.GeneratorOptions(kind="base"))
    with pytest.raises(UserError, match="--batch_api with small"):
        open_encoder(resolve("third:small", tmp_path), "cpu", tmp_path, (ApiOptions(batch_api=True), Budget(None)))
    monkeypatch.setitem(PROVIDERS, "third", dataclasses.replace(third, embed=None))
    with pytest.raises(UserError) as raised:
        resolved("third:small")
    assert "has no embeddings" in raised.value.hint
