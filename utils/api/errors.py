"""What the errors of APIs mean: which are tried again, and which end an item or the run."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from utils.api.providers import KEYS, public_url, redact
from utils.errors import UserError, first_line

AGAIN, GARBLED, REFUSED, FATAL = "again", "garbled", "refused", "fatal"
TOO_LONG = re.compile(
    r"context.?length|maximum (context|input|sequence|length|number of tokens)|too long|too many tokens"
    r"|reduce the length|string_above_max_length|exceeds? [^.]*tokens|must have less than \d+ tokens|longer than",
    re.IGNORECASE,
)
FILTERED = re.compile(r"content.?(filter|policy|management)|responsible.?ai|moderation|flagged", re.IGNORECASE)
NO_QUOTA = re.compile(r"insufficient_quota|billing|exceeded your current quota|trial key", re.IGNORECASE)


class ApiError(Exception):
    """What went wrong with one request.

    kind: `again` (a passing fault, tried again), `garbled` (an answer to something else, tried again a few times),
    `refused` (this content will not do), `fatal` (nothing will do). wait: seconds that the provider asks for; said: the
    provider's own words.
    """

    def __init__(
        self, kind: str, message: str, *, wait: float | None = None, hint: str = "", said: str | None = None
    ) -> None:
        super().__init__(redact(message))
        self.kind, self.message, self.wait, self.hint = kind, redact(message), wait, hint
        self.said = self.message if said is None else redact(said)  # the provider's own words

    @property
    def too_long(self) -> bool:
        """Whether the content is refused for its length."""
        return self.kind == REFUSED and bool(TOO_LONG.search(self.said))

    @property
    def filtered(self) -> bool:
        """Whether the content is refused for what it says."""
        return self.kind == REFUSED and bool(FILTERED.search(self.said))


def as_fault(error: Exception, provider: str, base_url: str) -> ApiError:
    """Return what an SDK's error means."""
    if isinstance(error, ApiError):
        return error
    where = public_url(base_url) if base_url else provider
    status, headers, message = _details(error)
    if status is not None and status >= 400:
        return _status_fault(provider, where, status, headers, message)
    cause = error.__cause__ if _is_transport(error) and error.__cause__ is not None else error
    name = type(cause).__name__  # the SDK's own error says no more than that there is no connection
    first = first_line(cause)
    if _is_transport(error):
        return ApiError(AGAIN, f"{where} is not reached ({name}: {first})")
    if isinstance(error, (AttributeError, TypeError, KeyError)):  # the SDK was given a page, or another API's answer
        return ApiError(AGAIN, f"{where} gives an answer of another form", hint="is this the address of the API?")
    return ApiError(AGAIN, f"{where} gives an answer that cannot be read ({name}: {first[:200]})")


def ended(error: ApiError) -> UserError:
    """Return the error that a run ends with."""
    kept = "what was answered is kept; the same command goes on from there"
    return UserError(error.message, f"{error.hint}; {kept}" if error.hint else kept)


def _details(error: Exception) -> tuple[int | None, Mapping[str, str], str]:
    """Return an error's HTTP status (None where it has none), headers and message."""
    status = getattr(error, "status_code", None)
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None) or getattr(error, "headers", None) or {}
    body = getattr(error, "body", None)
    message = body.get("message") or body.get("detail") or body.get("error") if isinstance(body, dict) else body
    code = body.get("code") if isinstance(body, dict) else None
    text = " ".join(str(part) for part in (code, message or getattr(error, "message", "") or error) if part)
    lowered = {str(key).lower(): str(value) for key, value in dict(headers).items()}
    return (status if isinstance(status, int) else None), lowered, " ".join(text.split())[:500]


def _status_fault(provider: str, where: str, status: int, headers: Mapping[str, str], message: str) -> ApiError:
    said = f"{where} answers {status}: {message}"
    if status in (401, 403):
        is_set = any(os.environ.get(name, "").strip() for name in KEYS[provider])
        name = KEYS[provider][0]
        hint = f"is {name} right, and may it use this model?" if is_set else f"{name} is not set"
        return ApiError(REFUSED if FILTERED.search(message) else FATAL, said, hint=hint, said=message)
    if status == 404:
        return ApiError(
            FATAL,
            said,
            hint="is the model's name right, and does this server have the service (vectors, chats, batch files)?",
        )
    if status == 429 and NO_QUOTA.search(message):
        return ApiError(FATAL, said, hint="the account has no credit left")
    if status in (408, 409, 425, 429) or status >= 500:
        return ApiError(AGAIN, said, wait=_retry_after(headers))
    return ApiError(REFUSED, said, said=message)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the provider asks to wait, from Retry-After (seconds or a date) or its milliseconds."""
    import email.utils
    import time

    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) / scale)
        except (KeyError, ValueError):
            continue
    moment = email.utils.parsedate_tz(headers.get("retry-after", ""))
    return max(0.0, email.utils.mktime_tz(moment) - time.time()) if moment else None


def _is_transport(error: Exception) -> bool:
    """Whether the connection failed, rather than the answer."""
    kinds: list[type[Exception]] = [ConnectionError, TimeoutError]
    import sys

    for package, names in (
        ("openai", ("APIConnectionError",)),
        ("httpx", ("TransportError",)),
        ("httpx2", ("TransportError",)),
    ):
        module = sys.modules.get(package)
        kinds += [getattr(module, name) for name in names] if module else []
    return isinstance(error, tuple(kinds))
