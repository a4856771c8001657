"""Addresses of servers as they may be written anywhere: no user, password or query, and no key in the path."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit

from utils.errors import UserError

HIDDEN = "***"
LONGEST = 2000  # characters of an address
ENDPOINT = re.compile(
    r"/(embeddings|chat/completions|completions|v2/embed|v2/chat|v2/rerank)$"
)  # as in examples with curl
KEY = re.compile(  # what is a key by its form: a known beginning, or letters and digits without a break
    r"(?<![A-Za-z0-9])(?:sk|pk|rk|hf|gsk|xai|key)[-_](?=[\w-]*\d)[\w-]{12,}|eyJ[\w-]{10,}\.[\w.-]+"
    r"|(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{20,}",
    re.IGNORECASE,
)
IN_TEXT = re.compile(r"\b(?:https?|socks\w*)://[^\s'\"<>`]+", re.IGNORECASE)
REST = re.compile(r"[.,;:)\]]*$")  # what follows an address in a sentence


def public_address(url: str) -> str:
    """Return an address without user, password, query and fragment, and with what is a key by its form masked."""
    try:
        parts = urlsplit(url)
    except ValueError:  # such as http://[::1
        return _masked(re.sub(r"//.*@", "//", re.split(r"[?#]", url, maxsplit=1)[0]))
    if not parts.netloc:  # such as user:password@host
        return _masked(re.split(r"[?#]", url, maxsplit=1)[0].rpartition("@")[2])
    host = parts.netloc.rsplit("@", 1)[-1]
    return urlunsplit((parts.scheme, host, _masked(parts.path), "", ""))


def without_credentials(url: str) -> str:
    """Return an address without user, password, query and fragment; the hash of it names the server."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rsplit("@", 1)[-1], parts.path, "", ""))


def public_addresses(text: str) -> str:
    """Return a text with every address in it as it may be written."""

    def shown(found: re.Match[str]) -> str:
        rest = REST.search(found[0])
        end = rest.start() if rest and "[" not in found[0][rest.start() :] else len(found[0])
        url = found[0][:end]
        query = f"?{HIDDEN}" if "?" in url else ""
        return public_address(url) + query + found[0][end:]

    return IN_TEXT.sub(shown, text) if "://" in text else text


def check_address(url: str, path: str, key_variable: str) -> str:
    """Return the address of a server, with `path` where it is typed without one; UserError where it is none.

    The provider's `key_variable` is named where the address contains credentials.
    """
    hint = "give one like http://localhost:8000/v1 (--base_url)"
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and _is_host(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, half of the brackets of an IPv6 address
        is_address = False
    if not is_address or not url.isprintable() or " " in url or len(url) > LONGEST:
        raise UserError(f"{public_address(url)[:200]!r} is not the address of a server", hint)
    if "@" in parts.netloc or parts.query:
        raise UserError(
            f"the address of {public_address(url)} contains a user name or a query",
            f"set {key_variable} to the key, and give the address without it",
        )
    return urlunsplit((parts.scheme, parts.netloc, ENDPOINT.sub("", parts.path.rstrip("/")) or path, "", ""))


def _is_host(host: str | None) -> bool:
    if not host:
        return False
    if ":" in host:  # an IPv6 address, which urlsplit has checked where it is in brackets
        return True
    try:
        host.encode("idna")  # an empty part of a name, or one of more than 63 characters
    except UnicodeError:
        return False
    return bool(re.fullmatch(r"[\w.-]+", host))


def _masked(path: str) -> str:
    return "/".join(HIDDEN if KEY.search(unquote(part)) else part for part in path.split("/"))
