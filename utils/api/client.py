"""Asking an API within its limits: requests and tokens a minute, what a run may cost, tries with growing pauses."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from utils.api.errors import AGAIN, FATAL, GARBLED, REFUSED, ApiError, as_fault
from utils.api.limiter import Budget, Limiter
from utils.api.limits import BATCH_DISCOUNT, PRICES, PRICES_READ, ApiOptions
from utils.errors import UserError

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0  # seconds between tries: doubled each time, with jitter
LONGEST_WAIT = 300.0  # seconds that a provider may ask to wait
GARBLED_TRIES = 3
UNREACHED_TRIES = 3  # while no request of the run has succeeded, a server that is not there is given up sooner
FEW, UNEXPLAINED = 10, 0.1  # so many items, or this share of the answered ones, may be refused without a known reason
TOLD_SECONDS = 5.0  # a wait for the limits of so long is told
COUNTS = ("requests", "retries", "tokens_in", "tokens_out")
MARGIN = 1.5  # a request's estimated tokens may be short by this factor


@dataclass(frozen=True)
class Reply(Generic[T]):
    """What a request brought: the content, the tokens it was billed for, the model's name as the server tells it."""

    content: T
    tokens_in: int = 0
    tokens_out: int = 0
    model: str = ""


class Traffic:
    """The requests of one model: their limits, tries, costs, and the counts that a record keeps."""

    def __init__(self, model: str, provider: str, base_url: str, options: ApiOptions, budget: Budget) -> None:
        self.model, self.provider, self.base_url, self.options, self.budget = model, provider, base_url, options, budget
        self.price = None if base_url else PRICES.get(model)
        if self.price is None and options.max_cost is not None:
            what = f"--max_cost, but no price of {model} is known"
            if base_url:
                raise UserError(f"{what} at a server of your own", "leave --max_cost out")
            raise UserError(what, "add it to PRICES in utils/registry.py, or leave --max_cost out")
        if options.batch_api and provider != "openai":
            raise UserError(f"--batch_api with {model}", "batch files are OpenAI's: leave it out")
        self.stop = threading.Event()
        self.limiter = Limiter(options.requests_per_minute, options.tokens_per_minute, self.stop)
        self.requests = self.retries = self.tokens_in = self.tokens_out = self.answered = 0
        self._marked: dict[str, int] = {}  # counts before the subset that is under way
        self._told: set[str] = set()
        self._unexplained = 0  # items refused without a known reason
        self.models: set[str] = set()
        self._lock = threading.Lock()

    def cost(self, tokens_in: float, tokens_out: float) -> float:
        """Return what so many tokens cost in US dollars; 0 where no price is known."""
        if self.price is None:
            return 0.0
        discount = BATCH_DISCOUNT if self.options.batch_api else 1.0
        return discount * (self.price[0] * tokens_in + self.price[1] * tokens_out) / 1e6

    def ask(self, send: Callable[[], Reply[T]], tokens: int, tokens_out: int = 0) -> T:
        """Send a request of about so many tokens until it is answered; ApiError or UserError where it cannot be."""
        from tenacity import Retrying

        reserved = self.cost(MARGIN * tokens, tokens_out)
        self.budget.reserve(reserved)
        paid = 0.0
        try:
            tries = Retrying(stop=self._is_enough, wait=self._pause, retry=_is_passing, sleep=self._sleep, reraise=True)
            reply: Reply[T] = tries(self._send, send, tokens)
            paid = self.count(reply)
            return reply.content
        except ApiError as error:
            n_tries = tries.statistics.get("attempt_number", 1)
            if error.kind == AGAIN and n_tries > 1:
                error.message += f" ({n_tries} tries)"
            raise
        finally:
            self.budget.settle(reserved, paid)

    def count(self, reply: Reply[Any]) -> float:
        """Count an answer's tokens; return what it cost."""
        with self._lock:
            self.answered += 1
            self.tokens_in += reply.tokens_in
            self.tokens_out += reply.tokens_out
            if reply.model:
                self.models.add(reply.model)
        return self.cost(reply.tokens_in, reply.tokens_out)

    def gives_up(self, error: ApiError) -> bool:
        """Whether an error is this item's alone, so that the run goes on without it.

        A refusal without a known reason counts as the item's when most others are answered.
        """
        if error.kind not in (REFUSED, GARBLED) or self.options.strict:
            return False
        if error.too_long or error.filtered:
            return True
        with self._lock:
            self._unexplained += 1
            return self.answered > 0 and self._unexplained <= max(FEW, UNEXPLAINED * self.answered)

    def fault(self, error: Exception) -> ApiError:
        """Return what an SDK's error means here."""
        return as_fault(error, self.provider, self.base_url)

    def quote(self, n_requests: int, tokens_in: int, exact: bool, tokens_out: int = 0) -> str:
        """Return a line that says what so many requests and tokens take and cost (--dry_run)."""
        about = "" if exact else "about "
        line = f"{self.model}: {n_requests:,} requests, {about}{tokens_in:,} tokens"
        line += f" and at most {tokens_out:,} generated" if tokens_out else ""
        if self.price is None:
            return f"{line}; no price is known"
        cost = self.cost(tokens_in, tokens_out)
        bound = self.options.max_cost
        more = f"; more than --max_cost {bound:g} allows" if bound is not None and cost > bound else ""
        return f"{line}, {about}${cost:.{2 if cost >= 1 else 4}f} (prices of {PRICES_READ}){more}"

    def usage(self) -> dict[str, Any]:
        """Return the counts since the last mark, for a record."""
        counts: dict[str, Any] = {name: getattr(self, name) - self._marked.get(name, 0) for name in COUNTS}
        counts["models"] = sorted(self.models)
        if self.price is not None:
            counts |= {"cost_usd": round(self.cost(counts["tokens_in"], counts["tokens_out"]), 6)}
            counts |= {"prices_read": PRICES_READ}
        return counts

    def mark(self) -> None:
        """Let the counts of `usage` begin anew: another subset is begun."""
        self._marked = {name: getattr(self, name) for name in COUNTS}

    def tell(self, about: str, what: str) -> None:
        """Say once in a run why it waits: a run without a terminal would seem to hang."""
        with self._lock:
            if about in self._told:
                return
            self._told.add(about)
        print(f"note: {self.model}: {what}", file=sys.stderr)

    def _send(self, send: Callable[[], Reply[T]], tokens: int) -> Reply[T]:
        self.limiter.admit(tokens, self._tell_of_limits)
        with self._lock:
            self.requests += 1
        try:
            return send()
        except (UserError, MemoryError):
            raise
        except Exception as error:  # SDKs raise errors of many libraries: each is classified
            fault = self.fault(error)
            if fault.wait is not None and fault.wait > LONGEST_WAIT:
                raise ApiError(
                    FATAL, f"{fault.message}; it asks to wait {fault.wait:.0f} s", hint="try again later"
                ) from error
            if fault.wait and fault.kind == AGAIN:
                self.limiter.hold(fault.wait)
            raise fault from error

    def _tell_of_limits(self, seconds: float, tokens: int) -> None:
        if seconds >= TOLD_SECONDS:
            self.tell("limits", f"waiting {seconds:.0f} s for the limits a minute; a request has about {tokens} tokens")

    def _is_enough(self, state: RetryCallState) -> bool:
        fault = state.outcome.exception() if state.outcome else None
        tries = self.options.max_retries + 1
        if isinstance(fault, ApiError) and fault.kind == GARBLED:
            tries = min(tries, GARBLED_TRIES)
        if isinstance(fault, ApiError) and "is not reached" in fault.message and not self.answered:
            tries = min(tries, UNREACHED_TRIES)
        return state.attempt_number >= tries

    def _pause(self, state: RetryCallState) -> float:
        from tenacity import wait_random_exponential

        fault = state.outcome.exception() if state.outcome else None
        if isinstance(fault, ApiError) and fault.wait is not None:
            return 0.0  # the limiter holds this request as all others
        growing = wait_random_exponential(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE)
        return float(growing(state))

    def _sleep(self, seconds: float) -> None:
        self.tell("tries", f"a request failed and is tried again, up to {self.options.max_retries} times")
        with self._lock:
            self.retries += 1
        if self.stop.wait(seconds):
            raise ApiError(FATAL, "the run is ending")


def _is_passing(state: RetryCallState) -> bool:
    fault = state.outcome.exception() if state.outcome else None
    return isinstance(fault, ApiError) and fault.kind in (AGAIN, GARBLED)
