"""Requests for texts and log-probabilities as OpenAI and Cohere want them, and what their answers hold."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from utils.api.client import Reply
from utils.api.errors import GARBLED, REFUSED, ApiError
from utils.schema import GenerationSettings, GeneratorSpec


def chat_request(spec: GeneratorSpec, prompt: str, settings: GenerationSettings) -> dict[str, Any]:
    """Return the arguments of a chat completion; servers other than OpenAI's know the limit by its old name."""
    limit = "max_tokens" if spec.base_url else "max_completion_tokens"
    return {
        "model": spec.checkpoint,
        "messages": [{"role": "user", "content": prompt}],
        "temperature": settings.temperature,
        "seed": settings.seed,
        limit: settings.max_new_tokens,
    }


def completion_request(spec: GeneratorSpec, prompt: str, settings: GenerationSettings) -> dict[str, Any]:
    """Return the arguments of a text completion."""
    return {
        "model": spec.checkpoint,
        "prompt": prompt,
        "temperature": settings.temperature,
        "seed": settings.seed,
        "max_tokens": settings.max_new_tokens,
    }


def parsed_completion(answer: Any, *, whole: bool = False) -> Reply[str]:
    """Return the first line of a completion, where the prompt's own pattern ends a label, or the whole of it."""
    text = str(first_choice(answer.choices).text or "").strip()
    return reply_of(answer, text if whole else text.split("\n")[0].strip())


def parsed_chat(answer: Any) -> Reply[str]:
    """Return the text of a chat completion; a refusal is what the model says."""
    choice = first_choice(answer.choices)
    if choice.finish_reason == "content_filter":
        raise ApiError(REFUSED, "the answer was withheld by the provider's content filter")
    text = choice.message.content or getattr(choice.message, "refusal", None) or ""
    return reply_of(answer, str(text))


def parsed_cohere(answer: Any) -> Reply[str]:
    """Return the text of a chat of Cohere's."""
    parts = answer.message.content if answer.message else None
    if answer.finish_reason in ("ERROR", "TIMEOUT"):
        raise ApiError(GARBLED, f"the answer ended with {answer.finish_reason}")
    text = "".join(str(getattr(part, "text", "") or "") for part in parts or [])
    units = answer.usage.billed_units if answer.usage else None
    tokens = (int(units.input_tokens or 0), int(units.output_tokens or 0)) if units else (0, 0)
    return Reply(text, *tokens)


def choice_schema(labels: Sequence[str]) -> dict[str, Any]:
    """Return the JSON schema of an answer that is one of the labels."""
    return {
        "type": "object",
        "properties": {"label": {"type": "string", "enum": list(labels)}},
        "required": ["label"],
        "additionalProperties": False,
    }


def choice_arguments(way: str, labels: Sequence[str]) -> dict[str, Any]:
    """Return the arguments that ask for one of the labels: a JSON schema, or what vLLM has for it."""
    if way == "json_schema":
        form = {"name": "label", "strict": True, "schema": choice_schema(labels)}
        return {"response_format": {"type": "json_schema", "json_schema": form}}
    return {"extra_body": {way: {"choice": list(labels)} if way == "structured_outputs" else list(labels)}}


def label_of(reply: Reply[str], labels: Sequence[str]) -> Reply[str]:
    """Return the reply with the label that it names; ApiError where the schema was not kept to."""
    text = reply.content.strip()
    if text not in labels:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            text = json.loads(text)["label"]
    if text not in labels:
        raise ApiError(GARBLED, f"the answer {reply.content[:60]!r} is none of the labels that were asked for")
    return Reply(text, reply.tokens_in, reply.tokens_out, reply.model)


def prompt_tokens(choice: Any, way: str) -> list[tuple[str, float | None]]:
    """Return the tokens of what was sent (and perhaps of what followed) with their log-probabilities, or nothing."""
    if way == "echo":
        found = choice.logprobs
        if found is None or not found.tokens or not found.token_logprobs:
            return []
        return list(zip(found.tokens, found.token_logprobs, strict=False))
    entries = getattr(choice, "prompt_logprobs", None)
    if not entries:
        return []
    return [_entry(entry) for entry in entries]


def _entry(entry: Mapping[str, Any] | None) -> tuple[str, float | None]:
    """Return the token that stands in the prompt: the first one told."""
    if not entry:
        return "", None
    first = next(iter(entry.values()))
    return str(first.get("decoded_token") or ""), first.get("logprob")


def label_logprobs(tokens: Sequence[tuple[str, float | None]], prompt: str, label: str) -> list[float]:
    """Return the log-probabilities of the tokens that end within the label; ApiError where it is not found.

    The tokens' texts, put together, hold prompt and label, perhaps behind a beginning-of-text token and before what
    was generated.
    """
    whole = "".join(text for text, _ in tokens)
    start = whole.rfind(prompt + label)
    begin = start + len(prompt) if start >= 0 else whole.rfind(label)  # odd bytes of a prompt are not spelt out
    found, place = [], 0
    for text, value in tokens:
        place += len(text)
        if begin < place <= begin + len(label) and text:
            found.append(value)
    if begin < 0 or not found or any(value is None for value in found):
        raise ApiError(GARBLED, f"the label {label!r} is not among the tokens that the server tells")
    return [float(value) for value in found if value is not None]


def first_choice(choices: Sequence[Any] | None) -> Any:
    """Return the first of an answer's choices; ApiError where it has none."""
    if not choices:
        raise ApiError(GARBLED, "an answer without choices")
    return choices[0]


def reply_of(answer: Any, content: Any) -> Reply[Any]:
    """Return the content with what the answer says of its tokens and its model."""
    used = answer.usage
    tokens = (int(used.prompt_tokens or 0), int(used.completion_tokens or 0)) if used else (0, 0)
    return Reply(content, *tokens, answer.model or "")
