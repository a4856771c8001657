"""OpenAI, and servers that speak its wire format: vLLM, text-embeddings-inference, llama.cpp and others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from utils.answers import GenerationSettings
from utils.api.errors import AGAIN, GARBLED, REFUSED, ApiError
from utils.api.http import open_http
from utils.api.labels import choice_schema
from utils.api.provider import BatchFormat, Provider, Reply, TokenLogprobs
from utils.api.rerank_endpoint import rerank
from utils.api.texts import token_count
from utils.schema import EncoderSpec, GeneratorSpec

PRICES = {
    "text-embedding-3-large": (0.13, 0.0),
    "text-embedding-3-small": (0.02, 0.0),
    "text-embedding-ada-002": (0.10, 0.0),
    "gpt-3.5-turbo-0125": (0.50, 1.50),
    "gpt-4o-2024-05-13": (5.00, 15.00),
    "gpt-4o": (2.50, 10.00),
    "gpt-4o-mini": (0.15, 0.60),
    "gpt-4.1": (2.00, 8.00),
    "gpt-4.1-mini": (0.40, 1.60),
}


def open_client(key: str, url: str, timeout: float) -> Any:
    """Return the SDK's client, without its own retries."""
    import httpcore2
    import httpx2
    import openai

    http = open_http(httpx2, httpcore2, url, timeout)
    return openai.OpenAI(api_key=key, base_url=url, max_retries=0, timeout=timeout, http_client=http)


def embedding_request(spec: EncoderSpec, texts: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of a request for embeddings."""
    request: dict[str, Any] = {"model": spec.checkpoint, "input": list(texts), "encoding_format": "base64"}
    if spec.dimensions:
        request["dimensions"] = spec.dimensions
    if spec.input_type:
        request["extra_body"] = {"input_type": spec.input_type}
    return request


def parse_embeddings(body: dict[str, Any]) -> Reply[list[Any]]:
    """Return the vectors of a response in the order of their texts, and the tokens billed."""
    data = list(body.get("data") or [])
    numbers = [item.get("index") for item in data]
    if set(numbers) != {None}:  # servers that do not number the vectors keep the order of the texts
        if sorted(numbers) != list(range(len(data))):
            raise ApiError(GARBLED, "the vectors of a response are not numbered consecutively")
        data.sort(key=lambda item: int(item["index"]))
    n_tokens = token_count(_of(body.get("usage"), "total_tokens"))
    return Reply([item["embedding"] for item in data], n_tokens, 0, body.get("model") or "")


def embed(client: Any, spec: EncoderSpec, texts: Sequence[str]) -> Reply[list[Any]]:
    """Request the embeddings of texts."""
    found = client.embeddings.create(**embedding_request(spec, texts))
    data = [{"index": item.index, "embedding": item.embedding} for item in found.data or []]
    return parse_embeddings({"data": data, "usage": found.usage, "model": found.model})


def _sampled_from(settings: GenerationSettings) -> dict[str, Any]:
    """Return the limits of the tokens that are sampled; `top_k` is known to other servers, not to OpenAI's own."""
    limits = {"top_p": settings.top_p, "top_k": settings.top_k}
    return {name: value for name, value in limits.items() if value is not None}


def chat_request(spec: GeneratorSpec, prompt: str, settings: GenerationSettings) -> dict[str, Any]:
    """Return the arguments of a chat completion; other servers know the limit of tokens by its old name."""
    limit = "max_tokens" if spec.base_url else "max_completion_tokens"
    return {
        "model": spec.checkpoint,
        "messages": [{"role": "user", "content": prompt}],
        "temperature": settings.temperature,
        "seed": settings.seed,
        limit: settings.max_new_tokens,
        **_sampled_from(settings),
    }


def completion_request(spec: GeneratorSpec, prompt: str, settings: GenerationSettings) -> dict[str, Any]:
    """Return the arguments of a text completion."""
    return {
        "model": spec.checkpoint,
        "prompt": prompt,
        "temperature": settings.temperature,
        "seed": settings.seed,
        "max_tokens": settings.max_new_tokens,
        **_sampled_from(settings),
        **({"stop": list(settings.stop)} if settings.stop else {}),
    }


def chat(
    client: Any, spec: GeneratorSpec, prompt: str, settings: GenerationSettings, more: Mapping[str, Any]
) -> Reply[str]:
    """Request a chat completion."""
    request = {**chat_request(spec, prompt, settings), **more}
    return parse_chat(client.chat.completions.create(**_with_extra(request)))


def complete(
    client: Any, spec: GeneratorSpec, prompt: str, settings: GenerationSettings, more: Mapping[str, Any]
) -> Reply[str]:
    """Request a text completion; with further arguments or stops, it is the whole text and not its first line."""
    extra = more.get("extra_body") or dict(more)  # servers know JSON schemas of completions, the SDK does not
    request = completion_request(spec, prompt, settings) | {"extra_body": extra}
    response = client.completions.create(**_with_extra(request))
    return parse_completion(response, whole=bool(more or settings.stop))


def _with_extra(request: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a request with those that the SDK does not know in `extra_body`."""
    unknown = {name: request.pop(name) for name in ("top_k",) if name in request}
    extra = {**(request.pop("extra_body", None) or {}), **unknown}
    return {**request, **({"extra_body": extra} if extra else {})}


def parse_chat(response: Any) -> Reply[str]:
    """Return the text of a chat completion; where the model refuses to answer, its refusal is the text."""
    choice = _first_choice(response.choices)
    if choice.finish_reason == "error":
        raise ApiError(AGAIN, "the response ended with an error")
    if choice.finish_reason == "content_filter":
        raise ApiError(REFUSED, "the answer was withheld by the provider's content filter")
    content = choice.message.content
    if isinstance(content, list):  # some servers send parts
        content = "".join(str(_of(part, "text") or "") for part in content)
    return _reply(response, str(content or getattr(choice.message, "refusal", None) or ""))


def parse_completion(response: Any, *, whole: bool = False) -> Reply[str]:
    """Return the first line of a completion, which ends the label in the prompt's own pattern, or all of it."""
    text = str(_first_choice(response.choices).text or "").strip()
    return _reply(response, text if whole else text.split("\n")[0].strip())


def request_echo(client: Any, spec: GeneratorSpec, text: str) -> Reply[TokenLogprobs]:
    """Request the log-probabilities of a text's tokens by `echo`, as OpenAI's completions have it."""
    response = _request_logprobs(client, spec, text, {"echo": True, "logprobs": 1})
    found = _first_choice(response.choices).logprobs
    if found is None or not found.tokens or not found.token_logprobs:
        return _reply(response, [])
    return _reply(response, list(zip(found.tokens, found.token_logprobs, strict=False)))


def request_prompt_logprobs(client: Any, spec: GeneratorSpec, text: str) -> Reply[TokenLogprobs]:
    """Request the log-probabilities of a text's tokens by `prompt_logprobs`, as vLLM has it."""
    response = _request_logprobs(client, spec, text, {"extra_body": {"prompt_logprobs": 0}})
    entries = getattr(_first_choice(response.choices), "prompt_logprobs", None)
    return _reply(response, [_prompt_token(entry) for entry in entries or []])


def _request_logprobs(client: Any, spec: GeneratorSpec, text: str, more: Mapping[str, Any]) -> Any:
    return client.completions.create(model=spec.checkpoint, prompt=text, max_tokens=1, temperature=0, **more)


def _prompt_token(entry: Mapping[str, Any] | None) -> tuple[str, float | None]:
    """Return the token that the prompt has at one place: the first of those listed."""
    if not entry:
        return "", None
    first = next(iter(entry.values()))
    return str(first.get("decoded_token") or ""), first.get("logprob")


def _json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    form = {"name": "label", "strict": True, "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": form}}


def _first_choice(choices: Sequence[Any] | None) -> Any:
    if not choices:
        raise ApiError(AGAIN, "a response without choices")
    return choices[0]


def _reply(response: Any, content: Any) -> Reply[Any]:
    """Return the content with the tokens and the model that the response states."""
    used = response.usage
    tokens_in, tokens_out = (token_count(_of(used, name)) for name in ("prompt_tokens", "completion_tokens"))
    return Reply(content, tokens_in, tokens_out, response.model or "")


def _of(usage: Any, name: str) -> Any:
    """Return a member of what a response says of its tokens, whatever form that has."""
    return usage.get(name) if isinstance(usage, dict) else getattr(usage, name, None)


def _one_text(reply: Reply[str]) -> Reply[list[Any]]:
    return Reply([reply.content], reply.tokens_in, reply.tokens_out, reply.model)


def _read_chat_line(body: dict[str, Any], settings: GenerationSettings | None) -> Reply[list[Any]]:
    from openai.types.chat import ChatCompletion

    return _one_text(parse_chat(ChatCompletion.model_validate(body)))


def _read_completion_line(body: dict[str, Any], settings: GenerationSettings | None) -> Reply[list[Any]]:
    from openai.types import Completion

    is_whole = bool(settings and settings.stop)
    return _one_text(parse_completion(Completion.model_validate(body), whole=is_whole))


BATCH_FORMATS = {
    "embeddings": BatchFormat(
        "/v1/embeddings",
        lambda spec, texts, settings: embedding_request(spec, texts),
        lambda body, settings: parse_embeddings(body),
    ),
    "chat": BatchFormat(
        "/v1/chat/completions",
        lambda spec, texts, settings: chat_request(spec, texts[0], settings or GenerationSettings()),
        _read_chat_line,
    ),
    "base": BatchFormat(
        "/v1/completions",
        lambda spec, texts, settings: completion_request(spec, texts[0], settings or GenerationSettings()),
        _read_completion_line,
    ),
}

OPENAI = Provider(
    name="openai",
    title="OpenAI",
    key_variables=("OPENAI_API_KEY", "OPENAI_TOKEN"),
    url_variable="OPENAI_BASE_URL",
    url="https://api.openai.com/v1",
    path="/v1",
    open_client=open_client,
    embed=embed,
    rerank=rerank,
    chat=chat,
    complete=complete,
    label_arguments={
        "json_schema": lambda labels: _json_schema(choice_schema(labels)),
        "structured_outputs": lambda labels: {"extra_body": {"structured_outputs": {"choice": list(labels)}}},  # vLLM
        "guided_choice": lambda labels: {"extra_body": {"guided_choice": list(labels)}},  # older versions of vLLM
    },
    schema_arguments={
        "json_schema": _json_schema,
        "structured_outputs": lambda schema: {"extra_body": {"structured_outputs": {"json": schema}}},  # vLLM
        "guided_json": lambda schema: {"extra_body": {"guided_json": schema}},  # older versions of vLLM
    },
    logprobs={"echo": request_echo, "prompt_logprobs": request_prompt_logprobs},
    batch_formats=BATCH_FORMATS,
    batch_discount=0.5,
    request_items=256,  # fewer than are allowed, so that a killed run loses little of what it has paid for
    max_request_items=2048,
    max_request_tokens=300_000,
    max_dimensions={"text-embedding-3-large": 3072, "text-embedding-3-small": 1536},
    fixed_dimensions=("text-embedding-ada-002",),
    samples_top_k=False,
    uses_tiktoken=True,
    token_rates=(0.33, 0.42),
    prices=PRICES,
    prices_read="2026-11-21",
)
