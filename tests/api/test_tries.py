"""Tries of one request: each kind of fault has its own bound, and no answer of a server makes them a storm."""

from __future__ import annotations

import itertools
import time

import pytest

from utils.api.client import ApiClient
from utils.api.errors import AGAIN, GARBLED, REFUSED, ApiError
from utils.api.faults import classify_error
from utils.api.limiter import Budget
from utils.api.limits import ApiOptions
from utils.api.provider import Reply
from utils.api.tries import Tries
from utils.loaders import API_ENCODER
from utils.schema import EncoderSpec


def client(**options: object) -> ApiClient:
    spec = EncoderSpec("model", API_ENCODER, provider="openai", base_url="http://127.0.0.1:9/v1")
    return ApiClient(spec, ApiOptions(**options), Budget(None))  # type: ignore[arg-type]


class RefusalError(Exception):
    """An SDK's error as far as it is read."""

    def __init__(self, status: int, headers: dict[str, str]):
        super().__init__("slow down")
        self.status_code, self.headers = status, headers


def sent(faults: list[str], **options: object) -> tuple[str, int]:
    """Return the end of a request that meets these faults in turn, and the number of its tries."""
    tried = client(**options)
    left = iter(faults)

    def request() -> Reply[str]:
        kind = next(left, "")
        if kind:
            raise ApiError(kind, kind)
        return Reply("answered")

    try:
        end = tried.send(request, 1)
    except ApiError as error:
        end = error.kind
    return end, tried.requests


@pytest.mark.parametrize(
    ("faults", "end"),
    [
        ([AGAIN, AGAIN, GARBLED], ("answered", 4)),  # one garbled response behind two passing errors
        ([GARBLED, GARBLED, *[AGAIN] * 8], ("answered", 11)),
        ([*[AGAIN, GARBLED] * 2, AGAIN], ("answered", 6)),
        ([GARBLED] * 3, (GARBLED, 3)),
        ([AGAIN, GARBLED, GARBLED, AGAIN, GARBLED], (GARBLED, 5)),
        ([*[AGAIN] * 8, GARBLED, AGAIN], (AGAIN, 10)),
        ([REFUSED], (REFUSED, 1)),
    ],
)
def test_each_kind_of_fault_is_counted_by_itself(
    faults: list[str], end: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("utils.api.client.FIRST_PAUSE", 0.0)
    assert sent(faults) == end


def test_a_server_that_has_answered_with_an_error_is_not_taken_for_unreachable() -> None:
    def n_tries(*unreachable: bool) -> int:
        tries = Tries(8, 0.0, lambda: False)
        faults = itertools.chain(unreachable, itertools.repeat(True))
        while tries.allows_another(ApiError(AGAIN, "no", unreachable=next(faults))):
            pass
        return tries.n_tries

    assert n_tries() == n_tries(True, True) == 3
    assert n_tries(False, False) == n_tries(True, False) == n_tries(False) == 9


def test_pauses_grow_whatever_the_server_says() -> None:
    tries = Tries(8, 0.5, lambda: True)
    pauses = []
    for _ in range(8):
        assert tries.allows_another(ApiError(AGAIN, "429", wait=0.0))
        pauses.append(tries.pause())
    wholes = [0.5, 1, 2, 4, 8, 16, 32, 60]
    assert all(whole / 2 <= pause <= whole for pause, whole in zip(pauses, wholes, strict=True))
    assert not tries.allows_another(ApiError(AGAIN, "429", wait=0.0))


@pytest.mark.parametrize("after", ["0", "-5", "Wed, 01 Jan 2025 00:00:00 GMT", "nan", "inf", "soon", ""])
def test_no_header_lets_the_tries_follow_at_once(after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("utils.api.client.FIRST_PAUSE", 0.02)
    tried, begun = client(max_retries=4), time.monotonic()

    def request() -> Reply[str]:
        raise RefusalError(429, {"Retry-After": after})

    with pytest.raises(ApiError) as raised:
        tried.send(request, 1)
    assert raised.value.message.endswith("(5 tries)")
    assert time.monotonic() - begun >= (0.02 + 0.04 + 0.08 + 0.16) / 2


def test_a_date_is_read_by_the_clock_of_the_response() -> None:
    def wait(after: str, date: str) -> float | None:
        return classify_error(RefusalError(503, {"Retry-After": after, "Date": date}), "openai", "").wait

    day = "Wed, 01 Jan 2025 00:{}:{:02} GMT"
    for minute, second in itertools.product((0, 3), (0, 20)):
        later = day.format(f"{minute:02}", second)
        assert wait(later, day.format("00", 0)) == minute * 60 + second  # whatever the year is here
    assert wait(day.format("00", 0), day.format("00", 7)) == 0.0
    assert wait("Fri, 31 Dec 99999 23:59:59 GMT", day.format("00", 0)) is None
    assert wait("Wed, 99 Foo 2025 00:00:00 GMT", "") is None
    assert wait("9" * 400, "") is None  # a number without a meaning
