"""The HTTP clients of the SDKs: deadlines, errors that are told as successes, proxies of the environment."""

from __future__ import annotations

import select
import socket
import socketserver
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest
from api_server import ApiServer

from utils.answers import GenerationSettings
from utils.api.errors import AGAIN, FATAL, REFUSED, ApiError
from utils.api.faults import classify_error
from utils.api.http import error_in
from utils.api.providers import PROVIDERS, open_client
from utils.encoders.resolve import EncodingOptions, resolve_api_encoder
from utils.errors import UserError
from utils.generators.resolve import GeneratorOptions, resolve
from utils.proxies import is_local, prepare_proxies, proxy_of

NAMES = ("openai", "cohere")
SECONDS = 1.0
VARIABLES = [
    name for scheme in ("all", "http", "https", "no") for name in (f"{scheme}_proxy", f"{scheme}_PROXY".upper())
]


@pytest.fixture
def proxies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without proxies; what is changed in it is put back."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)
    monkeypatch.setattr("utils.proxies._unusable", {})
    return monkeypatch


def fault_of(server: ApiServer, provider: str, *, chat: bool) -> ApiError:
    """Return what a request that fails means."""
    sdk = open_client(provider, server.url + PROVIDERS[provider].path, SECONDS)
    spec: Any = resolve_api_encoder(f"{provider}:model", EncodingOptions(server.url))
    known = PROVIDERS[provider]
    assert known.chat and known.embed
    try:
        reply = (
            known.chat(sdk, spec, "one", GenerationSettings(), {}) if chat else known.embed(sdk, spec, ["one", "two"])
        )
    except Exception as error:
        return classify_error(error, provider, server.url)
    raise AssertionError(reply)


@pytest.mark.parametrize("provider", NAMES)
@pytest.mark.parametrize("fault", ["drip", "drip head", "slow"])
def test_a_deadline_holds_for_the_whole_request(server: ApiServer, provider: str, fault: str) -> None:
    server.always, server.slow_seconds = fault, 2 * SECONDS
    for chat in (True, False):
        begun = time.monotonic()
        found = fault_of(server, provider, chat=chat)
        assert found.kind == AGAIN and "no complete response within --timeout" in found.message
        assert SECONDS <= time.monotonic() - begun < 20  # a whole response would drip for more than 40 seconds


@pytest.mark.parametrize("provider", NAMES)
def test_what_is_transferred_moves_the_deadline(
    server: ApiServer, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("utils.api.http.SLOWEST", 10)
    monkeypatch.setattr("api_server.DRIP_SECONDS", 0.005)
    sdk = open_client(provider, server.url + PROVIDERS[provider].path, SECONDS)
    server.always = "drip"  # about 200 bytes within SECONDS, each of which gives a tenth of a second more
    known, spec = PROVIDERS[provider], resolve(f"{provider}:model", Path(), GeneratorOptions(base_url=server.url))
    assert known.chat
    assert known.chat(sdk, spec, "one", GenerationSettings(), {}).content == server.answer


@pytest.mark.parametrize("provider", NAMES)
@pytest.mark.parametrize("fault", ["error", "error 429", "error in words"])
def test_an_error_with_status_200_is_retried_as_one(server: ApiServer, provider: str, fault: str) -> None:
    server.always = fault
    for chat in (True, False):
        found = fault_of(server, provider, chat=chat)
        assert found.kind == AGAIN and "(in a response of status 200)" in found.message
        status = {"error": 502, "error 429": 429}.get(fault, 500)
        assert f"status {status}" in found.message


def test_what_an_error_in_a_response_means() -> None:
    def kind(**error: Any) -> str:
        return classify_error(error_in({"error": error}, {}), "openai", "").kind

    assert kind(message="oops") == kind(message="x", code=503) == kind(message="x", code="503") == AGAIN
    assert kind(message="x", code="insufficient_quota") == kind(message="x", code="invalid_api_key") == FATAL
    assert kind(message="x", code="content_filter") == kind(message="maximum context length is 8 tokens") == REFUSED
    assert kind(message="x", code=200) == kind(message="x", code=["a"]) == kind(code=10**30) == AGAIN
    assert classify_error(error_in({"errors": ["a", "b"]}, {}), "openai", "").kind == AGAIN


@pytest.mark.parametrize(
    "value", ["socks5://10.255.0.1:9", "socks://10.255.0.1:9", "http://10.255.0.1:9", "ftp://x", "http://[::1"]
)
@pytest.mark.parametrize("provider", NAMES)
def test_this_machine_has_no_proxy(server: ApiServer, provider: str, value: str, proxies: pytest.MonkeyPatch) -> None:
    proxies.setenv("ALL_PROXY", value)
    for host in ("127.0.0.1", "localhost"):
        url = server.url.replace("127.0.0.1", host) + PROVIDERS[provider].path
        known, spec = PROVIDERS[provider], resolve(f"{provider}:m", Path(), GeneratorOptions(base_url=url))
        assert known.chat
        assert known.chat(open_client(provider, url, 5.0), spec, "one", GenerationSettings(), {}).content == "positive"


def test_which_proxy_an_address_has(proxies: pytest.MonkeyPatch) -> None:
    assert proxy_of("https://api.openai.com/v1") is None
    proxies.setenv("ALL_PROXY", "socks://proxy:1080")
    proxies.setenv("HTTP_PROXY", "proxy:3128")
    proxies.setenv("NO_PROXY", "intern.example.org, 10.0.0.7")
    assert proxy_of("https://api.openai.com/v1") == "socks5://proxy:1080"
    assert proxy_of("http://api.example.org/v1") == "http://proxy:3128"  # as httpx and curl read it
    for url in ("http://intern.example.org/v1", "https://a.intern.example.org", "http://10.0.0.7:8000/v1"):
        assert proxy_of(url) is None
    for url in ("http://localhost:8000", "http://127.0.0.1", "http://127.8.9.1:80", "http://[::1]:8000/v1"):
        assert proxy_of(url) is None
    assert is_local("a.localhost") and not is_local("localhost.example.org") and not is_local("128.0.0.1")
    proxies.setenv("NO_PROXY", "*")
    proxies.setenv("no_proxy", "*")
    assert proxy_of("https://api.openai.com/v1") is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("socks4://me:secret@proxy:1080", "of a kind that is not known: socks4"),
        ("http://[::1", "is not the address of a proxy"),
        ("http://proxy:abc", "is not the address of a proxy"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_an_error_only_where_it_is_needed(
    value: str, said: str, proxies: pytest.MonkeyPatch
) -> None:
    import httpx
    import httpx2

    proxies.setenv("ALL_PROXY", value)
    prepare_proxies()
    httpx.Client().close()
    httpx2.Client().close()
    with pytest.raises(UserError, match=said) as raised:
        proxy_of("https://api.openai.com/v1")
    assert "secret" not in raised.value.what + raised.value.hint and "ALL_PROXY" in raised.value.what
    proxies.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert proxy_of("https://api.openai.com/v1") == "http://proxy:3128"


class _Socks(socketserver.BaseRequestHandler):
    """A SOCKS5 proxy that connects every host to this machine, and notes the hosts that were asked for."""

    hosts: ClassVar[list[str]] = []

    def handle(self) -> None:
        self.request.recv(self.request.recv(2)[1])  # the ways to log in that the client offers
        self.request.sendall(b"\5\0")
        kind = self.request.recv(4)[3]
        size = self.request.recv(1)[0] if kind == 3 else 4
        self.hosts.append(self.request.recv(size).decode("latin-1"))
        with socket.create_connection(("127.0.0.1", int.from_bytes(self.request.recv(2)))) as upstream:
            self.request.sendall(b"\5\0\0\1" + bytes(6))
            while ready := select.select([self.request, upstream], [], [], 10)[0]:
                for source in ready:
                    content = source.recv(65_536)
                    if not content:
                        return
                    (upstream if source is self.request else self.request).sendall(content)


class _SocksServer(socketserver.ThreadingTCPServer):
    daemon_threads = True  # closing does not wait for connections that a client keeps open


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks"])
@pytest.mark.parametrize("provider", NAMES)
def test_requests_go_through_a_socks_proxy(
    server: ApiServer, provider: str, scheme: str, proxies: pytest.MonkeyPatch
) -> None:
    with _SocksServer(("127.0.0.1", 0), _Socks) as proxy:
        threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        proxies.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{proxy.server_address[1]}")
        _Socks.hosts.clear()
        url = f"http://api.example.org:{server.server_port}" + PROVIDERS[provider].path
        known, spec = PROVIDERS[provider], resolve(f"{provider}:m", Path(), GeneratorOptions(base_url=url))
        assert known.chat
        sdk = open_client(provider, url, 5.0)
        assert known.chat(sdk, spec, "one", GenerationSettings(), {}).content == "positive"
        assert _Socks.hosts == ["api.example.org"]
        proxy.shutdown()
