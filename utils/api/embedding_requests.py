"""Requests for vectors as OpenAI and Cohere want them, and what their answers hold."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.api.client import Reply
from utils.api.errors import GARBLED, ApiError
from utils.api.providers import open_client
from utils.schema import EncoderSpec

if TYPE_CHECKING:
    from utils.schema import Rows

SAFETY = 0.95  # of the length that the server's own figures allow
COHERE_CUT = "END"  # where Cohere cuts what is longer than its model reads, as local encoders do

Vectors = Callable[[Sequence[str]], "Reply[list[Any]]"]


def shortened(text: str, said: str) -> str:
    """Return the beginning of a text that is too long: as long as the server's own figures say, or half."""
    figures = sorted({int(figure) for figure in re.findall(r"\d+", said) if int(figure) >= 8}, reverse=True)
    share = 0.5
    if len(figures) >= 2 and 0.05 < figures[1] / figures[0] < 1:
        share = SAFETY * figures[1] / figures[0]
    return text[: max(1, int(len(text) * share))]


def openai_vectors(spec: EncoderSpec, timeout: float) -> Vectors:
    """Return a function that asks an OpenAI-compatible server for the vectors of texts."""
    client = open_client("openai", spec.base_url, timeout)

    def send(texts: Sequence[str]) -> Reply[list[Any]]:
        found = client.embeddings.create(**openai_request(spec, texts))
        data = [{"index": item.index, "embedding": item.embedding} for item in found.data or []]
        used = {"total_tokens": found.usage.total_tokens} if found.usage else {}
        return parsed_openai({"data": data, "usage": used, "model": found.model})

    return send


def openai_request(spec: EncoderSpec, texts: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of a request for embeddings."""
    request: dict[str, Any] = {"model": spec.checkpoint, "input": list(texts), "encoding_format": "base64"}
    if spec.dimensions:
        request["dimensions"] = spec.dimensions
    if spec.input_type:
        request["extra_body"] = {"input_type": spec.input_type}
    return request


def parsed_openai(body: dict[str, Any]) -> Reply[list[Any]]:
    """Return the vectors of an answer in the order of their texts, and what was billed."""
    data = sorted(body.get("data") or [], key=lambda item: item["index"])
    if [item["index"] for item in data] != list(range(len(data))):
        raise ApiError(GARBLED, "the vectors of an answer are not numbered one by one")
    usage = body.get("usage") or {}
    return Reply([item["embedding"] for item in data], int(usage.get("total_tokens") or 0), 0, body.get("model") or "")


def cohere_vectors(spec: EncoderSpec, timeout: float) -> Vectors:
    """Return a function that asks Cohere for the vectors of texts."""
    client = open_client("cohere", spec.base_url, timeout)

    def send(texts: Sequence[str]) -> Reply[list[Any]]:
        more = {"output_dimension": spec.dimensions} if spec.dimensions else {}
        found = client.embed(
            model=spec.checkpoint,
            texts=list(texts),
            input_type=spec.input_type,
            embedding_types=["float"],
            truncate=COHERE_CUT,
            **more,
        )
        billed = found.meta.billed_units if found.meta else None
        return Reply(list(found.embeddings.float_ or []), int((billed.input_tokens if billed else 0) or 0))

    return send


def as_row(vector: Any) -> Rows:
    """Return a vector as float32 (d,), from base64 of little-endian float32 or from numbers."""
    if isinstance(vector, str):
        return np.frombuffer(base64.b64decode(vector, validate=True), dtype="<f4")
    return np.asarray(vector, dtype=np.float32).reshape(-1)
