"""Batches that end in every way, through the real SDK: nothing is paid twice, and the end is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from api_server import ApiServer
from conftest import Run

from utils.answers import GenerationSettings
from utils.api.limiter import Budget
from utils.api.limits import ApiOptions
from utils.errors import UserError
from utils.generators.cached import open_generator
from utils.generators.resolve import GeneratorOptions, resolve

PROMPTS = [f"prompt {number}" for number in range(20)]


def generate(server: ApiServer, folder: Path, n: int = 20) -> list[object]:
    options = ApiOptions(timeout=60.0, batch_api=True, poll_seconds=0.01, max_retries=2)
    spec = resolve("openai:model", folder, GeneratorOptions(server.url))
    return [*open_generator(spec, "cpu", folder, (options, Budget(None))).generate(PROMPTS[:n], GenerationSettings())]


def notes(folder: Path) -> list[Path]:
    return list((folder / "batches").glob("*.json"))


@pytest.mark.parametrize("end", ["expired", "cancelled", "failed"])
def test_a_batch_that_ends_early_keeps_its_responses_and_the_rest_is_submitted_again(
    server: ApiServer, tmp_path: Path, end: str
) -> None:
    server.batch_end, server.batch_answers = end, 0 if end == "failed" else 8
    with pytest.raises(UserError, match=f"^batch batch_0 is {end}$") as caught:
        generate(server, tmp_path)
    assert caught.value.hint == "its responses are kept; the same command submits the rest" and not notes(tmp_path)
    assert len(server.paid) == server.batch_answers
    server.batch_end, server.batch_answers = "completed", None
    assert generate(server, tmp_path) == ["positive"] * 20
    assert server.paid == dict.fromkeys(PROMPTS, 1) and server.n_requests == len(server.batches) == 2


@pytest.mark.parametrize("tells", [True, False])
def test_lines_without_a_response_are_counted_and_requested_one_by_one(
    server: ApiServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], tells: bool
) -> None:
    server.batch_answers, server.tells_unanswered = 8, tells  # the rest is in the file of errors, or nowhere
    assert generate(server, tmp_path) == ["positive"] * 20
    assert (
        "note: batch batch_0: 12 of 20 texts have no response and are requested one by one" in capsys.readouterr().err
    )
    assert server.paid == dict.fromkeys(PROMPTS, 1) and server.n_requests == 1 + 12


def test_faults_while_waiting_are_passed_over_or_end_the_run_with_the_batch_noted(
    server: ApiServer, tmp_path: Path
) -> None:
    server.batch_looks, server.look_faults = 3, [500, 429]
    assert generate(server, tmp_path, 10) == ["positive"] * 10
    server.look_faults = [500] * 9
    with pytest.raises(UserError, match="answered with status 500"):
        generate(server, tmp_path)
    server.look_faults = [404]
    with pytest.raises(UserError, match=r"^batch batch_1: .* answered with status 404") as caught:
        generate(server, tmp_path)
    (note,) = notes(tmp_path)
    assert caught.value.hint.startswith("give the key of the account") and f"move {note} away" in caught.value.hint
    assert generate(server, tmp_path) == ["positive"] * 20
    assert server.paid == dict.fromkeys(PROMPTS, 1) and len(server.batches) == 2 and not notes(tmp_path)


def test_runs_with_two_ks_and_a_tag_pay_each_prompt_once(server: ApiServer, tmp_path: Path, run: Run) -> None:
    flags = ("--gen_model_checkpoint", "openai:model", "--gen_base_url", server.url, "--batch_api", "--poll_seconds")
    flags = (*flags, "0.01", "--model_checkpoint", "baseline/char_ngram", "--langs", "eng", "--k", "0", "1")
    env = {"OPENAI_API_KEY": "sk-0123456789"}
    done = run("icl.py", *flags, env=env)
    assert done.returncode == 0 and done.stderr.count("requests submitted") == 2, done.stderr
    n_paid = len(server.paid)
    tagged = run("icl.py", *flags, "--tag", "again", env=env)
    assert tagged.returncode == 0 and "submitted" not in tagged.stderr, tagged.stderr
    assert len(server.paid) == n_paid == 42 and set(server.paid.values()) == {1} and len(server.batches) == 2
