"""What the suite has to know of a provider of API models. Each provider is one value of `Provider`, in its own file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from utils.answers import GenerationSettings
from utils.schema import EncoderSpec, GeneratorSpec

T = TypeVar("T")

TokenLogprobs = list[tuple[str, float | None]]  # text and log-probability of each token; None for the first one


@dataclass(frozen=True)
class Reply(Generic[T]):
    """The content of a response, the tokens or searches billed, and the model's name as the server gives it."""

    content: T
    tokens_in: int = 0
    tokens_out: int = 0
    model: str = ""
    searches: int = 0  # of a reranker that is billed by them


@dataclass(frozen=True)
class BatchFormat:
    """How one line of a batch file is written and its response read.

    request: from the model's spec, the texts and the settings of generation (None for embeddings) to the body.
    read: from the body of a response and the settings to one content per text.
    """

    url: str
    request: Callable[[Any, Sequence[str], GenerationSettings | None], Mapping[str, Any]]
    read: Callable[[dict[str, Any], GenerationSettings | None], Reply[list[Any]]]


Embed = Callable[[Any, EncoderSpec, Sequence[str]], Reply[list[Any]]]
Rerank = Callable[[Any, EncoderSpec, str, Sequence[str]], Reply[list[Any]]]
Generate = Callable[[Any, GeneratorSpec, str, GenerationSettings, Mapping[str, Any]], Reply[str]]


@dataclass(frozen=True)
class Provider:
    """A provider: its address and keys, its limits and prices, and the forms of its requests and responses.

    The functions get the SDK's client first. They raise ApiError for a response that they cannot read.

    name: as it is typed before a model's name (`name:MODEL`); title: as it is printed.
    key_variables, url_variable: the environment variables of the key (the first that is set) and of another server.
    url: of the provider's own service; path: added to the address of a server that is typed without a path.
    open_client: from the key, the address and the timeout in seconds to a client that never retries by itself.
    embed: requests the embeddings of texts; each is a list of numbers, or base64 of little-endian float32.
    rerank: requests the scores of documents for a query; each is (index of the document, score).
    chat, complete: request a message or the continuation of a text; the mapping holds further arguments.
    label_arguments: the ways to restrict an answer to one of some labels, tried in order: their further arguments.
    schema_arguments: the ways to restrict an answer to a JSON schema, tried in order: their further arguments.
    logprobs: the ways to request the log-probabilities of a text's tokens, tried in order; empty where a server
    returns none.
    batch_formats: of batch files, by "embeddings", "chat" and "base"; empty where the provider has none.
    """

    name: str
    title: str
    key_variables: tuple[str, ...]
    url_variable: str
    url: str
    open_client: Callable[[str, str, float], Any]
    path: str = ""
    embed: Embed | None = None
    rerank: Rerank | None = None
    chat: Generate | None = None
    complete: Generate | None = None
    label_arguments: Mapping[str, Callable[[Sequence[str]], Mapping[str, Any]]] = field(default_factory=dict)
    schema_arguments: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = field(default_factory=dict)
    logprobs: Mapping[str, Callable[[Any, GeneratorSpec, str], Reply[TokenLogprobs]]] = field(default_factory=dict)
    batch_formats: Mapping[str, BatchFormat] = field(default_factory=dict)
    request_items: int = 32  # texts in a request for embeddings, unless --batch_size says otherwise
    max_request_items: int = 32  # texts that the provider takes in one request
    max_request_tokens: int = 1_000_000
    max_text_tokens: int = 8192  # tokens that are billed for one text at most
    input_types: tuple[str, ...] = ()  # known to the provider's own service
    default_input_type: str = ""
    passage_input_type: str = ""  # of passages, in tasks whose two sides are encoded differently
    max_dimensions: Mapping[str, int] = field(default_factory=dict)  # by model
    fixed_dimensions: tuple[str, ...] = ()  # models whose vectors have one size
    samples_top_k: bool = True  # whether its own service can sample from the k most probable tokens
    uses_tiktoken: bool = False  # whether tiktoken has the vocabularies of its models
    # tokens per ASCII character, and per UTF-8 byte of all other characters, where tokens are estimated
    token_rates: tuple[float, float] = (0.33, 0.42)
    # US dollars per million tokens, read and generated, as the provider listed them on `prices_read`
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    # US dollars per 1,000 searches of rerankers: a query with up to `search_items` documents
    search_prices: Mapping[str, float] = field(default_factory=dict)
    search_items: int = 100
    prices_read: str = ""
    batch_discount: float = 1.0  # factor of the price in batch files
