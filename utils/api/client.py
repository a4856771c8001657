"""Requests to an API within its limits: requests and tokens per minute, the cost of a run, retries with backoff."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from utils.api.errors import AGAIN, FATAL, GARBLED, REFUSED, ApiError
from utils.api.faults import classify_error
from utils.api.limiter import Budget, Limiter
from utils.api.limits import ApiOptions
from utils.api.provider import Reply
from utils.api.providers import PROVIDERS, price_of, search_price_of
from utils.api.texts import written_name
from utils.api.tries import Tries
from utils.errors import UserError, counted
from utils.schema import EncoderSpec, GeneratorSpec

T = TypeVar("T")

FIRST_PAUSE = 0.5  # seconds before the second try; utils/api/tries.py has the pauses after it
LONGEST_WAIT = 300.0  # seconds; a provider that asks to wait longer ends the run
FEW, UNEXPLAINED = 10, 0.1  # items, or share of the answered items, that may be refused without a known reason
SHOWN_WAIT = 5.0  # seconds; a longer wait for the limits is printed
COUNTS = ("requests", "retries", "tokens_in", "tokens_out", "searches")
MARGIN = 1.5  # factor by which a request may have more tokens than estimated


class ApiClient:
    """Sends the requests for one model within its limits, and counts requests, tokens and costs for the records."""

    def __init__(self, spec: EncoderSpec | GeneratorSpec, options: ApiOptions, budget: Budget) -> None:
        self.model, self.provider, self.base_url = spec.checkpoint, PROVIDERS[spec.provider], spec.base_url
        self.options, self.budget, self.price = options, budget, price_of(spec)
        self.search_price = search_price_of(spec)
        self._check_options()
        self.stop = threading.Event()
        self.limiter = Limiter(options.requests_per_minute, options.tokens_per_minute, self.stop)
        self.requests = self.retries = self.tokens_in = self.tokens_out = self.searches = self.answered = 0
        self._marked: dict[str, int] = {}  # the counts when the current subset began
        self._printed: set[str] = set()
        self._unexplained = 0  # items refused without a known reason
        self.models: set[str] = set()
        self._lock = threading.Lock()

    def _check_options(self) -> None:
        if self.price is None and self.search_price is None and self.options.max_cost is not None:
            what = f"--max_cost, but the price of {self.model} is not known"
            if self.base_url:
                raise UserError(f"{what} at a server of your own", "leave --max_cost out")
            hint = f"add it to the prices in utils/api/{self.provider.name}.py, or leave --max_cost out"
            raise UserError(what, hint)
        if self.options.batch_api and not self.provider.batch_formats:
            hint = f"{self.provider.title} has no batch files: leave --batch_api out"
            raise UserError(f"--batch_api with {self.model}", hint)

    def cost(self, tokens_in: float, tokens_out: float, searches: int = 0) -> float:
        """Return the cost of these numbers of tokens or searches in US dollars; 0 where no price is known."""
        if self.search_price is not None:
            return self.search_price * searches / 1000
        if self.price is None:
            return 0.0
        discount = self.provider.batch_discount if self.options.batch_api else 1.0
        return discount * (self.price[0] * tokens_in + self.price[1] * tokens_out) / 1e6

    def send(self, request: Callable[[], Reply[T]], tokens: int, tokens_out: int = 0, searches: int = 0) -> T:
        """Return the content of a request's response, retrying where that may help.

        `tokens` estimates the tokens of the request and `tokens_out` bounds those of the response; `searches` are those
        of a reranker. Raises ApiError or UserError.
        """
        reserved = self.cost(MARGIN * tokens, tokens_out, searches)
        self.budget.reserve(reserved)
        paid = 0.0
        try:
            reply = self._send_until_answered(request, tokens)
            paid = self.count(reply)
            return reply.content
        finally:
            self.budget.settle(reserved, paid)

    def count(self, reply: Reply[Any]) -> float:
        """Count the tokens of a response; return their cost in US dollars."""
        with self._lock:
            self.answered += 1
            self.tokens_in += reply.tokens_in
            self.tokens_out += reply.tokens_out
            self.searches += reply.searches
            if name := written_name(reply.model):
                self.models.add(name)
        return self.cost(reply.tokens_in, reply.tokens_out, reply.searches)

    def is_of_item(self, error: ApiError) -> bool:
        """Return whether an error concerns one item only, so that the run continues without it.

        A refusal without a known reason counts as such where most other items are answered.
        """
        if error.kind not in (REFUSED, GARBLED) or self.options.strict:
            return False
        if error.too_long or error.filtered:
            return True
        with self._lock:
            self._unexplained += 1
            return self.answered > 0 and self._unexplained <= max(FEW, UNEXPLAINED * self.answered)

    def classify(self, error: Exception) -> ApiError:
        """Return what an SDK's error means."""
        return classify_error(error, self.provider.name, self.base_url)

    def quote(self, n_requests: int, tokens_in: int, exact: bool, tokens_out: int = 0) -> str:
        """Return a line with the requests, tokens and costs of a planned run (--dry_run)."""
        about = "" if exact else "about "
        line = f"{self.model}: {counted(n_requests, 'request')}, {about}{counted(tokens_in, 'token')}"
        line += f" and at most {tokens_out:,} generated" if tokens_out else ""
        if self.price is None:
            return f"{line}; no price is known"
        cost = self.cost(tokens_in, tokens_out)
        bound = self.options.max_cost
        more = f"; more than --max_cost {bound:g} allows" if bound is not None and cost > bound else ""
        return f"{line}, {about}${cost:.{2 if cost >= 1 else 4}f} (prices of {self.provider.prices_read}){more}"

    def quote_searches(self, n_requests: int, searches: int) -> str:
        """Return a line with the requests, searches and costs of a planned run of a reranker (--dry_run)."""
        line = f"{self.model}: at most {counted(n_requests, 'request')}"
        if self.search_price is None:
            return f"{line}; no price is known"
        cost, bound = self.cost(0, 0, searches), self.options.max_cost
        more = f"; more than --max_cost {bound:g} allows" if bound is not None and cost > bound else ""
        return f"{line}, ${cost:.{2 if cost >= 1 else 4}f} (prices of {self.provider.prices_read}){more}"

    def usage(self) -> dict[str, Any]:
        """Return the counts since the last mark, as records have them."""
        counts: dict[str, Any] = {name: getattr(self, name) - self._marked.get(name, 0) for name in COUNTS}
        counts["models"] = sorted(self.models)
        if self.price is not None or self.search_price is not None:
            cost = self.cost(counts["tokens_in"], counts["tokens_out"], counts["searches"])
            counts |= {"cost_usd": round(cost, 6)}
            counts |= {"prices_read": self.provider.prices_read}
        if self.search_price is None:
            del counts["searches"]
        return counts

    def mark(self) -> None:
        """Start the counts of `usage` anew, at the beginning of a subset."""
        self._marked = {name: getattr(self, name) for name in COUNTS}

    def print_once(self, topic: str, message: str) -> None:
        """Print a note, once per topic."""
        with self._lock:
            if topic in self._printed:
                return
            self._printed.add(topic)
        print(f"note: {self.model}: {message}", file=sys.stderr)

    def _send_until_answered(self, request: Callable[[], Reply[T]], tokens: int) -> Reply[T]:
        tries = Tries(self.options.max_retries, FIRST_PAUSE, lambda: self.answered > 0)
        while True:
            try:
                return self._send_once(request, tokens)
            except ApiError as fault:
                if not tries.allows_another(fault):
                    if fault.kind == AGAIN and tries.n_tries > 1:
                        fault.message += f" ({tries.n_tries} tries)"
                    raise
            self._sleep(tries.pause())

    def _send_once(self, request: Callable[[], Reply[T]], tokens: int) -> Reply[T]:
        self.limiter.admit(tokens, self._print_wait)
        with self._lock:
            self.requests += 1
        try:
            return request()
        except (UserError, MemoryError):
            raise
        except Exception as error:  # SDKs raise errors of many libraries
            fault = self.classify(error)
            if fault.wait is not None and fault.wait > LONGEST_WAIT:
                message = f"{fault.message}; the provider asks to wait {fault.wait:.0f} s"
                raise ApiError(FATAL, message, hint="try again later") from error
            if fault.wait and fault.kind == AGAIN:
                self.limiter.hold(fault.wait)
            raise fault from error

    def _print_wait(self, seconds: float, tokens: int) -> None:
        if seconds >= SHOWN_WAIT:
            message = f"waiting {seconds:.0f} s for the limits per minute; a request has about {tokens} tokens"
            self.print_once("limits", message)

    def _sleep(self, seconds: float) -> None:
        times = counted(self.options.max_retries, "time")
        self.print_once("tries", f"a request failed; requests are retried up to {times}")
        with self._lock:
            self.retries += 1
        if self.stop.wait(seconds):
            raise ApiError(FATAL, "the run is ending")
