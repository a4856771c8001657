"""Cohere: embeddings, reranking and chats of its API, version 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from utils.answers import GenerationSettings
from utils.api.errors import AGAIN, ApiError
from utils.api.http import open_http
from utils.api.labels import choice_schema
from utils.api.provider import Provider, Reply
from utils.api.texts import token_count
from utils.schema import EncoderSpec, GeneratorSpec

TRUNCATE = "END"  # Cohere cuts a text that is too long at its end, as local encoders do
PRICES = {
    "embed-multilingual-v3.0": (0.10, 0.0),
    "embed-multilingual-light-v3.0": (0.10, 0.0),
    "embed-english-v3.0": (0.10, 0.0),
    "embed-v4.0": (0.12, 0.0),
    "command-r": (0.15, 0.60),
    "command-r-08-2024": (0.15, 0.60),
    "command-r-plus-08-2024": (2.50, 10.00),
    "command-a-03-2025": (2.50, 10.00),
}
SEARCH_PRICES = dict.fromkeys(
    ("rerank-v3.5", "rerank-english-v3.0", "rerank-multilingual-v3.0", "rerank-english-v2.0"), 2.00
)


def open_client(key: str, url: str, timeout: float) -> Any:
    """Return the SDK's client, without its own retries."""
    import cohere
    import httpcore
    import httpx

    http = open_http(httpx, httpcore, url, timeout)
    return cohere.ClientV2(api_key=key, base_url=url, max_retries=0, timeout=timeout, httpx_client=http)


def embed(client: Any, spec: EncoderSpec, texts: Sequence[str]) -> Reply[list[Any]]:
    """Request the embeddings of texts."""
    more = {"output_dimension": spec.dimensions} if spec.dimensions else {}
    found = client.embed(
        model=spec.checkpoint,
        texts=list(texts),
        input_type=spec.input_type,
        embedding_types=["float"],
        truncate=TRUNCATE,
        **more,
    )
    return Reply(list(found.embeddings.float_ or []), _billed(found.meta)[0])


def rerank(client: Any, spec: EncoderSpec, query: str, documents: Sequence[str]) -> Reply[list[Any]]:
    """Request the scores of documents for a query."""
    found = client.rerank(model=spec.checkpoint, query=query, documents=list(documents), top_n=len(documents))
    rows = [(one.index, one.relevance_score) for one in found.results or []]
    units = getattr(found.meta, "billed_units", None)
    return Reply(rows, *_billed(found.meta), searches=token_count(getattr(units, "search_units", None)))


def chat(
    client: Any, spec: GeneratorSpec, prompt: str, settings: GenerationSettings, more: Mapping[str, Any]
) -> Reply[str]:
    """Request a chat."""
    response = client.chat(
        messages=[{"role": "user", "content": prompt}],
        max_tokens=settings.max_new_tokens,
        model=spec.checkpoint,
        temperature=settings.temperature,
        seed=settings.seed,
        **{name: value for name, value in (("p", settings.top_p), ("k", settings.top_k)) if value is not None},
        **more,
    )
    return parse_chat(response)


def parse_chat(response: Any) -> Reply[str]:
    """Return the text of a chat."""
    if getattr(response, "finish_reason", None) in ("ERROR", "TIMEOUT"):
        raise ApiError(AGAIN, f"the response ended with {response.finish_reason}")
    if getattr(response, "message", None) is None:
        raise ApiError(AGAIN, "a response without a message")
    parts = response.message.content
    text = "".join(str(getattr(part, "text", "") or "") for part in parts or [])
    return Reply(text, *_billed(response.usage))


def _billed(stated: Any) -> tuple[int, int]:
    """Return the tokens that were billed, read and generated; 0 where a response does not state them."""
    units = getattr(stated, "billed_units", None)
    return token_count(getattr(units, "input_tokens", None)), token_count(getattr(units, "output_tokens", None))


COHERE = Provider(
    name="cohere",
    title="Cohere",
    key_variables=("CO_API_KEY", "COHERE_TOKEN"),
    url_variable="CO_API_URL",
    url="https://api.cohere.com",
    open_client=open_client,
    embed=embed,
    rerank=rerank,
    chat=chat,
    label_arguments={
        "json_object": lambda labels: {
            "response_format": {"type": "json_object", "json_schema": choice_schema(labels)}
        },
    },
    schema_arguments={
        "json_object": lambda schema: {"response_format": {"type": "json_object", "json_schema": dict(schema)}}
    },
    request_items=96,
    max_request_items=96,
    max_request_tokens=1_000_000,  # Cohere states no limit of tokens in a request
    input_types=("search_query", "search_document", "classification", "clustering"),
    default_input_type="search_query",  # for both sides, as in MINERS
    passage_input_type="search_document",
    max_dimensions={"embed-v4.0": 1536},
    fixed_dimensions=("embed-multilingual-v3.0", "embed-multilingual-light-v3.0", "embed-english-v3.0"),
    token_rates=(0.32, 0.18),
    prices=PRICES,
    search_prices=SEARCH_PRICES,
    prices_read="2026-11-21",
)
