"""Limits of requests and tokens per minute, and the budget of a run."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable

from utils.api.errors import FATAL, ApiError
from utils.errors import UserError

MINUTE = 60.0


class Limiter:
    """Bounds the requests and tokens in any sixty seconds (None: no bound).

    A pause that the provider asks for holds back all requests. `stop` is set when the run is ending.
    """

    def __init__(self, requests: int | None, tokens: int | None, stop: threading.Event) -> None:
        self.requests, self.tokens, self.stop = requests, tokens, stop
        self._sent: deque[tuple[float, int]] = deque()
        self._held_until = 0.0
        self._lock = threading.Lock()

    def hold(self, seconds: float) -> None:
        """Let no request start for this many seconds."""
        with self._lock:
            self._held_until = max(self._held_until, time.monotonic() + seconds)

    def admit(self, tokens: int, report: Callable[[float, int], None] = lambda seconds, tokens: None) -> None:
        """Wait until a request of this many tokens may start; raise ApiError when the run is ending.

        `report` is called before each wait, with its seconds and the request's tokens.
        """
        while (pause := self._try(tokens)) > 0:
            report(pause, tokens)
            if self.stop.wait(pause * random.uniform(1.0, 1.1)):  # jitter: not all at once
                raise ApiError(FATAL, "the run is ending")

    def _try(self, tokens: int) -> float:
        """Count the request and return 0, or return the seconds to wait."""
        with self._lock:
            now = time.monotonic()
            while self._sent and self._sent[0][0] <= now - MINUTE:
                self._sent.popleft()
            pause = max(self._held_until - now, self._requests_pause(now), self._tokens_pause(now, tokens))
            if pause <= 0:
                self._sent.append((now, tokens))
            return pause

    def _requests_pause(self, now: float) -> float:
        if self.requests is None or len(self._sent) < self.requests:
            return 0.0
        return self._sent[len(self._sent) - self.requests][0] + MINUTE - now

    def _tokens_pause(self, now: float, tokens: int) -> float:
        if self.tokens is None:
            return 0.0
        excess = sum(size for _, size in self._sent) + min(tokens, self.tokens) - self.tokens
        for moment, size in self._sent:  # the oldest requests first
            if excess <= 0:
                break
            excess -= size
            pause = moment + MINUTE - now
            if excess <= 0:
                return pause
        return 0.0


class Budget:
    """Bounds the cost of all requests of a run, in US dollars; None is no bound."""

    def __init__(self, max_cost: float | None) -> None:
        self.max_cost = max_cost
        self.spent = 0.0
        self._reserved = 0.0
        self._lock = threading.Lock()

    def reserve(self, cost: float) -> None:
        """Reserve the cost that a request may have; UserError where it would exceed the bound."""
        with self._lock:
            if self.max_cost is not None and self.spent + self._reserved + cost > self.max_cost:
                raise UserError(
                    f"--max_cost {self.max_cost:g}: ${self.spent:.4f} are spent, and the next request could exceed it",
                    "the responses received so far are kept; the same command with a higher --max_cost continues",
                )
            self._reserved += cost

    def settle(self, reserved: float, cost: float) -> None:
        """Release a reservation and count the cost that the request had."""
        with self._lock:
            self._reserved -= reserved
            self.spent += cost
