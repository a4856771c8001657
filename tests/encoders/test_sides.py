"""Queries and passages that are encoded differently: prompts, input types, and modules of their own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from api_server import ApiServer
from conftest import Run
from tiny_encoders import TEXTS, bert_config, byte_tokenizer, edit_json, make_encoder, one_by_one

from utils.encoders.cached import open_encoder
from utils.encoders.registry import ENCODERS
from utils.encoders.resolve import EncodingOptions, resolve
from utils.errors import UserError
from utils.records.identity import encoders_identity
from utils.schema import EncoderSpec

SIDES = EncodingOptions(has_sides=True)
CONFIGURATION = "config_sentence_transformers.json"


def small(folder: Path) -> Path:
    return make_encoder(folder, bert_config(), byte_tokenizer(model_max_length=64))


def embed(spec: EncoderSpec, cache: Path) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    encoder = open_encoder(spec, "cpu", cache)
    queries, passages = encoder.embed(TEXTS[:2], TEXTS)
    return np.asarray(queries), np.asarray(passages), dict(encoder.counts)


def test_each_side_has_its_prompt_and_shares_the_cache_of_other_runs(tmp_path: Path) -> None:
    folder = small(tmp_path / "m")
    spec = resolve(str(folder), tmp_path, SIDES, "query: ", "passage: ")
    queries, passages, counts = embed(spec, tmp_path)
    np.testing.assert_allclose(queries, one_by_one(folder, TEXTS[:2], "query: "), atol=1e-5)
    np.testing.assert_allclose(passages, one_by_one(folder, TEXTS, "passage: "), atol=1e-5)
    assert (counts["hits"], counts["misses"]) == (0, 5)
    symmetric = open_encoder(resolve(str(folder), tmp_path, None, "query: "), "cpu", tmp_path)
    assert symmetric.missing(TEXTS) == TEXTS[2:]
    assert open_encoder(spec, "cpu", tmp_path).missing(TEXTS, TEXTS) == TEXTS[2:]
    assert open_encoder(spec, "cpu", tmp_path).missing((), TEXTS) == []
    (identity,) = encoders_identity([spec], [1])
    assert (identity["prompt"], identity["passage_prompt"]) == ("query: ", "passage: ")


@pytest.mark.parametrize(
    ("prompts", "expected"),
    [
        ({"query": "q: ", "document": "d: "}, ("q: ", "d: ")),
        ({"query": "q: ", "document": "", "passage": "p: "}, ("q: ", "p: ")),
        ({"query": "q: "}, ("q: ", None)),
        ({"query": "", "corpus": "c: "}, ("", "c: ")),
        ({"title": "t: "}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_a_checkpoint_may_have_a_prompt_for_each_side(
    prompts: dict[str, str], expected: tuple[str | None, str | None], tmp_path: Path
) -> None:
    folder = small(tmp_path / "m")
    edit_json(folder / CONFIGURATION, prompts=prompts)
    spec = resolve(str(folder), tmp_path, SIDES)
    query, passage = spec.of_side("query"), spec.of_side("document")
    assert (query.prompt, passage.prompt or None) == expected
    symmetric = resolve(str(folder), tmp_path)
    assert (symmetric.prompt, symmetric.passage_prompt) == (None, None)
    given = resolve(str(folder), tmp_path, SIDES, "x", "x")
    assert (given.of_side("query").prompt, given.of_side("document").prompt) == ("x", "x")


def test_sides_equal_the_librarys(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder = small(tmp_path / "m")
    edit_json(folder / CONFIGURATION, prompts={"query": "to find: ", "document": "found: "})
    queries, passages, _ = embed(resolve(str(folder), tmp_path, SIDES), tmp_path)
    model = SentenceTransformer(str(folder), device="cpu")
    np.testing.assert_allclose(queries, model.encode_query(TEXTS[:2], batch_size=1), atol=1e-5)
    np.testing.assert_allclose(passages, model.encode_document(TEXTS, batch_size=1), atol=1e-5)


@pytest.mark.parametrize("default", [None, "document"])
def test_a_router_encodes_each_side_by_its_modules(default: str | None, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Router, Transformer

    inner = small(tmp_path / "inner")
    routes = {"query": [Transformer(str(inner)), Pooling(32, "cls")]}
    routes["document"] = [Transformer(str(inner), max_seq_length=24), Pooling(32, "mean")]
    folder = tmp_path / "m"
    router = Router(routes, default_route=default, allow_empty_key=False)
    SentenceTransformer(modules=[router], device="cpu").save(str(folder))
    spec = resolve(str(folder), tmp_path, SIDES)
    queries, passages, _ = embed(spec, tmp_path)
    model = SentenceTransformer(str(folder), device="cpu")
    np.testing.assert_allclose(queries, model.encode_query(TEXTS[:2], batch_size=1), atol=1e-5)
    np.testing.assert_allclose(passages, model.encode_document(TEXTS, batch_size=1), atol=1e-5)
    assert not np.allclose(queries, passages[:2], atol=1e-2)
    edit_json(next(folder.rglob("router_config.json")), types={"only.0": "x", "only.1": "y"})
    with pytest.raises(UserError):
        embed(resolve(str(folder), tmp_path, SIDES), tmp_path)


def test_rows_of_the_registry_have_prompts_for_passages_in_retrieval_only(tmp_path: Path) -> None:
    for row in ENCODERS.values():
        assert (row.passage_prompt == "passage: ") == ("e5" in row.checkpoint)
    name = "intfloat/multilingual-e5-small"
    assert resolve(name, tmp_path).passage_prompt is None
    assert resolve(name, tmp_path, SIDES).passage_prompt == "passage: "
    both = resolve(name, tmp_path, SIDES, "query: ", "query: ")
    assert both.of_side("document") == both.of_side("query") and both.passage_prompt == "query: "


def test_cohere_is_told_which_texts_are_passages(server: ApiServer, tmp_path: Path) -> None:
    options = EncodingOptions(server.url, has_sides=True)
    spec = resolve("cohere:embed-v4.0", tmp_path, options)
    assert (spec.input_type, spec.passage_input_type) == ("search_query", "search_document")
    open_encoder(spec, "cpu", tmp_path).embed(TEXTS[:2], TEXTS)
    sent = {tuple(body["texts"]): body["input_type"] for body in server.bodies}
    assert sent == {tuple(TEXTS[:2]): "search_query", tuple(TEXTS): "search_document"}
    plain = resolve("cohere:embed-v4.0", tmp_path, EncodingOptions(server.url))
    assert (plain.input_type, plain.passage_input_type) == ("search_query", "")
    told = resolve("cohere:embed-v4.0", tmp_path, EncodingOptions(server.url, "clustering", has_sides=True))
    assert told.of_side("query") == told.of_side("document")


def test_a_record_says_which_prompts_were_used(run: Run, tmp_path: Path) -> None:
    folder = small(tmp_path / "m")
    command = ["retrieval.py", "--langs", "eng", "--pool", "same", "--k", "1", "--model_checkpoint", str(folder)]
    flags = ["--query_prompt", "q: ", "--passage_prompt", "p: "]
    planned = run(*command, *flags, "--dry_run")
    assert planned.returncode == 0 and " 112 " in planned.stdout, planned.stderr
    for more in (flags, ["--prompt", "q: "], []):
        done = run(*command, *more)
        assert done.returncode == 0, done.stderr
    encoders = [json.loads(file.read_text())["run"]["encoders"][0] for file in tmp_path.rglob("eval_eng_1.json")]
    said = sorted((str(each["prompt"]), str(each.get("passage_prompt"))) for each in encoders)
    assert said == [("None", "None"), ("q: ", "None"), ("q: ", "p: ")]
    table = run("script/aggregate/aggregate_retrieval.py", "--k", "1", "--pool", "same")
    assert 'passage_prompt "p: "' in table.stdout, table.stdout + table.stderr
    assert run("bitext.py", "--passage_prompt", "p: ").returncode == 2


def test_costs_count_a_text_once_for_each_side_with_a_prompt_of_its_own(
    tmp_path: Path, run: Run, server: ApiServer
) -> None:
    rows = [("1", "one two", "three"), ("2", "three", "one two"), ("3", "four", "four")]
    own = tmp_path / "own.tsv"
    own.write_text("query\tpassage\n" + "".join(f"{query}\t{passage}\n" for _, query, passage in rows))
    flags = ("--dataset", str(own), "--k", "1", "--dry_run", "--base_url", server.url, "--model_checkpoint", "openai:m")
    alike = run("retrieval.py", *flags, "--batch_size", "1")
    assert "m: 3 requests, about " in alike.stdout, alike.stdout + alike.stderr
    apart = run("retrieval.py", *flags, "--batch_size", "1", "--query_prompt", "q: ", "--passage_prompt", "p: ")
    assert "m: 6 requests, about " in apart.stdout, apart.stdout + apart.stderr
    both = ("--model_checkpoints", "openai:m", "openai:m", "--query_prompt", "q: ", "", "--passage_prompt", "p: ", "")
    members = run("retrieval.py", *flags[:-2], "--batch_size", "1", *both)
    assert [line for line in members.stdout.splitlines() if line.startswith("m: ")] == [
        next(line for line in text.stdout.splitlines() if line.startswith("m: ")) for text in (apart, alike)
    ]
