"""The proxies of the environment: which one an address has, and those that the libraries could not use.

The libraries read ALL_PROXY, HTTP_PROXY, HTTPS_PROXY and NO_PROXY whenever they open a client, and one that they do not
know stops them even where it is not used. `prepare_proxies` therefore puts the variables in order first.
"""

from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit

from utils.errors import UserError

SCHEMES = ("http", "https", "all")
KNOWN = ("http", "https", "socks5", "socks5h")
ALIASES = {"socks": "socks5"}  # as GNOME writes it
LOCAL = ("localhost", "127.0.0.1", "::1")
_unusable: dict[str, str] = {}  # scheme -> what is wrong with the variable that was taken out


def prepare_proxies() -> None:
    """Put the proxies of the environment in order: local addresses have none, and one that is unusable is taken out.

    `proxy_of` raises an error where an address would need a proxy that was taken out.
    """
    for scheme in SCHEMES:
        for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY"):
            value = os.environ.get(name, "").strip()
            if not value:
                continue
            url, problem = _understood(value)
            if problem:
                _unusable[scheme] = f"{name} ({_shown(value)}) {problem}"
                del os.environ[name]
            elif url != value:
                os.environ[name] = url
    if any(os.environ.get(name) for scheme in SCHEMES for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY")):
        _except_local()


def proxy_of(url: str) -> str | None:
    """Return the proxy that an address is reached through, or None; UserError where it is one that cannot be used."""
    from urllib.request import getproxies, proxy_bypass

    prepare_proxies()
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_local(host) or proxy_bypass(host) or proxy_bypass(parts.netloc.rsplit("@", 1)[-1]):
        return None
    proxies = getproxies()
    for scheme in (parts.scheme, "all"):
        if scheme in proxies:
            return proxies[scheme]
        if scheme in _unusable:
            hint = f"set it to one like http://HOST:PORT or socks5://HOST:PORT, or add {host} to NO_PROXY"
            raise UserError(f"the proxy in {_unusable[scheme]}", hint)
    return None


def is_local(host: str) -> bool:
    """Return whether a host is this machine by name or address."""
    import ipaddress

    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return False


def _understood(value: str) -> tuple[str, str]:
    """Return the address of a proxy as the libraries understand it, and what is wrong with it, if anything."""
    url = value if "://" in value else f"http://{value}"
    scheme, _, rest = url.partition("://")
    scheme = ALIASES.get(scheme.lower(), scheme.lower())
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        is_address = bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_address = False
    if not is_address:
        return value, "is not the address of a proxy"
    if scheme not in KNOWN:
        return value, f"is of a kind that is not known: {scheme}"
    import importlib.util

    if scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        return value, "needs a package: pip install socksio"
    return f"{scheme}://{rest}", ""


def _shown(value: str) -> str:
    """Return the address of a proxy without its user and password."""
    return unquote(value).rsplit("@", 1)[-1] if "@" in unquote(value) else value


def _except_local() -> None:
    """Add the names and addresses of this machine to NO_PROXY, in both spellings, as libraries read either."""
    listed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    names = [name.strip() for name in listed.split(",") if name.strip()]
    if "*" not in names:
        names += [name for name in LOCAL if name not in names]
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(names)
