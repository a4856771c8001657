"""The cache of answers: kept as they arrive, shared by processes, and honest about broken files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from forked import nursery_of_api_runs
from script_runner import TIMEOUT

from utils.api.response_cache import ResponseCache
from utils.errors import UserError


def upper(texts: list[str]) -> Iterator[tuple[int, str]]:
    for index in reversed(range(len(texts))):
        yield index, texts[index].upper()


def test_what_is_there_is_not_asked_again(tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path, {"model": "a"})
    assert cache.get(["x", "y", "x"], upper) == {"x": "X", "y": "Y"}
    assert (cache.hits, cache.misses) == (0, 2)
    again = ResponseCache(tmp_path, {"model": "a"})
    assert again.get(["y", "z"], upper) == {"y": "Y", "z": "Z"}
    assert (again.hits, again.misses) == (1, 1)
    assert ResponseCache(tmp_path, {"model": "b"}).read(["x", "y"]) == {}


def test_an_answer_is_kept_the_moment_it_arrives(tmp_path: Path) -> None:
    def fails_at_third(texts: list[str]) -> Iterator[tuple[int, str]]:
        for index, text in enumerate(texts):
            if index == 2:
                raise KeyboardInterrupt
            yield index, text.upper()

    with pytest.raises(KeyboardInterrupt):
        ResponseCache(tmp_path, {}).get(["a", "b", "c", "d"], fails_at_third)
    cache = ResponseCache(tmp_path, {})
    assert cache.read(["a", "b", "c", "d"]) == {"a": "A", "b": "B"}
    asked: list[str] = []

    def ask(texts: list[str]) -> Iterator[tuple[int, str]]:
        asked.extend(texts)
        return upper(texts)

    assert cache.get(["a", "b", "c", "d"], ask) == {"a": "A", "b": "B", "c": "C", "d": "D"}
    assert asked == ["c", "d"]


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from utils.api.response_cache import ResponseCache
cache = ResponseCache(Path(sys.argv[2]), {})
name = sys.argv[3]
cache.get([f"{name} {i}" for i in range(300)], lambda texts: enumerate(texts))
"""


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    commands = [["-c", WRITER, str(ROOT), str(tmp_path), name] for name in ("one", "two")]
    for process in [nursery_of_api_runs().start(command) for command in commands]:
        assert process.wait(timeout=TIMEOUT) == 0
    for name in ("one", "two"):
        assert len(ResponseCache(tmp_path, {}).read([f"{name} {i}" for i in range(300)])) == 300


def test_a_file_that_is_no_database_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "answers.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(UserError, match="cannot be opened"):
        ResponseCache(tmp_path, {})


def test_a_broken_answer_is_asked_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = ResponseCache(tmp_path, {})
    cache.get(["a"], upper)
    cache.database.connection.execute("UPDATE answers SET answer = '{broken'")
    assert cache.get(["a"], upper) == {"a": "A"}
    assert "sent again" in capsys.readouterr().err
