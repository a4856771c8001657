"""Limits, tries and costs of an API, and requests in flight."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from script_runner import TIMEOUT

from utils.api.client import ApiClient
from utils.api.concurrency import run_concurrently
from utils.api.errors import AGAIN, FATAL, REFUSED, ApiError
from utils.api.faults import classify_error
from utils.api.limiter import Budget, Limiter
from utils.api.limits import ApiOptions
from utils.api.provider import Reply
from utils.api.providers import checked_url, find_key, public_url, redact, server_label
from utils.api.token_counts import estimate, open_counter, upper_bound
from utils.errors import UserError
from utils.loaders import API_ENCODER
from utils.schema import EncoderSpec


def client(model: str = "text-embedding-3-large", budget: Budget | None = None, **options: object) -> ApiClient:
    settings = ApiOptions(**options)  # type: ignore[arg-type]
    return ApiClient(EncoderSpec(model, API_ENCODER, provider="openai"), settings, budget or Budget(settings.max_cost))


class Clock:
    """A clock that passes when one waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("utils.api.limiter.time.monotonic", lambda: self.now)

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return False

    def is_set(self) -> bool:
        return False


def test_no_sixty_seconds_hold_more_requests_or_tokens_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    limiter = Limiter(10, 1000, clock)  # type: ignore[arg-type]
    sent = []
    for size in [50, 300, 20, 400, 10] * 12:
        limiter.admit(size)
        sent.append((clock.now, size))
    for moment, _ in sent:
        inside = [size for other, size in sent if moment <= other < moment + 60]
        assert len(inside) <= 10 and sum(inside) <= 1000
    minutes = (sent[-1][0] - sent[0][0]) / 60
    assert 60 / 10 - 2 <= minutes <= 20  # and it does not dawdle: 9,360 tokens take 10 to 19 minutes


def test_a_request_larger_than_a_minutes_tokens_is_let_through_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    limiter = Limiter(None, 100, clock)  # type: ignore[arg-type]
    limiter.admit(5000)
    assert clock.now == 1000
    limiter.admit(5000)
    assert 1060 <= clock.now <= 1066


def test_a_pause_holds_all_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    limiter = Limiter(None, None, clock)  # type: ignore[arg-type]
    limiter.hold(30)
    limiter.admit(1)
    assert 1030 <= clock.now <= 1034


def test_a_budget_stops_before_the_request_that_could_pass_it() -> None:
    budget = Budget(1.0)
    asked = client(budget=budget, max_cost=1.0)
    for _ in range(3):  # 2 million tokens at $0.13 a million, reserved with a margin of a half
        asked.send(lambda: Reply("ok", 2_000_000), 2_000_000)
    assert budget.spent == pytest.approx(0.78)
    with pytest.raises(UserError, match=r"--max_cost 1: \$0.7800 are spent"):
        asked.send(lambda: Reply("ok", 2_000_000), 2_000_000)
    assert asked.requests == 3 and asked.usage()["cost_usd"] == 0.78
    asked.send(lambda: Reply("ok", 1_000_000), 1_000_000)  # a smaller one still fits


def test_a_model_without_a_price_cannot_be_bounded() -> None:
    with pytest.raises(UserError, match="the price of gpt-9 is not known"):
        client("gpt-9", max_cost=1.0)


def test_tries_are_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("utils.api.client.FIRST_PAUSE", 0.001)
    tried = client(max_retries=4)

    def fails() -> Reply[str]:
        raise ApiError(AGAIN, "503")

    with pytest.raises(ApiError, match="503"):
        tried.send(fails, 1)
    assert (tried.requests, tried.retries) == (5, 4)


def test_a_server_that_is_not_there_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("utils.api.client.FIRST_PAUSE", 0.001)
    tried = client()

    def fails() -> Reply[str]:
        raise ConnectionRefusedError("no")

    with pytest.raises(ApiError, match="openai cannot be reached"):
        tried.send(fails, 1)
    assert tried.requests == 3


def test_a_provider_that_asks_for_an_hour_is_not_waited_for() -> None:
    tried = client()

    def fails() -> Reply[str]:
        raise ApiError(AGAIN, "429", wait=3600)

    with pytest.raises(ApiError, match="asks to wait 3600 s"):
        tried.send(fails, 1)
    assert tried.requests == 1


class RefusalError(Exception):
    """An SDK's error as far as it is read."""

    def __init__(self, status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None):
        super().__init__(message)
        self.status_code, self.body, self.headers = status, {"message": message, "code": code}, headers or {}


@pytest.mark.parametrize(
    ("status", "message", "code", "kind"),
    [
        (401, "bad key", "invalid_api_key", FATAL),
        (404, "no such model", None, FATAL),
        (429, "slow down", None, AGAIN),
        (429, "You exceeded your current quota", "insufficient_quota", FATAL),
        (500, "oops", None, AGAIN),
        (400, "maximum context length is 8192 tokens", None, REFUSED),
        (413, "batch size 96 > maximum allowed batch size 32", None, REFUSED),
    ],
)
def test_what_a_status_means(status: int, message: str, code: str | None, kind: str) -> None:
    assert classify_error(RefusalError(status, message, code), "openai", "").kind == kind


def test_retry_after_in_seconds_milliseconds_and_as_a_date() -> None:
    def wait(**headers: str) -> float | None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return classify_error(RefusalError(429, "", headers=named), "cohere", "").wait

    assert wait(Retry_After="7") == 7.0
    assert wait(retry_after_ms="250", retry_after="9") == 0.25
    assert wait(retry_after="Wed, 01 Jan 2025 00:00:00 GMT") == 0.0
    assert wait() is None


def test_few_unexplained_refusals_are_the_items_many_are_not() -> None:
    asked = client()
    refused = ApiError(REFUSED, "no")
    assert not asked.is_of_item(refused)  # nothing was answered yet: the settings may be wrong
    for _ in range(200):
        asked.count(Reply(""))
    decisions = [asked.is_of_item(refused) for _ in range(30)]
    assert decisions[:19] == [True] * 19 and decisions[-1] is False
    assert asked.is_of_item(ApiError(REFUSED, "content_filter"))
    assert not client(strict=True).is_of_item(ApiError(REFUSED, "content_filter"))


def test_keys_come_from_the_environment_and_never_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_TOKEN", "CO_API_KEY", "COHERE_TOKEN", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match="OPENAI_API_KEY is not set"):
        find_key("openai", "")
    assert find_key("openai", "http://localhost:1/v1") == "none"
    monkeypatch.setenv("OPENAI_TOKEN", "sk-old-name")
    monkeypatch.setenv("COHERE_TOKEN", "co-old-name")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert find_key("openai", "") == "sk-old-name" and find_key("cohere", "") == "co-old-name"
    assert find_key("openai", "https://x.endpoints.huggingface.cloud/v1") == "hf_secret"
    assert find_key("openai", "https://huggingface.co.evil.org/v1") == "sk-old-name"
    assert redact("wrong key sk-old-name, hf_secret") == "wrong key ***, ***"
    assert "sk-old-name" not in str(classify_error(RefusalError(400, "you sent sk-old-name"), "openai", ""))
    monkeypatch.setenv("OPENAI_API_KEY", "sk with blanks")
    with pytest.raises(UserError, match="OPENAI_API_KEY is not a key") as raised:
        find_key("openai", "")
    assert "spaces" in raised.value.what and "sk with" not in raised.value.what


def test_addresses() -> None:
    assert checked_url("http://localhost:8000", "openai") == "http://localhost:8000/v1"
    assert checked_url("http://localhost:8000/api/v3/", "openai") == "http://localhost:8000/api/v3"
    assert checked_url("http://localhost:8000/v1/embeddings", "openai") == "http://localhost:8000/v1"
    assert checked_url("http://localhost:8000", "cohere") == "http://localhost:8000"
    assert public_url("https://me:secret@host:1/v1?key=secret") == "https://host:1/v1"
    with pytest.raises(UserError, match="contains a user name or a query") as raised:
        checked_url("https://me:secret@host:1/v1?key=secret", "openai")
    assert "secret" not in raised.value.what + raised.value.hint
    with pytest.raises(UserError, match="not the address"):
        checked_url("localhost:8000", "openai")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://127.0.0.1:abc",
            "http://[::1",
            "http://h:99999/v1",
            "http://h:0",
            "http://",
            "http:///v1",
            "ftp://h/v1",
        ),
        *(
            "http://a..b/v1",
            f"http://{'a' * 64}/v1",
            "http://h\n/v1",
            "http://h h/v1",
            "http://h/\ud83d",
            "//h/v1",
            "[",
        ),
        *("http://me:secret@[::1", "me:secret@host:8000", "http://me:secret@h:abc/v1", "http://h:1/" + "a" * 3000),
    ],
)
def test_what_is_no_address(url: str) -> None:
    for provider in ("openai", "cohere"):
        with pytest.raises(UserError, match="is not the address of a server") as raised:
            checked_url(url, provider)
        assert "secret" not in raised.value.what + raised.value.hint and len(raised.value.what) < 300


def test_keys_in_addresses_are_masked_wherever_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a+strange/key")
    hidden = {
        "https://gw.example.org/sk-abcdef0123456789xyz/v1": "https://gw.example.org/***/v1",
        "http://h/v1/a+strange/key/x": "http://h/v1/***/x",
        "http://h/v1/a%2Bstrange%2Fkey/x": "http://h/v1/***/x",
        "http://h/0123456789abcdef0123456789abcdef/v1": "http://h/***/v1",
        "http://u:p@h:8000/v1?api_key=1#2": "http://h:8000/v1",
        "http://[::1]:8000/v1": "http://[::1]:8000/v1",
        "https://h/openai/deployments/text-embedding-3-large-2024-01": "https://h/openai/deployments/text-embedding-3-large-2024-01",
    }
    for url, shown in hidden.items():
        assert public_url(url) == shown
        assert redact(f"(see {url}), or not").replace("?***", "") == f"(see {shown}), or not"
    assert redact("http://[::1 is none: a+strange/key") == "http://[::1 is none: ***"
    names = {server_label("m", url) for url in hidden}
    assert len(names) == len(hidden)  # servers whose keys alone differ are different servers
    assert server_label("m", "http://localhost:8000/v1") == "served/m-cbff7260"


def test_estimates_stay_below_the_bound_and_near_the_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    for text in ("", "The food is good.", "Makanannya enak sekali.", "অভিনন্দন", "这家餐厅很好", "🎉"):
        assert 1 <= estimate(text, "openai") <= upper_bound(text)
    counter, exact = open_counter("text-embedding-3-large", "openai", "", tmp_path)
    assert not exact and counter("a" * 300) == 99


def test_all_results_are_yielded_and_no_more_jobs_run_at_once_than_asked() -> None:
    lock, now, most = threading.Lock(), 0, 0

    def work(job: int) -> tuple[list[int], list[int]]:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1
        return ([job], []) if job < 100 else ([], [job - 100, job - 99])  # falls in two

    found = list(run_concurrently([1, 2, 110, 5, 7], work, 3, threading.Event()))
    assert sorted(found) == [1, 2, 5, 7, 10, 11] and most <= 3


def test_after_an_error_pending_jobs_are_finished_and_none_is_started() -> None:
    begun: list[int] = []
    stop = threading.Event()

    def work(job: int) -> tuple[list[int], list[int]]:
        begun.append(job)
        if job == 2:
            raise UserError("two", "")
        assert stop.wait(TIMEOUT)  # pending while the error is met
        return [job], []

    found = []
    with pytest.raises(UserError, match="two"):
        for result in run_concurrently(range(100), work, 4, stop):
            found.append(result)
    assert sorted(found) == [0, 1, 3] and sorted(begun) == [0, 1, 2, 3]


def test_counts_begin_anew_with_each_subset() -> None:
    asked = client()
    asked.send(lambda: Reply("", 10), 10)
    assert asked.usage()["tokens_in"] == 10
    asked.mark()
    assert asked.usage()["requests"] == asked.usage()["tokens_in"] == 0
    asked.send(lambda: Reply("", 7), 7)
    assert asked.usage()["tokens_in"] == 7


def test_waits_are_told_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("utils.api.client.FIRST_PAUSE", 0.001)
    tried = client(max_retries=3)

    def fails() -> Reply[str]:
        raise ApiError(AGAIN, "503")

    with pytest.raises(ApiError) as raised:
        tried.send(fails, 1)
    assert raised.value.message == "503 (4 tries)"
    assert capsys.readouterr().err.count("requests are retried up to 3 times") == 1
