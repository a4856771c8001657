"""What the errors of the providers' SDKs mean: which are retried, and which end an item or the run."""

from __future__ import annotations

import email.utils
import math
import os
import re
import sys
import time
from collections.abc import Mapping

from utils.api.errors import AGAIN, FATAL, FILTERED, REFUSED, ApiError
from utils.api.http import ErrorInResponse
from utils.api.providers import PROVIDERS, public_url, redact
from utils.errors import first_line
from utils.proxies import proxy_of

NO_QUOTA = re.compile(r"insufficient_quota|billing|exceeded your current quota|trial key", re.IGNORECASE)
TRANSPORT_ERRORS = {"openai": "APIConnectionError", "httpx": "TransportError", "httpx2": "TransportError"}


def classify_error(error: Exception, provider: str, base_url: str) -> ApiError:
    """Return what an SDK's error means, without any key that its message may contain."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error.__cause__, ErrorInResponse):  # an SDK takes whatever its client raises for a lost connection
        error = error.__cause__
    server = public_url(base_url) if base_url else provider
    url = base_url or PROVIDERS[provider].url
    status, headers, message = _details(error)
    if status is not None and status >= 400:
        return _status_error(provider, server, status, headers, redact(message))
    is_transport = _is_transport(error)
    # an SDK's own transport error only says that there is no connection; its cause says why
    cause = error.__cause__ if is_transport and error.__cause__ is not None else error
    name, first = type(cause).__name__, redact(first_line(cause))
    if is_transport and "Timeout" in name and name != "ConnectTimeout":
        return ApiError(AGAIN, f"{server} gave no complete response within --timeout ({name})", unreachable=True)
    if is_transport:
        return ApiError(AGAIN, f"{server} cannot be reached{_through_proxy(url)} ({name}: {first})", unreachable=True)
    if isinstance(error, (AttributeError, TypeError, KeyError)):  # an HTML page, or another API's response
        return ApiError(AGAIN, f"{server} sent a response of another form", hint="is this the address of the API?")
    return ApiError(AGAIN, f"{server} sent a response that cannot be read ({name}: {first[:200]})")


def _through_proxy(url: str) -> str:
    proxy = proxy_of(url)
    return f" through the proxy {public_url(proxy)}" if proxy else ""


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


def _status_error(provider: str, server: str, status: int, headers: Mapping[str, str], message: str) -> ApiError:
    shown = f"{server} answered with status {status}: {message}"
    if status in (401, 403):
        variables = PROVIDERS[provider].key_variables
        is_set = any(os.environ.get(name, "").strip() for name in variables)
        problem = "is right, and may use this model" if is_set else "is set"
        kind = REFUSED if FILTERED.search(message) else FATAL
        return ApiError(kind, shown, hint=f"check that {variables[0]} {problem}", provider_message=message)
    if status == 404:
        hint = "check the model's name, and that this server has the service (embeddings, chats, batch files)"
        return ApiError(FATAL, shown, hint=hint, not_found=True)
    if status == 429 and NO_QUOTA.search(message):
        return ApiError(FATAL, shown, hint="the account has no credit left")
    if status in (408, 409, 425, 429) or status >= 500:
        return ApiError(AGAIN, shown, wait=_retry_after(headers))
    return ApiError(REFUSED, shown, provider_message=message)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the provider asks to wait: Retry-After in seconds, as a date, or in milliseconds.

    A date is compared with the response's own, because the clock of this machine may be wrong. None where there is no
    number or date, or one that is none.
    """
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) / scale
        except (KeyError, ValueError):
            continue
        return max(0.0, seconds) if math.isfinite(seconds) else None
    until, now = _seconds_of(headers.get("retry-after", "")), _seconds_of(headers.get("date", ""))
    return max(0.0, until - (time.time() if now is None else now)) if until is not None else None


def _seconds_of(date: str) -> float | None:
    """Return the seconds since 1970 of a date in a header, or None where it is none."""
    try:
        moment = email.utils.parsedate_tz(date)
        return float(email.utils.mktime_tz(moment)) if moment else None
    except (ValueError, OverflowError, TypeError, IndexError):  # such as the year 99999
        return None


def _is_transport(error: Exception) -> bool:
    """Return whether the connection failed, and not the response."""
    kinds: list[type[Exception]] = [ConnectionError, TimeoutError]
    for package, name in TRANSPORT_ERRORS.items():
        if module := sys.modules.get(package):
            kinds.append(getattr(module, name))
    return isinstance(error, tuple(kinds))
