"""The cache of responses on a bad day: damaged pages and entries, another program's file, no space, no permission."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from api_server import ApiServer, vector
from conftest import ROOT
from script_runner import TIMEOUT

from utils.answers import GenerationSettings, ScoreSettings
from utils.api.limiter import Budget
from utils.api.limits import ApiOptions
from utils.api.response_cache import ResponseCache
from utils.encoders.cached import open_encoder
from utils.encoders.resolve import EncodingOptions, resolve
from utils.errors import UserError
from utils.generators.cached import open_generator
from utils.generators.resolve import GeneratorOptions
from utils.generators.resolve import resolve as resolve_generator

PAGE = 4096
TEXTS = [f"text {number}" for number in range(40)]


def upper(texts: list[str]) -> Iterator[tuple[int, str]]:
    for index, text in enumerate(texts):
        yield index, text.upper() * 20


def filled(folder: Path, n: int = 2000) -> tuple[Path, list[str]]:
    """Return the file of a cache with n responses, all of it in one file, and its prompts."""
    prompts = [f"prompt {number}" for number in range(n)]
    cache = ResponseCache(folder, {})
    cache.get(prompts, upper)
    cache.database.connection.close()
    return cache.path, prompts


@pytest.mark.parametrize("part", [0.02, 0.1, 0.3, 0.6, 0.97])
def test_a_damaged_page_costs_its_responses_and_no_others(
    tmp_path: Path, part: float, capsys: pytest.CaptureFixture[str]
) -> None:
    path, prompts = filled(tmp_path)
    page = max(5, int(part * path.stat().st_size) // PAGE)  # behind the roots of the tables
    with path.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(bytes(range(256)) * (PAGE // 256))
    asked: list[str] = []

    def request(texts: list[str]) -> Iterator[tuple[int, str]]:
        asked.extend(texts)
        return upper(texts)

    assert ResponseCache(tmp_path, {}).get(prompts, request) == {prompt: prompt.upper() * 20 for prompt in prompts}
    assert len(asked) <= 60 and capsys.readouterr().err.count("are damaged") <= 1
    again = ResponseCache(tmp_path, {})
    assert again.get(prompts, request) == {prompt: prompt.upper() * 20 for prompt in prompts}
    assert again.misses == 0


@pytest.mark.parametrize("part", [0.3, 0.7, 0.999])
def test_a_file_whose_end_is_missing_keeps_what_is_there(tmp_path: Path, part: float) -> None:
    path, prompts = filled(tmp_path, 3000)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(part * len(raw))])
    cache = ResponseCache(tmp_path, {})
    assert cache.get(prompts, upper) == {prompt: prompt.upper() * 20 for prompt in prompts}
    assert cache.hits >= (part - 0.1) * len(prompts)
    assert len(ResponseCache(tmp_path, {}).read(prompts)) == len(prompts)


@pytest.mark.parametrize("n_bytes", [50, 1000])
def test_a_file_without_its_head_is_told_to_be_moved(tmp_path: Path, n_bytes: int) -> None:
    path, _ = filled(tmp_path)
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(UserError, match="cannot be opened") as raised:
        ResponseCache(tmp_path, {})
    assert "move the file away" in raised.value.hint


def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "answers.sqlite") as database:
        database.execute("CREATE TABLE answers (id INTEGER, text TEXT)")
    with pytest.raises(UserError, match="is no cache of responses: its table has the columns id, text"):
        ResponseCache(tmp_path, {})


def test_a_table_with_more_columns_is_read_and_written(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "answers.sqlite") as database:
        database.execute(
            "CREATE TABLE answers (settings TEXT, prompt TEXT, answer TEXT, at REAL, PRIMARY KEY (settings, prompt))"
        )
    assert ResponseCache(tmp_path, {}).get(["a"], upper) == {"a": "A" * 20}
    assert ResponseCache(tmp_path, {}).read(["a"]) == {"a": "A" * 20}


DAMAGED_VECTORS: list[Any] = [b"", b"\0\0\0", b"\0" * 64, np.full(16, np.nan, "<f4").tobytes(), b"\1\2\3\4", "5", "[]"]
DAMAGED_VECTORS += ['{"vector": "AAA"}', '{"vector": 7}', '{"failed": 5}', "{}", "null", None, 3, 2.5, b"\xff" * 64]
DAMAGED_VECTORS += ["[" * 100_000, '"text"', sqlite3.Binary(b"x" * 63)]


@pytest.mark.parametrize("provider", ["openai", "cohere"])
def test_damaged_vectors_are_requested_again(
    server: ApiServer, tmp_path: Path, provider: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = resolve(f"{provider}:model", tmp_path, EncodingOptions(server.url))

    def embed() -> np.ndarray:
        return open_encoder(spec, "cpu", tmp_path).embed(TEXTS, [])[0]

    right = embed()
    damage(tmp_path, DAMAGED_VECTORS)
    assert np.array_equal(embed(), right) and np.array_equal(right, np.array([vector(x) for x in TEXTS], np.float32))
    assert "responses in the cache are damaged" in capsys.readouterr().err
    assert sum(times == 2 for times in server.paid.values()) == len(DAMAGED_VECTORS)
    n_requests = server.n_requests
    assert np.array_equal(embed(), right) and server.n_requests == n_requests


DAMAGED_ANSWERS: list[Any] = ["5", "null", "[1, null]", "{}", '{"failed": 3}', "[[1]]", "true", None, 7, b"bytes", "{x"]


@pytest.mark.parametrize("way", ["generate", "choose", "score"])
def test_damaged_answers_are_requested_again(server: ApiServer, tmp_path: Path, way: str) -> None:
    spec = resolve_generator("openai:model", tmp_path, GeneratorOptions(server.url, "base" if way == "score" else None))

    def answers() -> list[Any]:
        generator = open_generator(spec, "cpu", tmp_path, (ApiOptions(), Budget(None)))
        if way == "score":
            return [*generator.score(TEXTS, ["positive"], ScoreSettings())]
        if way == "choose":
            return [*generator.choose(TEXTS, ["negative", "positive"], GenerationSettings())]
        return [*generator.generate(TEXTS, GenerationSettings())]

    right, n_requests = answers(), server.n_requests
    damage(tmp_path, DAMAGED_ANSWERS)
    assert answers() == right and server.n_requests == n_requests + len(DAMAGED_ANSWERS)


def damage(folder: Path, contents: list[Any]) -> None:
    """Replace the first responses of a cache."""
    with sqlite3.connect(folder / "answers.sqlite") as database:
        numbers = [row[0] for row in database.execute("SELECT rowid FROM answers ORDER BY rowid")]
        for number, content in zip(numbers, contents, strict=False):
            database.execute("UPDATE answers SET answer = ? WHERE rowid = ?", (content, number))
    database.close()


def test_a_cache_that_cannot_be_written_is_read(server: ApiServer, tmp_path: Path) -> None:
    spec = resolve("openai:model", tmp_path, EncodingOptions(server.url))
    rows, _ = open_encoder(spec, "cpu", tmp_path).embed(TEXTS, [])
    encoder = open_encoder(spec, "cpu", tmp_path)
    protected = encoder.cache.database._open_to_read()  # type: ignore[attr-defined]
    encoder.cache.database.connection, encoder.cache.database.read_only = protected, True  # type: ignore[attr-defined]
    n_requests = server.n_requests
    assert np.array_equal(encoder.embed(TEXTS, [])[0], rows)
    with pytest.raises(UserError, match="which cannot be written: they would be paid for and not kept"):
        encoder.embed([*TEXTS, "a new one"], [])
    assert server.n_requests == n_requests


READ_ONLY = """
import os, sys
sys.path[:0] = [sys.argv[1]]
from pathlib import Path
from utils.api.response_cache import ResponseCache
os.setgid(65534)
os.setuid(65534)
cache = ResponseCache(Path(sys.argv[2]), {})
print(cache.database.read_only, len(cache.read([f"prompt {number}" for number in range(100)])))
print(len(cache.get([f"prompt {number}" for number in range(101)], lambda texts: enumerate(texts))))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_folder_of_somebody_else_is_read(tmp_path: Path) -> None:
    path, _ = filled(tmp_path / "cache", 100)
    for folder in (tmp_path, *(above for above in tmp_path.parents if above.name.startswith(("pytest", "popen")))):
        folder.chmod(0o755)
    path.chmod(0o444)
    command = [sys.executable, "-c", READ_ONLY, str(ROOT), str(tmp_path / "cache")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.stdout.split() == ["True", "100", "101"], done.stderr


def test_no_space_is_told_as_such(tmp_path: Path) -> None:
    path, prompts = filled(tmp_path, 100)
    cache = ResponseCache(tmp_path, {})
    pages = cache.database.connection.execute("PRAGMA page_count").fetchone()[0]
    cache.database.connection.execute(f"PRAGMA max_page_count = {pages + 2}")  # SQLite's own way to be full
    with pytest.raises(UserError, match="cannot be written: no space is left") as raised:
        cache.get([*prompts, *[f"new {number}" for number in range(500)]], upper)
    assert "responses received so far are kept" in raised.value.hint
    kept = ResponseCache(tmp_path, {}).read([*prompts, *[f"new {number}" for number in range(500)]])
    assert 100 < len(kept) < 600 and path.is_file()
