"""The endpoint /rerank of servers such as vLLM, text-embeddings-inference, infinity and Jina, in its two forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from utils.api.errors import GARBLED, ApiError
from utils.api.provider import Reply
from utils.api.texts import token_count
from utils.schema import EncoderSpec

ENDPOINT = "/rerank"


def rerank(client: Any, spec: EncoderSpec, query: str, documents: Sequence[str]) -> Reply[list[Any]]:
    """Request the scores of documents for a query, through the client of OpenAI's SDK.

    Most servers read `documents` and answer {"results": [{"index", "relevance_score"}]}. text-embeddings-inference
    reads `texts`, which it misses in a first request, and answers [{"index", "score"}].
    """
    import openai

    address = spec.base_url.rstrip("/").removesuffix(ENDPOINT) + ENDPOINT
    body = {"model": spec.checkpoint, "query": query, "documents": list(documents), "top_n": len(documents)}
    try:
        found = client.post(address, body=body, cast_to=object)
    except (openai.UnprocessableEntityError, openai.BadRequestError) as error:
        if "`texts`" not in str(error):
            raise
        found = client.post(address, body={"query": query, "texts": list(documents), "truncate": True}, cast_to=object)
    return parse_scores(found)


def parse_scores(body: Any) -> Reply[list[Any]]:
    """Return the (index, score) of a response; ApiError where it has another form."""
    about = body if isinstance(body, dict) else {}
    rows = about.get("results", about.get("data")) if about else body
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ApiError(GARBLED, "a response without the results of reranking", hint="is this the address of /rerank?")
    scores = [(row.get("index"), row.get("relevance_score", row.get("score"))) for row in rows]
    used = about.get("usage") or about.get("meta")
    used = used.get("tokens", used) if isinstance(used, dict) else {}
    billed = used if isinstance(used, dict) else {}
    n_tokens = token_count(billed.get("total_tokens", billed.get("input_tokens")))
    return Reply(scores, n_tokens, 0, str(about.get("model") or ""))
