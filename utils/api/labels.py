"""Labels in the requests and responses of APIs: JSON schemas, and the log-probabilities of a label's tokens."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Any

from utils.api.errors import GARBLED, ApiError
from utils.api.provider import Reply, TokenLogprobs


def choice_schema(labels: Sequence[str]) -> dict[str, Any]:
    """Return the JSON schema of an object whose only member, `label`, is one of the labels."""
    return {
        "type": "object",
        "properties": {"label": {"type": "string", "enum": list(labels)}},
        "required": ["label"],
        "additionalProperties": False,
    }


def parse_choice(reply: Reply[str], labels: Sequence[str]) -> Reply[str]:
    """Return the label that a response gives, by itself or as JSON; ApiError where it is none of the labels."""
    text = reply.content.strip()
    if text not in labels:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            text = json.loads(text)["label"]
    if text not in labels:
        raise ApiError(GARBLED, f"the answer {reply.content[:60]!r} is none of the labels that were requested")
    return Reply(text, reply.tokens_in, reply.tokens_out, reply.model)


def label_logprobs(tokens: TokenLogprobs, prompt: str, label: str) -> list[float]:
    """Return the log-probabilities of the tokens that end within the label.

    The texts of the tokens, joined, contain prompt and label; a beginning-of-text token may precede them, and
    generated tokens may follow. Raises ApiError where they do not contain the label.
    """
    whole = "".join(text for text, _ in tokens)
    start = whole.rfind(prompt + label)
    # where a prompt's bytes are not decoded into its characters, the label alone is looked for
    begin = start + len(prompt) if start >= 0 else whole.rfind(label)
    found, place = [], 0
    for text, value in tokens:
        place += len(text)
        if begin < place <= begin + len(label) and text:
            found.append(value)
    if begin < 0 or not found or any(value is None for value in found):
        raise ApiError(GARBLED, f"the label {label!r} is not among the tokens of the response")
    return [float(value) for value in found if value is not None]
