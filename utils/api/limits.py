"""Limits and prices of the providers, and the options of an API run."""

from __future__ import annotations

from dataclasses import dataclass

# texts a request: fewer than OpenAI allows (2,048), so that a killed run loses little of what it has paid for
REQUEST_ITEMS = {"openai": 256, "cohere": 96}
MAX_REQUEST_ITEMS = {"openai": 2048, "cohere": 96}
MAX_REQUEST_TOKENS = {"openai": 300_000, "cohere": 1_000_000}  # Cohere states no limit of a request
SERVED_ITEMS = 32  # texts a request to any other server: the default limit of text-embeddings-inference
# US dollars for a million tokens, read and generated, as the providers listed them on the date; batch files cost half
PRICES_READ = "2026-11-21"
PRICES: dict[str, tuple[float, float]] = {
    "text-embedding-3-large": (0.13, 0.0),
    "text-embedding-3-small": (0.02, 0.0),
    "text-embedding-ada-002": (0.10, 0.0),
    "embed-multilingual-v3.0": (0.10, 0.0),
    "embed-multilingual-light-v3.0": (0.10, 0.0),
    "embed-english-v3.0": (0.10, 0.0),
    "embed-v4.0": (0.12, 0.0),
    "gpt-3.5-turbo-0125": (0.50, 1.50),
    "gpt-4o-2024-05-13": (5.00, 15.00),
    "gpt-4o": (2.50, 10.00),
    "gpt-4o-mini": (0.15, 0.60),
    "gpt-4.1": (2.00, 8.00),
    "gpt-4.1-mini": (0.40, 1.60),
    "command-r": (0.15, 0.60),
    "command-r-08-2024": (0.15, 0.60),
    "command-r-plus-08-2024": (2.50, 10.00),
    "command-a-03-2025": (2.50, 10.00),
}
BATCH_DISCOUNT = 0.5
COHERE_INPUT_TYPE = "search_query"  # as MINERS has it, for both sides
COHERE_INPUT_TYPES = ("search_query", "search_document", "classification", "clustering")
MAX_DIMENSIONS = {"text-embedding-3-large": 3072, "text-embedding-3-small": 1536, "embed-v4.0": 1536}
FIXED_DIMENSIONS = (
    *("text-embedding-ada-002", "embed-multilingual-v3.0", "embed-multilingual-light-v3.0", "embed-english-v3.0"),
)


@dataclass(frozen=True)
class ApiOptions:
    """How an API is asked: requests at once, limits a minute, tries, what a run may cost (US dollars)."""

    concurrency: int = 8
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_cost: float | None = None
    max_retries: int = 8
    timeout: float = 120.0  # seconds a request
    strict: bool = False  # an item that can never succeed ends the run
    batch_api: bool = False  # through the provider's batch files, at half the price
    poll_seconds: float = 60.0
