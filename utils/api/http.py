"""The HTTP clients that the providers' SDKs send their requests with: a deadline, a proxy, errors told as successes.

The SDKs use two libraries of one interface, httpx and httpx2, which limit the time of each read and not of a whole
response. The streams of the connections are therefore wrapped, so that every read and write ends at the deadline.
"""

from __future__ import annotations

import json
import threading
import time
from types import ModuleType
from typing import Any

from utils.api.errors import FILTERED, TOO_LONG
from utils.proxies import proxy_of

SLOWEST = 100_000  # bytes per second: what has been transferred moves the deadline, so that large files have time
PIECE = 65_536  # bytes written between two looks at the clock
LARGEST_ERROR = 65_536  # bytes of a response that is looked through for an error
CONTENTS = ("choices", "data", "embeddings", "custom_id", "output", "results")  # keys of responses that are no errors
STATUS_BY_WORD = (  # what the code or type of an error says, and the status that usually comes with it
    (("rate_limit", "rate limit", "quota", "billing", "too_many_requests"), 429),
    (("invalid_api_key", "authentication", "permission"), 401),
    (("model_not_found", "not_found"), 404),
    (("invalid_request", "content_filter", "context_length", "bad_request"), 400),
)


class ErrorInResponse(Exception):  # noqa: N818 (an SDK's error as far as it is read)
    """An error that a server sent with status 200; the attributes are those of an SDK's error."""

    def __init__(self, status: int, headers: dict[str, str], body: dict[str, Any]) -> None:
        super().__init__(str(body.get("message") or body))
        self.status_code, self.headers, self.body = status, headers, body


def open_http(library: ModuleType, core: ModuleType, url: str, timeout: float) -> Any:
    """Return a client for this address whose requests end within `timeout` seconds, their responses included.

    library, core: httpx and httpcore, or httpx2 and httpcore2. Raises UserError for a proxy that cannot be used.
    """
    clock = _Clock(timeout, core.ReadTimeout)
    # as many connections as requests at once, which --concurrency limits
    limits = library.Limits(max_connections=None, max_keepalive_connections=None)
    transport = library.HTTPTransport(proxy=proxy_of(url), limits=limits)
    pool = transport._pool
    pool._network_backend = _Backend(pool._network_backend, clock)
    hooks = {"request": [clock.start], "response": [_raise_error]}
    return library.Client(transport=transport, timeout=timeout, follow_redirects=True, event_hooks=hooks)


class _Clock(threading.local):
    """The deadline of the request that a thread is sending."""

    def __init__(self, timeout: float, error: type[Exception]) -> None:
        self.timeout, self.error = timeout, error
        self.ends = float("inf")

    def start(self, request: Any) -> None:
        """Set the deadline; a request that follows a redirect keeps that of the first."""
        self.ends = request.extensions.setdefault("deadline", time.monotonic() + self.timeout)

    def left(self, timeout: float | None) -> float:
        """Return the seconds that one read or write may take."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise self.error(f"no complete response within {self.timeout:g} s")
        return left if timeout is None else min(left, timeout)

    def credit(self, n_bytes: int) -> None:
        """Move the deadline by the time that these bytes take on a slow line."""
        self.ends += n_bytes / SLOWEST


class _Backend:
    """Opens connections whose streams keep the deadline."""

    def __init__(self, inner: Any, clock: _Clock) -> None:
        self._inner, self._clock = inner, clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def connect_tcp(self, *args: Any, **options: Any) -> _Stream:
        options["timeout"] = self._clock.left(options.get("timeout"))
        return _Stream(self._inner.connect_tcp(*args, **options), self._clock)


class _Stream:
    """A connection's stream whose reads and writes end at the deadline."""

    def __init__(self, inner: Any, clock: _Clock) -> None:
        self._inner, self._clock = inner, clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        content: bytes = self._inner.read(max_bytes, self._clock.left(timeout))
        self._clock.credit(len(content))
        return content

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), PIECE):
            piece = buffer[start : start + PIECE]
            self._inner.write(piece, self._clock.left(timeout))
            self._clock.credit(len(piece))

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> _Stream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, self._clock.left(timeout)), self._clock)


def _raise_error(response: Any) -> None:
    """Raise ErrorInResponse where a response of status 200 contains an error and nothing else."""
    if response.status_code >= 300 or "json" not in response.headers.get("content-type", ""):
        return
    content = response.read()
    if len(content) > LARGEST_ERROR:
        return
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return
    if isinstance(body, dict) and body.get("object") in (None, "error") and not any(map(body.get, CONTENTS)):
        said = body.get("error") or body.get("detail") or body.get("errors") or body.get("message")
        if isinstance(said, dict) and "role" in said:  # the message of a chat
            return
        if said:
            raise error_in(body, dict(response.headers))


def error_in(body: dict[str, Any], headers: dict[str, str]) -> ErrorInResponse:
    """Return the error that a response holds, with the status that it names or that usually comes with it."""
    said = body.get("error") or body.get("detail") or body.get("errors") or body.get("message")
    found = said if isinstance(said, dict) else {**body, "message": str(said)}
    message = f"{found.get('message') or said} (in a response of status 200)"
    statuses = (found.get("code"), found.get("status"), body.get("code"), body.get("status"))
    for status in statuses:
        if isinstance(status, int | str) and str(status).isdecimal() and 400 <= int(status) < 600:
            return ErrorInResponse(int(status), headers, {**found, "message": message})
    kind = f"{found.get('code')} {found.get('type')} {found.get('status')}".lower()
    guessed = next((status for words, status in STATUS_BY_WORD if any(word in kind for word in words)), 500)
    if guessed == 500 and (FILTERED.search(message) or TOO_LONG.search(message)):
        guessed = 400
    return ErrorInResponse(guessed, headers, {**found, "message": message})
