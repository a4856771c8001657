"""Generators of APIs through the real SDKs: chats, scores, structured choices, batch files, and bad days."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from api_server import FAULTS, ApiServer
from conftest import ROOT, Run
from forked import Forked, nursery_of_api_runs
from script_runner import TIMEOUT, wait_until

from utils.answers import Choice, Failed, GenerationSettings, LabelScores, ScoreSettings
from utils.api.errors import ApiError
from utils.api.labels import label_logprobs
from utils.api.limiter import Budget
from utils.api.limits import ApiOptions
from utils.encoders.cached import open_encoder
from utils.encoders.resolve import EncodingOptions, resolve_api_encoder
from utils.errors import UserError
from utils.generators.cached import open_generator
from utils.generators.resolve import GeneratorOptions, resolve
from utils.protocols import Generator

PROMPTS = [f"prompt {number}" for number in range(1000)]
LABELS = ("negative", "positive", "very positive")


def generator(
    server: ApiServer, folder: Path, provider: str = "openai", kind: str | None = None, **options: object
) -> Generator:
    usual = ApiOptions(**{"timeout": 60.0, **options})  # type: ignore[arg-type]
    spec = resolve(f"{provider}:model", folder, GeneratorOptions(server.url, kind))
    return open_generator(spec, "cpu", folder, (usual, Budget(None)))


@pytest.mark.parametrize("provider", ["openai", "cohere"])
def test_every_fault_amid_a_thousand_prompts_loses_none_and_pays_none_twice(
    server: ApiServer, tmp_path: Path, provider: str
) -> None:
    server.faults = {31 * place + 20: fault for place, fault in enumerate(FAULTS)}
    server.slow_seconds = 4.5
    asked = generator(server, tmp_path, provider, timeout=3.0)
    assert asked.generate(PROMPTS, GenerationSettings()) == ["positive"] * 1000
    assert not server.faults and len(server.paid) == 1000 and set(server.paid.values()) == {1}
    sent = server.bodies[0]
    assert (sent["temperature"], sent["seed"], sent["max_tokens"]) == (0.0, 0, 32)
    n_requests = server.n_requests
    assert generator(server, tmp_path, provider).generate(PROMPTS, GenerationSettings(seed=7)) == ["positive"] * 1000
    assert server.n_requests == n_requests  # greedy answers do not depend on the seed


def test_options_of_each_prompt_of_its_own_are_asked_for_once_each(server: ApiServer, tmp_path: Path) -> None:
    asked = generator(server, tmp_path, kind="base")
    common = asked.score(PROMPTS[:2], LABELS, ScoreSettings())
    n_requests = server.n_requests
    found = asked.score_each(PROMPTS[:3], [LABELS[:1], LABELS[1:], ("an option", "another")], ScoreSettings())
    assert server.n_requests == n_requests + 2  # the labels of the first two prompts are known
    assert isinstance(common[1], LabelScores) and isinstance(found[1], LabelScores)
    assert found[1].logprobs == common[1].logprobs[1:]
    assert asked.count_requests(PROMPTS[:4], [LABELS] * 4, GenerationSettings(), "score")[0] == 6


@pytest.mark.parametrize("provider", ["openai", "cohere"])
def test_a_server_that_breaks_for_good_leaves_exactly_the_finished_answers(
    server: ApiServer, tmp_path: Path, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("utils.api.client.FIRST_PAUSE", 0.001)
    generator(server, tmp_path, provider).generate(PROMPTS[:40], GenerationSettings())
    server.always = "503"
    with pytest.raises(UserError, match="answered with status 503") as raised:
        generator(server, tmp_path, provider, max_retries=2).generate(PROMPTS[:200], GenerationSettings())
    assert "the same command requests the rest" in raised.value.hint
    server.always = ""
    last = generator(server, tmp_path, provider)
    last.generate(PROMPTS[:200], GenerationSettings())
    assert last.counts == {"hits": 40, "misses": 160} and set(server.paid.values()) == {1}


def test_what_is_drawn_is_kept_apart_for_each_seed(server: ApiServer, tmp_path: Path) -> None:
    for seed in (1, 2, 1):
        generator(server, tmp_path).generate(["one"], GenerationSettings(temperature=0.7, seed=seed))
    assert server.asked == {"one": 2} and [body["seed"] for body in server.bodies] == [1, 2]


@pytest.mark.parametrize(
    ("provider", "kind", "names"),
    [("openai", "chat", ("top_p", "top_k")), ("openai", "base", ("top_p", "top_k")), ("cohere", None, ("p", "k"))],
)
def test_servers_are_told_which_tokens_are_sampled_and_only_then(
    server: ApiServer, tmp_path: Path, provider: str, kind: str | None, names: tuple[str, str]
) -> None:
    asked = generator(server, tmp_path, provider, kind)
    settings = GenerationSettings(8, 0.8, 7, 0.9, 50)
    for how in (settings, dataclasses.replace(settings, top_p=None, top_k=None), settings):
        asked.generate(["one"], how)
    assert [[body.get(name) for name in names] for body in server.bodies] == [[0.9, 50], [None, None]]
    assert asked.counts == {"hits": 1, "misses": 2}


def test_a_server_is_told_where_an_answer_ends_and_its_whole_text_is_the_answer(
    server: ApiServer, tmp_path: Path
) -> None:
    server.answer = "first\nsecond"
    asked = generator(server, tmp_path, "openai", "base")
    assert asked.generate(["one"], GenerationSettings()) == ["first"]
    assert asked.generate(["one"], GenerationSettings(stop=('"',))) == ["first\nsecond"]
    assert [body.get("stop") for body in server.bodies] == [None, ['"']]


def test_a_filtered_prompt_is_a_failure_of_its_own(server: ApiServer, tmp_path: Path) -> None:
    prompts = ["good", "bad [filtered]", "fine"]
    found = generator(server, tmp_path).generate(prompts, GenerationSettings())
    assert found[0] == found[2] == "positive" and isinstance(found[1], Failed)
    generator(server, tmp_path).generate(prompts, GenerationSettings())
    assert server.asked["bad [filtered]"] == 1  # it is known to fail
    with pytest.raises(UserError, match="content management policy"):
        generator(server, tmp_path, strict=True).generate(prompts, GenerationSettings())


def test_a_refusal_is_what_the_model_says_and_a_withheld_answer_is_none(server: ApiServer, tmp_path: Path) -> None:
    server.refusal = "I cannot help with that."
    assert generator(server, tmp_path).generate(["one"], GenerationSettings()) == ["I cannot help with that."]
    server.finish = "content_filter"
    (found,) = generator(server, tmp_path).generate(["two"], GenerationSettings())
    assert isinstance(found, Failed) and "content filter" in found.reason


@pytest.mark.parametrize("way", ["echo", "prompt_logprobs"])
def test_labels_are_scored_where_the_server_tells_probabilities(server: ApiServer, tmp_path: Path, way: str) -> None:
    server.wire_logprobs = way  # a word of n characters, its blank among them, has the log-probability -n / 10
    found = generator(server, tmp_path, kind="base").score(["Input:x Prediction: "], LABELS, ScoreSettings())
    assert found == [LabelScores((), ((-0.9,), (-0.9,), (-0.5, -0.9)))]
    assert set(server.paid) == {f"Input:x Prediction: {label}" for label in LABELS}


def test_scores_that_cannot_be_had_are_an_error(server: ApiServer, tmp_path: Path) -> None:
    server.wire_logprobs = "none"
    with pytest.raises(UserError, match="returns no log-probabilities"):
        generator(server, tmp_path, kind="base").score(["x"], LABELS, ScoreSettings())
    with pytest.raises(UserError, match="a chat model"):
        generator(server, tmp_path).score(["x"], LABELS, ScoreSettings())


def test_the_labels_tokens_are_found_behind_any_beginning() -> None:
    tokens = [("<bos>", None), ("a", -1.0), (" b", -2.0), (" pos", -3.0), ("itive", -4.0), (" and", -5.0)]
    assert label_logprobs(tokens, "a b", " positive") == [-3.0, -4.0]
    joined = [("a", None), (" b po", -2.0), ("sitive", -3.0)]  # a token over the border belongs to the label
    assert label_logprobs(joined, "a b ", "positive") == [-2.0, -3.0]
    odd = [("�", None), ("�", -1.0), ("good", -2.0)]  # bytes of a prompt that are no characters by themselves
    assert label_logprobs(odd, "é", "good") == [-2.0]
    with pytest.raises(ApiError, match="is not among the tokens"):
        label_logprobs([("x", -1.0)], "a", "b")


@pytest.mark.parametrize("provider", ["openai", "cohere"])
def test_structured_choice(server: ApiServer, tmp_path: Path, provider: str) -> None:
    server.answer = "very positive"
    assert generator(server, tmp_path, provider).choose(["x"], LABELS, GenerationSettings()) == [
        Choice(2, "very positive")
    ]
    assert "response_format" in server.bodies[0]
    assert json.dumps(list(LABELS)) in json.dumps(server.bodies[0])


def test_a_server_without_schemas_is_asked_in_vllms_ways_then_given_up(server: ApiServer, tmp_path: Path) -> None:
    server.refuses_schema = True
    with pytest.raises(UserError, match="no structured output"):
        generator(server, tmp_path).choose(["x"], LABELS, GenerationSettings())
    ways = [{"response_format", "structured_outputs", "guided_choice"} & set(body) for body in server.bodies]
    assert ways == [{"response_format"}, {"structured_outputs"}, {"guided_choice"}]
    server.refuses_schema, server.ignores_schema, server.answer = False, True, "I think it is good."
    with pytest.raises(UserError, match="is none of the labels"):
        generator(server, tmp_path).choose(["x"], LABELS, GenerationSettings())


def test_what_is_left_to_ask_is_told_before_it_is_paid_for(server: ApiServer, tmp_path: Path) -> None:
    settings = GenerationSettings()
    chat, base = generator(server, tmp_path), generator(server, tmp_path, kind="base")
    assert chat.count_requests(PROMPTS[:10], [LABELS] * 10, settings, "generate")[::2] == (10, 320)
    n_requests, n_tokens, n_out = base.count_requests(PROMPTS[:10], [LABELS] * 10, settings, "score")
    assert (n_requests, n_out) == (30, 30) and n_tokens > 30 * 3  # one request a label
    assert chat.count_requests(PROMPTS[:10], [LABELS] * 10, settings, "constrained")[::2] == (10, 640)
    chat.generate(PROMPTS[:4], settings)
    base.score(PROMPTS[:3], LABELS, ScoreSettings())
    assert chat.count_requests(PROMPTS[:10], [LABELS] * 10, settings, "generate")[0] == 6
    assert base.count_requests(PROMPTS[:10], [LABELS] * 10, settings, "score")[0] == 21


def test_batch_files_answer_all_and_what_they_refuse_is_asked_alone(server: ApiServer, tmp_path: Path) -> None:
    server.batch_looks, server.answer = 2, "positive\u2028\x85so"  # no line feed ends a line of a batch's file
    prompts = [*PROMPTS[:30], "bad [filtered]"]
    options = {"batch_api": True, "poll_seconds": 0.05}
    asked = generator(server, tmp_path, **options)
    found = asked.generate(prompts, GenerationSettings())
    assert found[:30] == [server.answer] * 30 and isinstance(found[30], Failed)
    assert len(server.batches) == 1 and server.paid == dict.fromkeys(PROMPTS[:30], 1)
    spec = resolve_api_encoder("openai:model", EncodingOptions(server.url))
    encoder = open_encoder(spec, "cpu", tmp_path, (ApiOptions(**options), Budget(None)))  # type: ignore[arg-type]
    rows, _ = encoder.embed([*PROMPTS[:70], "x" * 900], [])
    assert rows.shape == (71, 16) and encoder.counts["cut"] == 1 and len(server.batches) == 2


def test_batch_files_return_the_whole_text_where_an_answer_has_its_own_end(server: ApiServer, tmp_path: Path) -> None:
    server.answer = "first\nsecond"
    asked = generator(server, tmp_path, "openai", "base", batch_api=True, poll_seconds=0.05)
    assert asked.generate(["one"], GenerationSettings()) == ["first"]
    assert asked.generate(["one"], GenerationSettings(stop=('"', "\n\n"))) == ["first\nsecond"]
    assert len(server.batches) == 2 and server.paid == {"one": 2}


BATCH_RUN = """
import sys
sys.path[:0] = [sys.argv[1]]
from pathlib import Path
from utils.api.limiter import Budget
from utils.api.limits import ApiOptions
from utils.generators.cached import open_generator
from utils.generators.resolve import GeneratorOptions, resolve
from utils.answers import GenerationSettings, ScoreSettings
options = ApiOptions(batch_api=sys.argv[4] == "batch", poll_seconds=0.1)
kind = "base" if sys.argv[4] in ("score", "options", "text") else "chat"
spec = resolve("openai:model", Path(sys.argv[3]), GeneratorOptions(sys.argv[2], kind))
generator = open_generator(spec, "cpu", Path(sys.argv[3]), (options, Budget(None)))
prompts = [f"prompt {number}" for number in range(500)]
ways = {
    "score": lambda: generator.score(prompts, ["yes"], ScoreSettings()),
    "options": lambda: generator.score_each(prompts, [[str(place)] for place in range(500)], ScoreSettings()),
    "choose": lambda: generator.choose(prompts, ["negative", "positive"], GenerationSettings(0)),
    "text": lambda: generator.generate(prompts, GenerationSettings(stop=('"',))),
}
print(len(ways.get(sys.argv[4], lambda: generator.generate(prompts, GenerationSettings()))()))
print(generator.counts["misses"])
"""


def start(server: ApiServer, folder: Path, how: str) -> Forked:
    return nursery_of_api_runs().start(["-c", BATCH_RUN, str(ROOT), server.url, str(folder), how])


def kill_while_waiting(server: ApiServer, folder: Path) -> None:
    """Submit a batch, and be killed while it is under way."""
    server.batch_looks = 10**9
    process = start(server, folder, "batch")
    wait_until(lambda: any(batch["looks"] for batch in list(server.batches.values())), process)
    process.kill()
    process.wait()


def test_a_batch_that_is_under_way_is_not_submitted_again(server: ApiServer, tmp_path: Path) -> None:
    kill_while_waiting(server, tmp_path)
    alone, said = start(server, tmp_path, "chat").communicate(timeout=TIMEOUT)
    assert not alone and "are pending at the provider" in said and not server.paid  # they would be paid for twice
    server.batch_looks = 1
    out, said = start(server, tmp_path, "batch").communicate(timeout=TIMEOUT)
    assert out.split() == ["500", "500"] and "continuing with the pending batches" in said
    assert len(server.batches) == 1 and set(server.paid.values()) == {1} and len(server.paid) == 500
    assert not list((tmp_path / "batches").iterdir())


def test_a_batch_whose_submission_was_not_noted_is_found_by_its_mark(server: ApiServer, tmp_path: Path) -> None:
    kill_while_waiting(server, tmp_path)
    (note,) = (tmp_path / "batches").glob("*.json")
    entries = json.loads(note.read_text())
    entries[0]["id"] = None  # as if killed between the submission and the note
    note.write_text(json.dumps(entries))
    server.batch_looks = 1
    assert start(server, tmp_path, "batch").communicate(timeout=TIMEOUT)[0].split()[0] == "500"
    assert len(server.batches) == 1 and set(server.paid.values()) == {1}


@pytest.mark.parametrize("how", ["chat", "score", "options", "choose", "text"])
def test_killed_half_way_through_five_hundred_prompts(server: ApiServer, tmp_path: Path, how: str) -> None:
    server.held_after, server.answer = 250, '{"label": "positive"}' if how == "choose" else "positive"
    process = start(server, tmp_path, how)
    server.wait_for_held(8, process)
    process.kill()
    process.wait()
    server.release()
    paid_before = len(server.paid)
    n_asked = int(start(server, tmp_path, how).communicate(timeout=TIMEOUT)[0].split()[1])
    assert len(server.paid) == 500
    assert 500 - paid_before <= n_asked <= 500 - paid_before + 8  # at most the eight that were under way


def test_icl_over_apis_from_end_to_end(server: ApiServer, tmp_path: Path, run: Run) -> None:
    server.answer = "Label: Sports."
    flags = ["--model_checkpoint", "baseline/char_ngram", "--langs", "eng", "--limit", "20", "--k", "0"]
    flags += ["--cache_dir", str(tmp_path / "cache"), "--gen_model_checkpoint", "gpt-4o-2024-05-13"]
    plan = run("icl.py", *flags, "--dry_run", env={"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""})
    assert plan.returncode == 0, plan.stderr
    assert "gpt-4o-2024-05-13: 20 requests, about" in plan.stdout and "at most 640 generated, about $0." in plan.stdout
    key = {"OPENAI_API_KEY": "sk-0123456789", "OPENAI_BASE_URL": server.url}  # the environment's server
    done = run("icl.py", *flags, env=key)
    assert done.returncode == 0, done.stderr
    (record,) = [json.loads(path.read_text()) for path in tmp_path.rglob("eval_eng_0.json")]
    assert record["unparsed"] == 0 and record["run"]["generator"]["model"] == "gpt-4o-2024-05-13"
    assert record["run"]["generator"]["served_at"] == f"{server.url}/v1"
    usage = record["run"]["api"][record["run"]["generator"]["name"]]
    assert usage["requests"] == 20 and usage["tokens_in"] > 0 and usage["models"] == ["gpt-4o-2024-05-13"]
    assert "Options:" in server.bodies[0]["messages"][0]["content"]
    server.answer = "I would rather not say."
    lost = run("icl.py", *flags, "--cache_dir", str(tmp_path / "other"), env=key)
    assert lost.returncode == 0 and "100 % of the answers name no label" in lost.stderr
    n_requests = server.n_requests
    again = run("icl.py", *flags, env=key)
    assert again.returncode == 0 and server.n_requests == n_requests
    for more, said in (
        (["--decode", "score"], "--decode score with gpt-4o-2024-05-13, a chat model"),
        (["--batch_api", "--decode", "constrained"], "--batch_api with --decode constrained"),
        (["--gen_loader", "seq2seq"], "--gen_loader seq2seq with an API"),
        (["--load_in_8bit"], "decides its precision"),
    ):
        wrong = run("icl.py", *flags, *more, env=key)
        assert wrong.returncode == 2 and said in wrong.stderr, wrong.stderr
