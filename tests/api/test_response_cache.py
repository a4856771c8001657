"""The cache of answers: kept as they arrive, shared by processes, and honest about broken files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

from utils.api.response_cache import AnswerCache
from utils.errors import UserError


def upper(texts: list[str]) -> Iterator[tuple[int, str]]:
    for index in reversed(range(len(texts))):
        yield index, texts[index].upper()


def test_what_is_there_is_not_asked_again(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path, {"model": "a"})
    assert cache.answers(["x", "y", "x"], upper) == {"x": "X", "y": "Y"}
    assert (cache.hits, cache.misses) == (0, 2)
    again = AnswerCache(tmp_path, {"model": "a"})
    assert again.answers(["y", "z"], upper) == {"y": "Y", "z": "Z"}
    assert (again.hits, again.misses) == (1, 1)
    assert AnswerCache(tmp_path, {"model": "b"}).known(["x", "y"]) == {}


def test_an_answer_is_kept_the_moment_it_arrives(tmp_path: Path) -> None:
    def fails_at_third(texts: list[str]) -> Iterator[tuple[int, str]]:
        for index, text in enumerate(texts):
            if index == 2:
                raise KeyboardInterrupt
            yield index, text.upper()

    with pytest.raises(KeyboardInterrupt):
        AnswerCache(tmp_path, {}).answers(["a", "b", "c", "d"], fails_at_third)
    cache = AnswerCache(tmp_path, {})
    assert cache.known(["a", "b", "c", "d"]) == {"a": "A", "b": "B"}
    asked: list[str] = []

    def ask(texts: list[str]) -> Iterator[tuple[int, str]]:
        asked.extend(texts)
        return upper(texts)

    assert cache.answers(["a", "b", "c", "d"], ask) == {"a": "A", "b": "B", "c": "C", "d": "D"}
    assert asked == ["c", "d"]


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from utils.answers import AnswerCache
cache = AnswerCache(Path(sys.argv[2]), {})
name = sys.argv[3]
cache.answers([f"{name} {i}" for i in range(300)], lambda texts: enumerate(texts))
"""


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    commands = [[sys.executable, "-c", WRITER, str(ROOT), str(tmp_path), name] for name in ("one", "two")]
    for process in [subprocess.Popen(command) for command in commands]:
        assert process.wait(timeout=120) == 0
    for name in ("one", "two"):
        assert len(AnswerCache(tmp_path, {}).known([f"{name} {i}" for i in range(300)])) == 300


def test_a_file_that_is_no_database_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "answers.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(UserError, match="cannot be opened"):
        AnswerCache(tmp_path, {})


def test_a_broken_answer_is_asked_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = AnswerCache(tmp_path, {})
    cache.answers(["a"], upper)
    cache._database.execute("UPDATE answers SET answer = '{broken'")
    assert cache.answers(["a"], upper) == {"a": "A"}
    assert "asked again" in capsys.readouterr().err
