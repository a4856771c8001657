"""API providers: keys from the environment, clients of their own SDKs, and what their errors mean.

The SDKs' own retries are switched off: utils/traffic.py tries again, so that limits, costs and interruptions count
every request.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from utils.errors import UserError
from utils.schema import EncoderSpec, GeneratorSpec

KEYS = {"openai": ("OPENAI_API_KEY", "OPENAI_TOKEN"), "cohere": ("CO_API_KEY", "COHERE_TOKEN")}
HUB_KEYS = ("HF_TOKEN",)  # for endpoints of the hub
HUB_HOSTS = ("huggingface.co", "huggingface.cloud", "hf.space")
BASE_URLS = {"openai": "OPENAI_BASE_URL", "cohere": "CO_API_URL"}
OWN_URLS = {"openai": "https://api.openai.com/v1", "cohere": "https://api.cohere.com"}
NO_KEY = "none"  # what a server of one's own is sent where no key is set: the SDKs want something
SHORTEST_SECRET = 6  # characters; anything shorter would blot out ordinary words
HIDDEN = "***"

ENDPOINT = re.compile(r"/(embeddings|chat/completions|completions|v2/embed|v2/chat)$")  # as examples with curl have it


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


PREFIX = re.compile(r"(openai|cohere):(.*)")  # any model of a provider, or of a server that speaks its format


def split_name(name: str) -> tuple[str, str]:
    """Return the provider that a name is prefixed with, or nothing, and the rest of the name."""
    found = PREFIX.fullmatch(name)
    if found and not found[2]:
        raise UserError(f"{name!r} names no model", f"write it behind the colon: {name}NAME")
    return (found[1], found[2]) if found else ("", name)


def _label(name: str, url: str) -> str:
    """Return the name of a served model for folders and tables: its own, and the beginning of its address's hash."""
    clean = re.sub(r"[^\w.-]", "_", name)
    return f"served/{clean}-{hashlib.sha256(public_url(url).encode()).hexdigest()[:8]}"


def where_served(spec: EncoderSpec | GeneratorSpec) -> str:
    """Return the address that a record may tell."""
    return public_url(spec.base_url or OWN_URLS[spec.provider])
