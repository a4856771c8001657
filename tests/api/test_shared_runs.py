"""Several processes on one cache: no response is paid for twice, also when one of them is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from api_server import ApiServer, vector
from conftest import ROOT
from forked import Forked, nursery_of_api_runs
from script_runner import TIMEOUT, wait_until

from utils.api.claims import Claims
from utils.api.response_cache import ResponseCache, always_usable
from utils.encoders.cached import open_encoder
from utils.encoders.resolve import EncodingOptions, resolve

N = 200
RUN = """
import sys
sys.path[:0] = [sys.argv[1]]
from pathlib import Path
from utils.api.limiter import Budget
from utils.api.limits import ApiOptions
from utils.cli.main import run
from utils.encoders.cached import open_encoder
from utils.encoders import resolve as encoders
from utils.generators import resolve as generators
from utils.generators.cached import open_generator
from utils.answers import GenerationSettings, ScoreSettings

def main(args):
    _, url, folder, how, provider, n = args
    folder, items = Path(folder), [f"item {number}" for number in range(int(n))]
    api = (ApiOptions(concurrency=4, batch_api=how.startswith("batch"), poll_seconds=0.1), Budget(None))
    if how.endswith("vectors"):
        spec = encoders.resolve(f"{provider}:model", folder, encoders.EncodingOptions(url, batch_size=5))
        rows, _ = open_encoder(spec, "cpu", folder, api).embed(items, [])
        print(len(rows), float(rows.astype("float64").sum()))
        return
    kind = "base" if how == "scores" else None
    spec = generators.resolve(f"{provider}:model", folder, generators.GeneratorOptions(url, kind))
    generator = open_generator(spec, "cpu", folder, api)
    if how == "scores":
        found = [scores.logprobs for scores in generator.score(items, ["no", "very much"], ScoreSettings())]
    elif how == "choices":
        found = [str(choice.text) for choice in generator.choose(items, ["negative", "positive"], GenerationSettings())]
    else:
        found = generator.generate(items, GenerationSettings())
    print(len(found), found[0])

run(lambda args: main(args))
"""


def start(server: ApiServer, folder: Path, how: str, provider: str = "openai", n: int = N) -> Forked:
    return nursery_of_api_runs().start(["-c", RUN, str(ROOT), server.url, str(folder), how, provider, str(n)])


def ends(process: Forked) -> tuple[str, str]:
    """Return what a process printed, when it ended well."""
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, err
    return out, err


pytestmark = pytest.mark.slow  # each run is a process that loads an SDK
WAYS = [("vectors", "openai"), ("vectors", "cohere"), ("chat", "openai"), ("chat", "cohere"), ("choices", "openai")]


@pytest.mark.parametrize(("how", "provider"), [*WAYS, ("scores", "openai")])
def test_three_runs_at_once_pay_for_each_item_once(server: ApiServer, tmp_path: Path, how: str, provider: str) -> None:
    server.latency = 0.02
    n = 60 if how == "scores" else N
    printed = {ends(process)[0] for process in [start(server, tmp_path, how, provider, n) for _ in range(3)]}
    assert len(printed) == 1 and printed.pop().startswith(f"{n} ")
    assert len(server.paid) == (2 * n if how == "scores" else n) and set(server.paid.values()) == {1}
    assert server.paid == server.asked


@pytest.mark.parametrize(("how", "per_request"), [("vectors", 5), ("chat", 1)])
def test_the_claims_of_a_killed_run_are_void_at_once(
    server: ApiServer, tmp_path: Path, how: str, per_request: int
) -> None:
    server.held_after = 20
    first, second = start(server, tmp_path, how), start(server, tmp_path, how)
    server.wait_for_held(8, second)  # four requests of each are pending
    first.kill()  # and not waited for: its number is still that of a process
    begun = time.monotonic()
    server.release()
    assert ends(second)[0].startswith(f"{N} ")
    assert time.monotonic() - begun < 50, "it did not wait for the lease of the dead run"
    first.wait()
    twice = [item for item, times in server.paid.items() if times > 1]
    assert len(server.paid) == N and len(twice) <= 4 * per_request
    assert max(server.paid.values()) <= 2
    n_asked = server.n_requests
    ends(start(server, tmp_path, how))
    assert server.n_requests == n_asked
    claims = ResponseCache(tmp_path, {}).database.connection.execute("SELECT count(*) FROM claims").fetchone()[0]
    assert claims == 0


def test_what_a_run_gives_up_another_requests(server: ApiServer, tmp_path: Path) -> None:
    server.held_after = 4
    first = start(server, tmp_path, "chat", n=4 + 4)
    server.wait_for_held(4, first)
    second = start(server, tmp_path, "chat", n=4 + 4)
    assert second.stderr and any(
        "waiting for 4 responses that another run has requested" in line for line in second.stderr
    )
    assert server.n_requests == 8
    first.terminate()
    server.always = "500"  # not for those that are held
    server.release()
    first.communicate(timeout=TIMEOUT)
    assert second.communicate(timeout=TIMEOUT)[0].startswith("8 ") and set(server.paid.values()) == {1}


def test_a_lease_ends_where_its_process_cannot_be_seen(tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path, {"model": "a"})
    insert = "INSERT INTO claims VALUES (?, ?, ?, ?)"
    from utils.files import text_key

    owners: dict[str, tuple[Any, Any]] = {
        "elsewhere": ("another-machine/pid:[1] 7 99 abc", time.time() + 50),
        "elsewhere, not renewed": ("another-machine/pid:[1] 7 99 abc", time.time() - 1),
        "not a claim": (5, "soon"),
        "in the far future": ("another-machine/pid:[1] 7 99 abc", 1e30),
    }
    for prompt, (owner, until) in owners.items():
        cache.database.connection.execute(insert, (cache.key, text_key(prompt), owner, until))
    with Claims(cache, always_usable) as claims:
        assert claims.take([*owners, "free"]) == (
            {},
            ["elsewhere, not renewed", "not a claim", "in the far future", "free"],
        )
        cache.keep(text_key("elsewhere"), "its response")
        with Claims(ResponseCache(tmp_path, {"model": "a"}), always_usable) as others:
            assert others.take(["free", "elsewhere", "new"]) == ({"elsewhere": "its response"}, ["new"])
        with Claims(ResponseCache(tmp_path, {"model": "b"}), always_usable) as others:
            assert others.take(["free"]) == ({}, ["free"])  # another model


def test_a_claim_is_renewed_while_its_run_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("utils.api.claims.LEASE_SECONDS", 0.4)
    monkeypatch.setattr("utils.api.claims.this_machine", lambda: "here")
    with Claims(ResponseCache(tmp_path, {}), always_usable) as claims:
        assert claims.take(["one"])[1] == ["one"]
        monkeypatch.setattr("utils.api.claims.this_machine", lambda: "elsewhere")  # only the lease is seen from there
        with Claims(ResponseCache(tmp_path, {}), always_usable) as others:
            for _ in range(15):
                assert others.take(["one"]) == ({}, [])
                time.sleep(0.1)
            claims._end.set()
            claims._renewing.join()
            time.sleep(0.5)
            assert others.take(["one"]) == ({}, ["one"])


def test_two_batch_runs_at_once_pay_once_and_keep_each_others_notes(server: ApiServer, tmp_path: Path) -> None:
    server.batch_looks = 10**9
    first = start(server, tmp_path, "batch", n=100)
    wait_until(lambda: any(batch["looks"] for batch in list(server.batches.values())), first)
    second = start(server, tmp_path, "batch", n=250)
    wait_until(lambda: len(server.batches) == 2 and server.batches["batch_1"]["looks"], second)
    (note,) = (tmp_path / "batches").glob("*.json")
    assert [len(entry["lines"]) for entry in json.loads(note.read_text())] == [100, 150]
    for process in (first, second):
        process.kill()
        process.wait()
    server.batch_looks = 1
    processes = [start(server, tmp_path, "batch", n=n) for n in (250, 100, 250)]
    assert [ends(process)[0].split()[0] for process in processes] == ["250", "100", "250"]
    assert len(server.batches) == 2 and len(server.paid) == 250 and set(server.paid.values()) == {1}
    assert not list((tmp_path / "batches").iterdir())


@pytest.mark.parametrize("how", ["batch", "batch vectors"])
def test_batch_runs_that_start_together_submit_each_item_once(server: ApiServer, tmp_path: Path, how: str) -> None:
    server.batch_looks = 3
    for process in [start(server, tmp_path, how) for _ in range(3)]:
        assert ends(process)[0].startswith(f"{N} ")
    assert len(server.paid) == N and set(server.paid.values()) == {1}


def test_a_batch_and_a_plain_run_share_the_items(server: ApiServer, tmp_path: Path) -> None:
    server.held_after = 50
    plain = start(server, tmp_path, "chat")
    server.wait_for_held(4, plain)
    batch = start(server, tmp_path, "batch")
    server.wait_for_held(5, batch)  # its submission is held as well
    server.release()
    assert ends(batch)[0] == ends(plain)[0]
    assert len(server.paid) == N and set(server.paid.values()) == {1}


def test_a_batch_with_other_items_too_is_kept_whole(server: ApiServer, tmp_path: Path) -> None:
    server.batch_looks = 10**9
    process = start(server, tmp_path, "batch", n=100)
    wait_until(lambda: any(batch["looks"] for batch in list(server.batches.values())), process)
    process.kill()
    process.wait()
    server.batch_looks = 1
    assert ends(start(server, tmp_path, "batch", n=10))[0].startswith("10 ")
    assert ends(start(server, tmp_path, "chat", n=100))[0].startswith("100 ")
    assert server.paid == {f"item {number}": 1 for number in range(100)}


def test_the_vectors_of_shared_runs_are_right(server: ApiServer, tmp_path: Path) -> None:
    for process in [start(server, tmp_path, "vectors", n=100) for _ in range(2)]:
        ends(process)
    spec = resolve("openai:model", tmp_path, EncodingOptions(server.url))
    texts = [f"item {number}" for number in range(100)]
    rows, _ = open_encoder(spec, "cpu", tmp_path).embed(texts, [])
    assert np.array_equal(rows, np.array([vector(text) for text in texts], dtype=np.float32))
    assert set(server.paid.values()) == {1}


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_an_interrupted_run_keeps_what_is_pending_and_ends_as_others_do(
    server: ApiServer, tmp_path: Path, number: int, code: int, said: str
) -> None:
    server.held_after = 20
    process = start(server, tmp_path, "chat")
    server.wait_for_held(4, process)
    process.send_signal(number)
    assert process.stderr and any("finishing the pending requests" in line for line in process.stderr)
    server.release()
    err = process.communicate(timeout=TIMEOUT)[1]
    assert process.returncode == code and said in err
    assert ends(start(server, tmp_path, "chat"))[0].startswith(f"{N} ") and set(server.paid.values()) == {1}


OPEN = """
import sys
sys.path[:0] = [sys.argv[1]]
from multiprocessing import get_context
from pathlib import Path
from utils.api.answer_database import AnswerDatabase

def go(folder, barrier, opened):
    for number in range(100):
        barrier.wait()
        try:
            how = "read only" if AnswerDatabase(folder / f"{number}.sqlite").read_only else "writable"
        except BaseException as error:
            how = str(error)
        opened.put(how)

context = get_context("fork")
barrier, opened = context.Barrier(4), context.Queue()
processes = [context.Process(target=go, args=(Path(sys.argv[2]), barrier, opened)) for _ in range(4)]
for process in processes:
    process.start()
print({opened.get(timeout=600) for _ in range(400)})
"""


def test_processes_that_create_the_file_at_once_can_all_write(tmp_path: Path) -> None:
    """SQLite refuses the change to write-ahead logging at once where another connection is making it."""
    run = [sys.executable, "-c", OPEN, str(ROOT), str(tmp_path)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.stdout == "{'writable'}\n", done.stderr
