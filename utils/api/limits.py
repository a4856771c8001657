"""The options of requests to APIs: limits, retries and costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ApiOptions:
    """How requests are sent: how many at once, limits per minute, retries, and what a run may cost in US dollars."""

    concurrency: int = 8
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_cost: float | None = None
    max_retries: int = 8
    timeout: float = 120.0  # seconds per request
    strict: bool = False  # an item that the provider will never answer ends the run
    batch_api: bool = False  # through the provider's batch files, at a lower price
    poll_seconds: float = 60.0  # seconds between two checks of a pending batch
