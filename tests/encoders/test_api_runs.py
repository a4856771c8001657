"""Runs over APIs as processes: killed, interrupted, with wrong flags, and their costs."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from api_server import ApiServer, vector
from conftest import ROOT, Run
from forked import Forked, nursery_of_api_runs
from script_runner import TIMEOUT

from utils.encoders.cached import open_encoder
from utils.encoders.resolve import EncodingOptions, resolve

SLOW_RUN = """
import sys
sys.path[:0] = [sys.argv[1]]
from pathlib import Path
from utils.api.limiter import Budget
from utils.api.limits import ApiOptions
from utils.encoders.cached import open_encoder
from utils.encoders.resolve import EncodingOptions, resolve
spec = resolve("openai:model", Path(sys.argv[3]), EncodingOptions(sys.argv[2], batch_size=20))
encoder = open_encoder(spec, "cpu", Path(sys.argv[3]), (ApiOptions(concurrency=4), Budget(None)))
rows, _ = encoder.embed([f"text {number}" for number in range(2000)], [])
print(encoder.counts["misses"])
"""


def start(server: ApiServer, folder: Path) -> Forked:
    return nursery_of_api_runs().start(["-c", SLOW_RUN, str(ROOT), server.url, str(folder)])


def test_killed_half_way_only_the_pending_requests_are_sent_again(server: ApiServer, tmp_path: Path) -> None:
    server.held_after = 50
    process = start(server, tmp_path)
    server.wait_for_held(4, process)
    process.kill()
    process.wait()
    server.release()
    paid_before = len(server.paid)
    n_asked = int(start(server, tmp_path).communicate(timeout=TIMEOUT)[0])
    assert 2000 - paid_before <= n_asked <= 2000 - paid_before + 4 * 20
    twice = [text for text, times in server.paid.items() if times > 1]
    assert len(server.paid) == 2000 and len(twice) <= 4 * 20  # at most the four pending requests


def test_an_interruption_keeps_the_responses_to_pending_requests(server: ApiServer, tmp_path: Path) -> None:
    server.held_after = 30
    process = start(server, tmp_path)
    server.wait_for_held(4, process)
    process.send_signal(signal.SIGINT)
    assert process.stderr and any("finishing the pending requests" in line for line in process.stderr)
    assert len(server.paid) == 30 * 20
    server.release()
    process.communicate(timeout=TIMEOUT)
    assert process.returncode != 0 and len(server.paid) == 34 * 20
    assert start(server, tmp_path).communicate(timeout=TIMEOUT)[0]
    assert len(server.paid) == 2000 and set(server.paid.values()) == {1}


def test_two_runs_at_once_end_with_the_same_vectors(server: ApiServer, tmp_path: Path) -> None:
    server.latency = 0.02
    processes = [start(server, tmp_path) for _ in range(2)]
    assert [process.wait(timeout=TIMEOUT) for process in processes] == [0, 0]
    assert len(server.paid) == 2000
    spec = resolve("openai:model", tmp_path, EncodingOptions(server.url, batch_size=20))
    texts = [f"text {number}" for number in range(1000)]
    rows, _ = open_encoder(spec, "cpu", tmp_path).embed(texts, [])
    assert np.array_equal(rows, np.array([vector(text) for text in texts], dtype=np.float32))


def test_no_key_is_written_anywhere(server: ApiServer, tmp_path: Path, run: Run) -> None:
    server.wants_key = "sk-right-0123456789"
    keys = {"OPENAI_API_KEY": "sk-wrong-0123456789", "CO_API_KEY": "co-secret-0123456789", "HF_TOKEN": "hf_0123456789"}
    flags = ["--model_checkpoint", "openai:model", "--base_url", server.url, "--langs", "fra"]
    flags += ["--cache_dir", str(tmp_path / "cache"), "--k", "1", "--verbose"]
    wrong = run("bitext.py", *flags, env=keys)
    assert wrong.returncode == 2 and "status 401" in wrong.stderr and "that OPENAI_API_KEY is right" in wrong.stderr
    right = run("bitext.py", *flags, env={**keys, "OPENAI_API_KEY": server.wants_key})
    assert right.returncode == 0, right.stderr
    written = "\n".join(path.read_bytes().decode("utf-8", "replace") for path in tmp_path.rglob("*") if path.is_file())
    for secret in (*keys.values(), server.wants_key):
        assert secret not in written and secret not in wrong.stdout + wrong.stderr + right.stdout + right.stderr
    (record,) = [json.loads(path.read_text()) for path in tmp_path.rglob("eval_eng_fra_1.json")]
    assert record["run"]["encoders"][0]["served_at"] == f"{server.url}/v1"
    assert record["run"]["api"]["served/model-" + record["run"]["model"][-8:]]["requests"] >= 5


@pytest.mark.parametrize("key", ["sk-path-0123456789abc", "of/the/environment"])
def test_a_key_in_the_address_is_written_nowhere(server: ApiServer, tmp_path: Path, run: Run, key: str) -> None:
    server.prefix = f"/{key}"
    env = {"OPENAI_API_KEY": "of/the/environment"}
    flags = ["--model_checkpoint", "model", "--base_url", f"{server.url}/{key}/v1", "--langs", "fra", "--k", "1"]
    flags += ["--cache_dir", str(tmp_path / "cache"), "--verbose"]
    done = run("bitext.py", *flags, env=env)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.rglob("eval_eng_fra_1.json")
    record = json.loads(path.read_text())
    assert record["run"]["encoders"][0]["served_at"] == f"{server.url}/***/v1" == record["run"]["args"]["base_url"]
    server.always = "500"
    path.unlink()
    shutil.rmtree(tmp_path / "cache")
    failed = run("bitext.py", *flags, "--max_retries", "0", env=env)
    assert failed.returncode == 2 and "/***/v1 answered with status 500" in failed.stderr
    both = run("bitext.py", *flags, "--model_checkpoints", "a", "b", "--dry_run", env=env)
    shown = "".join(process.stdout + process.stderr for process in (done, failed, both))
    written = "\n".join(path.read_bytes().decode("utf-8", "replace") for path in tmp_path.rglob("*") if path.is_file())
    assert key not in shown and key not in written


def test_bitext_classification_and_ensembles_over_an_api(server: ApiServer, tmp_path: Path, run: Run) -> None:
    place = ["--cache_dir", str(tmp_path / "cache"), "--langs", "fra"]
    one = run("bitext.py", "--model_checkpoint", "model", "--base_url", server.url, "--margin", "ratio", *place)
    assert one.returncode == 0 and "eng_fra" in one.stdout, one.stderr
    both = ["--model_checkpoints", "baseline/char_ngram", "openai:model", "--weights", "3", "1"]
    two = run("classification.py", *both, "--base_url", server.url, *place)
    assert two.returncode == 0 and "fra" in two.stdout, two.stderr
    plan = run("classification.py", *both, "--base_url", server.url, "--dry_run", *place)
    assert "model: 0 requests, about 0 tokens; no price is known" in plan.stdout


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--model_checkpoint", "text-embedding-3-large"], "OPENAI_API_KEY is not set"),
        (["--model_checkpoint", "embed-v4.0"], "CO_API_KEY is not set"),
        (["--model_checkpoint", "openai:m", "--base_url", "localhost:80"], "not the address of a server"),
        (
            ["--model_checkpoint", "openai:m", "--base_url", "http://me:pw@127.0.0.1:9"],
            "contains a user name",
        ),
        (["--model_checkpoint", "openai:m", "--base_url", "http://127.0.0.1:9"], "Connection refused"),
        (["--base_url", "http://127.0.0.1:9", "--model_checkpoint", "m", "--max_length", "5"], "--max_length with"),
        (["--model_checkpoint", "openai:m", "--max_cost", "1"], "the price of m is not known"),
        (["--model_checkpoint", "embed-v4.0", "--batch_api"], "--batch_api with embed-v4.0"),
        (["--max_cost", "0"], "is not an amount above 0"),
        (["--concurrency", "0"], "is not an integer of 1 or more"),
    ],
)
def test_mistakes_end_in_two_lines(run: Run, flags: list[str], said: str, tmp_path: Path) -> None:
    keys = dict.fromkeys(("OPENAI_API_KEY", "OPENAI_TOKEN", "CO_API_KEY", "COHERE_TOKEN", "OPENAI_BASE_URL"), "")
    done = run("bitext.py", "--langs", "fra", "--cache_dir", str(tmp_path / "cache"), *flags, env=keys)
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2 and said in lines[-2] and lines[-1].startswith("hint: "), done.stderr
    assert "Traceback" not in done.stderr and os.sep + "utils" not in done.stderr


def test_the_cost_of_a_run_is_told_before_it(run: Run, tmp_path: Path) -> None:
    plan = run("bitext.py", "--model_checkpoint", "text-embedding-3-large", "--langs", "fra", "--dry_run")
    assert plan.returncode == 0, plan.stderr
    (line,) = [line for line in plan.stdout.splitlines() if line.startswith("text-embedding-3-large:")]
    assert "1 request, about" in line and "(prices of 20" in line
    tokens, cost = (float(part.split()[0].strip("$").replace(",", "")) for part in line.split("about ")[1:])
    assert 1000 < tokens < 10000 and cost == pytest.approx(tokens * 0.13 / 1e6, abs=5e-5)


def test_the_usual_input_type_of_a_model_without_a_row_is_not_told(server: ApiServer, tmp_path: Path, run: Run) -> None:
    flags = ("--langs", "spa", "--model_checkpoint", "openai:model", "--base_url", server.url, "--cache_dir", "cache")
    env = {"OPENAI_API_KEY": "sk-0123456789"}
    done = run("bitext.py", *flags, env=env)
    assert done.returncode == 0 and "logs: logs/save_bitext/sample/" in done.stdout, done.stderr
    table = run("script/aggregate/aggregate_bitext_mining.py")
    assert "model" in table.stdout and "input_type" not in table.stdout, table.stdout
    (tmp_path / "logs/save_bitext").rename(tmp_path / "logs/save_bitext_no_input_type")  # of an earlier version
    again = run("bitext.py", *flags, env=env)
    assert "1 of 1 subsets are already logged" in again.stdout and not (tmp_path / "logs/save_bitext").exists()
    other = run("bitext.py", *flags, "--input_type", "query", env=env)
    assert "logs: logs/save_bitext_input_type_query/sample/" in other.stdout, other.stderr
