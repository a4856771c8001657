"""The known providers, their keys from the environment, and the addresses of servers.

The SDKs' own retries are switched off. utils/api/client.py retries, so that limits, costs and interruptions take
every request into account.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any
from urllib.parse import quote, urlsplit

from utils.api.addresses import HIDDEN, check_address, public_address, public_addresses, without_credentials
from utils.api.cohere import COHERE
from utils.api.openai import OPENAI
from utils.api.provider import Provider
from utils.errors import UserError
from utils.schema import EncoderSpec, GeneratorSpec

PROVIDERS: dict[str, Provider] = {provider.name: provider for provider in (OPENAI, COHERE)}
DEFAULT_PROVIDER = OPENAI.name  # the wire format of a server where none is named
SERVER_ITEMS = 32  # texts in a request to another server: the default limit of text-embeddings-inference

HUB_KEYS = ("HF_TOKEN",)  # for endpoints of the hub
HUB_HOSTS = ("huggingface.co", "huggingface.cloud", "hf.space")
NO_KEY = "none"  # sent to other servers where no key is set, because the SDKs require one
SHORTEST_SECRET = 6  # characters; replacing shorter values would change ordinary words


def find_key(provider: str, base_url: str) -> str:
    """Return the key from the environment; UserError where the provider's own service has none."""
    host = urlsplit(base_url).hostname or ""
    is_hub = any(host == hub or host.endswith(f".{hub}") for hub in HUB_HOSTS)
    names = HUB_KEYS if is_hub else PROVIDERS[provider].key_variables
    for name in names:
        key = os.environ.get(name, "").strip()
        if key:
            if not (key.isascii() and key.isprintable()) or " " in key:
                raise UserError(f"{name} is not a key: it has spaces or special characters", f"set {name} again")
            return key
    if base_url:
        return NO_KEY
    raise UserError(
        f"no key for {provider}: {names[0]} is not set",
        f"export {names[0]}=... (keys are read from the environment only); for another server, give --base_url",
    )


def secrets() -> list[str]:
    """Return the values of all key variables that are set, the longest first."""
    names = [*(name for provider in PROVIDERS.values() for name in provider.key_variables), *HUB_KEYS]
    found = {os.environ.get(name, "").strip() for name in names}
    return sorted((value for value in found if len(value) >= SHORTEST_SECRET), key=len, reverse=True)


def hide_keys(text: str) -> str:
    """Return a text with every key of the environment replaced by asterisks, also as it is written in an address."""
    for secret in secrets():
        for form in {secret, quote(secret, safe=""), quote(secret)}:
            text = text.replace(form, HIDDEN)
    return text


def redact(text: str) -> str:
    """Return a text as it may be shown: without the keys of the environment, and with its addresses made public."""
    return hide_keys(public_addresses(hide_keys(text)))


def public_url(url: str) -> str:
    """Return an address as it may be written anywhere: without user, password and query, and without keys."""
    return hide_keys(public_address(hide_keys(url)))


def checked_url(url: str, provider: str) -> str:
    """Return the address of a server, with the provider's usual path where it is typed without one."""
    known = PROVIDERS[provider]
    try:
        return check_address(url, known.path, known.key_variables[0])
    except UserError as error:
        raise UserError(hide_keys(error.what), error.hint) from None


def resolve_base_url(provider: str, typed: str | None) -> str:
    """Return the server's address, as typed or from the environment; empty for the provider's own service."""
    url = (typed or "").strip() or os.environ.get(PROVIDERS[provider].url_variable, "").strip()
    if not url:
        return ""
    url = checked_url(url, provider)
    return "" if url == checked_url(PROVIDERS[provider].url, provider) else url


def open_client(provider: str, base_url: str, timeout: float) -> Any:
    """Return a client of the provider's SDK for this server; timeout in seconds."""
    known = PROVIDERS[provider]
    return known.open_client(find_key(provider, base_url), base_url or known.url, timeout)


def split_name(name: str) -> tuple[str, str]:
    """Return the provider that a name is prefixed with, or nothing, and the rest of the name."""
    prefix, colon, rest = name.partition(":")
    if not colon or prefix not in PROVIDERS:
        return "", name
    if not rest:
        raise UserError(f"{name!r} names no model", f"write the model's name after the colon: {name}NAME")
    return prefix, rest


def server_label(name: str, url: str) -> str:
    """Return the name of another server's model for folders and tables, with the first digits of the address's hash."""
    clean = re.sub(r"[^\w.-]", "_", name)
    return f"served/{clean}-{hashlib.sha256(without_credentials(url).encode()).hexdigest()[:8]}"


def endpoint_url(spec: EncoderSpec | GeneratorSpec) -> str:
    """Return the address of a model's API as a record may show it."""
    return public_url(spec.base_url or PROVIDERS[spec.provider].url)


def price_of(spec: EncoderSpec | GeneratorSpec) -> tuple[float, float] | None:
    """Return the US dollars per million tokens, read and generated; None where they are not known."""
    known = PROVIDERS.get(spec.provider)
    return known.prices.get(spec.checkpoint) if known and not spec.base_url else None


def search_price_of(spec: EncoderSpec | GeneratorSpec) -> float | None:
    """Return the US dollars per 1,000 searches of a reranker; None where they are not known."""
    known = PROVIDERS.get(spec.provider)
    return known.search_prices.get(spec.checkpoint) if known and not spec.base_url else None


def prices_read() -> str:
    """Return the date of the prices; several dates where the providers' prices were read on different days."""
    return ", ".join(sorted({provider.prices_read for provider in PROVIDERS.values() if provider.prices_read}))
