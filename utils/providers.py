"""API providers: keys from the environment, clients of their own SDKs, and what their errors mean.

The SDKs' own retries are switched off: utils/traffic.py tries again, so that limits, costs and interruptions count
every request.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from utils.errors import UserError, first_line

KEYS = {"openai": ("OPENAI_API_KEY", "OPENAI_TOKEN"), "cohere": ("CO_API_KEY", "COHERE_TOKEN")}
HUB_KEYS = ("HF_TOKEN",)  # for endpoints of the hub
HUB_HOSTS = ("huggingface.co", "huggingface.cloud", "hf.space")
BASE_URLS = {"openai": "OPENAI_BASE_URL", "cohere": "CO_API_URL"}
OWN_URLS = {"openai": "https://api.openai.com/v1", "cohere": "https://api.cohere.com"}
NO_KEY = "none"  # what a server of one's own is sent where no key is set: the SDKs want something
SHORTEST_SECRET = 6  # characters; anything shorter would blot out ordinary words
HIDDEN = "***"

AGAIN, GARBLED, REFUSED, FATAL = "again", "garbled", "refused", "fatal"
TOO_LONG = re.compile(
    r"context.?length|maximum (context|input|sequence|length|number of tokens)|too long|too many tokens"
    r"|reduce the length|string_above_max_length|exceeds? [^.]*tokens|must have less than \d+ tokens|longer than",
    re.IGNORECASE,
)
FILTERED = re.compile(r"content.?(filter|policy|management)|responsible.?ai|moderation|flagged", re.IGNORECASE)
ENDPOINT = re.compile(r"/(embeddings|chat/completions|completions|v2/embed|v2/chat)$")  # as examples with curl have it
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


def find_key(provider: str, base_url: str) -> str:
    """Return the key of the environment; UserError names the variable where the provider's own service has none."""
    host = urlsplit(base_url).hostname or ""
    names = HUB_KEYS if any(host == hub or host.endswith(f".{hub}") for hub in HUB_HOSTS) else KEYS[provider]
    for name in names:
        key = os.environ.get(name, "").strip()
        if key:
            if not (key.isascii() and key.isprintable()) or " " in key:
                raise UserError(f"{name} is no key: it holds blanks or special characters", f"export {name}=... again")
            return key
    if base_url:
        return NO_KEY
    raise UserError(
        f"no key for {provider}: {names[0]} is not set",
        f"export {names[0]}=... (keys are read from the environment alone); a server of your own needs --base_url",
    )


def secrets() -> list[str]:
    """Return the values of all key variables that are set, the longest first."""
    names = [*KEYS["openai"], *KEYS["cohere"], *HUB_KEYS]
    found = {os.environ.get(name, "").strip() for name in names}
    return sorted((value for value in found if len(value) >= SHORTEST_SECRET), key=len, reverse=True)


def redact(text: str) -> str:
    """Return a text without any key of the environment."""
    for secret in secrets():
        text = text.replace(secret, HIDDEN)
    return text


def checked_url(url: str, provider: str) -> str:
    """Return the address of a server, with /v1 where an OpenAI-compatible one is typed without a path."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(
            f"{public_url(url)!r} is no address of a server", "give one like http://localhost:8000/v1 (--base_url)"
        )
    if "@" in parts.netloc or parts.query:
        raise UserError(
            f"the address of {public_url(url)} holds a user or a query",
            f"put the key into {KEYS[provider][0]}, and give the address without",
        )
    path = ENDPOINT.sub("", parts.path.rstrip("/")) or ("/v1" if provider == "openai" else "")
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def public_url(url: str) -> str:
    """Return an address without user, password and query, which may hold keys."""
    parts = urlsplit(url)
    host = parts.netloc.rsplit("@", 1)[-1]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def base_url_of(provider: str, typed: str | None) -> str:
    """Return the server's address: as typed, or of the environment; empty for the provider's own."""
    url = typed or os.environ.get(BASE_URLS[provider], "").strip()
    if not url:
        return ""
    url = checked_url(url, provider)
    return "" if url == checked_url(OWN_URLS[provider], provider) else url


def open_client(provider: str, base_url: str, timeout: float) -> Any:
    """Return the SDK's client; it never retries by itself."""
    key, url = find_key(provider, base_url), base_url or OWN_URLS[provider]
    if provider == "openai":
        import openai

        return openai.OpenAI(api_key=key, base_url=url, max_retries=0, timeout=timeout)
    import cohere

    return cohere.ClientV2(api_key=key, base_url=url, max_retries=0, timeout=timeout)


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
