"""What servers send beside the answer, or in it, never costs the answer that is paid for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from api_server import ApiServer, vector
from conftest import Run

from utils.answers import GenerationSettings, ScoreSettings
from utils.api import openai
from utils.api.embedding_requests import parse_vectors
from utils.api.errors import GARBLED, ApiError
from utils.api.limiter import Budget
from utils.api.limits import ApiOptions
from utils.api.texts import token_count, without_halves, written_name
from utils.encoders.cached import open_encoder
from utils.encoders.resolve import EncodingOptions, resolve
from utils.generators.cached import open_generator
from utils.generators.resolve import GeneratorOptions
from utils.generators.resolve import resolve as resolve_generator

PROVIDERS = ("openai", "cohere")
NAMES: list[Any] = [["a", "list"], {"a": 1}, 5, "half \ud83d", "x" * 10_000, None]
USAGES: list[Any] = [[1, 2], "many", 7, {"prompt_tokens": "x"}, {"prompt_tokens": [3], "total_tokens": {}}]
USAGES += [{"prompt_tokens": -5, "total_tokens": -5}, {"prompt_tokens": 1e400, "total_tokens": 10**30}, None, {}]
USAGES += [{"billed_units": value} for value in ([], "x", {"input_tokens": "x"}, {"input_tokens": -1.5})]


def test_halves_of_surrogate_pairs() -> None:
    assert without_halves("plain ü 🎉") == "plain ü 🎉"
    assert without_halves("cut \ud83c") == without_halves("cut \udf89") == "cut \ufffd"
    assert without_halves("\ud83c\udf89 whole") == "🎉 whole"
    assert written_name(["a"]) == "['a']" and written_name("\ud83d") == "\ufffd" and len(written_name("x" * 999)) == 200
    assert [token_count(value) for value in (7, 7.9, "7", None, True, -1, float("nan"), 10**30)] == [7, 7, *[0] * 6]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_name_of_a_model_and_no_count_of_tokens_costs_an_answer(
    server: ApiServer, tmp_path: Path, provider: str
) -> None:
    for number, (name, usage) in enumerate([(name, {}) for name in NAMES] + [("m", usage) for usage in USAGES]):
        server.replaced = {"model": name, "usage": usage, "meta": usage}
        spec = resolve_generator(f"{provider}:m", tmp_path, GeneratorOptions(server.url))
        generator = open_generator(spec, "cpu", tmp_path, (ApiOptions(max_retries=0), Budget(None)))
        assert generator.generate([f"prompt {number}"], GenerationSettings()) == ["positive"]
        encoder = open_encoder(
            resolve(f"{provider}:m", tmp_path, EncodingOptions(server.url)),
            "cpu",
            tmp_path,
            (ApiOptions(max_retries=0), Budget(None)),
        )
        assert np.array_equal(encoder.embed([f"text {number}"], [])[0][0], np.array(vector(f"text {number}"), "<f4"))
        for client in (generator.client, encoder.client):
            assert client is not None
            json.dumps(client.usage(), ensure_ascii=False).encode()  # a record can be written
    assert set(server.paid.values()) == {1}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_half_an_emoji_in_an_answer_is_kept_and_counted(
    server: ApiServer, tmp_path: Path, provider: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = resolve_generator(f"{provider}:m", tmp_path, GeneratorOptions(server.url))
    server.answer = "positive \ud83d"
    for counts in ({"hits": 0, "misses": 2, "replaced": 2}, {"hits": 2, "misses": 0}):
        generator = open_generator(spec, "cpu", tmp_path)
        assert generator.generate(["one", "two"], GenerationSettings()) == ["positive \ufffd"] * 2
        assert generator.counts == counts
    assert capsys.readouterr().err.count("in 2 answers") == 1 and set(server.paid.values()) == {1}


@pytest.mark.parametrize("batch_api", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_half_an_emoji_in_a_prompt_is_sent_as_a_replacement(
    server: ApiServer, tmp_path: Path, provider: str, batch_api: bool
) -> None:
    if batch_api and provider == "cohere":
        return
    api = ApiOptions(max_retries=0, batch_api=batch_api, poll_seconds=0.01), Budget(None)
    texts = ["cut \ud83d", "whole 🎉"]
    generator = open_generator(
        resolve_generator(f"{provider}:m", tmp_path, GeneratorOptions(server.url)), "cpu", tmp_path, api
    )
    assert generator.generate(texts, GenerationSettings()) == ["positive"] * 2
    encoder = open_encoder(resolve(f"{provider}:m", tmp_path, EncodingOptions(server.url)), "cpu", tmp_path, api)
    assert np.array_equal(encoder.embed(texts, [])[0], np.array([vector("cut \ufffd"), vector("whole 🎉")], "<f4"))
    assert server.paid == {"cut \ufffd": 2, "whole 🎉": 2}
    if provider == "openai" and not batch_api:
        base = open_generator(
            resolve_generator("openai:m", tmp_path, GeneratorOptions(server.url, "base")), "cpu", tmp_path, api
        )
        assert len(base.score(texts, ["yes", "no"], ScoreSettings())) == 2


def test_lines_of_batches_end_with_line_feeds_alone_and_broken_ones_are_left_out(
    server: ApiServer, tmp_path: Path
) -> None:
    server.answer = "one\u2028two\x85three\u2029"
    server.added_lines = [
        b"{broken",
        b"[]",
        b"5",
        b"\xff",
        b'{"custom_id": ["x"]}',
        b'{"custom_id": null}',
        b"",
        b"[" * 9999,
    ]
    generator = open_generator(
        resolve_generator("openai:m", tmp_path, GeneratorOptions(server.url)),
        "cpu",
        tmp_path,
        (ApiOptions(batch_api=True, poll_seconds=0.01), Budget(None)),
    )
    assert generator.generate(["a", "b"], GenerationSettings()) == [server.answer] * 2
    assert server.paid == {"a": 1, "b": 1}  # in the batch, none by itself


def test_vectors_without_numbers_keep_the_order_of_the_texts() -> None:
    data = [{"embedding": [1.0]}, {"embedding": [2.0]}]
    assert openai.parse_embeddings({"data": data}).content == [[1.0], [2.0]]
    numbered = [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]
    assert openai.parse_embeddings({"data": numbered, "usage": [], "model": 5}).content == [[1.0], [2.0]]


def test_an_icl_run_with_odd_answers_is_logged(server: ApiServer, tmp_path: Path, run: Run) -> None:
    server.answer, server.replaced = "Sports \ud83d", {"model": ["a", "\ud83d"], "usage": "none"}
    flags = ["--model_checkpoint", "baseline/char_ngram", "--langs", "eng", "--limit", "5", "--k", "0"]
    flags += [
        "--cache_dir",
        str(tmp_path / "cache"),
        "--gen_model_checkpoint",
        "openai:m",
        "--gen_base_url",
        server.url,
    ]
    done = run("icl.py", *flags)
    assert done.returncode == 0, done.stderr
    records = [
        json.loads(path.read_text()) for path in tmp_path.rglob("*.json") if "run" in json.loads(path.read_text())
    ]
    (counts,) = [one for record in records for one in record["run"]["cache"].values() if "replaced" in one]
    assert counts["replaced"] == counts["misses"] == 5


@pytest.mark.parametrize("given", [[[0.5, 1.0], [1.0, 2.0]], [True, False], ["1", "2"], {"0": 1.0}, 3.0, [1e300, 0.0]])
def test_what_is_no_list_of_numbers_is_no_vector(given: object, recwarn: pytest.WarningsRecorder) -> None:
    with pytest.raises(ApiError) as raised:
        parse_vectors([given], 1, None, "m")
    assert raised.value.kind == GARBLED and not recwarn.list
