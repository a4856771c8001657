"""How far a work is: lines where no bar is shown, batches of an encoder, and bytes of the files that are read."""

from __future__ import annotations

import bz2
import gzip
import itertools
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from utils.data.text_files import stream_lines
from utils.files import sha256_of
from utils.mining.collections import Collection
from utils.progress import (
    BYTES,
    bar,
    batch_done,
    by_batches,
    counted_off,
    duration,
    part_of_run,
    size,
    watched,
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let the time stand still; what is returned moves it on."""
    now = [0.0]
    monkeypatch.setattr("utils.progress.time.monotonic", lambda: now[0])

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


def test_lines_say_how_far_a_work_is_and_become_fewer(
    clock: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with bar(10_000, "encoding (source)", "texts") as advance:
        for seconds, n in ((19, 900), (1, 100), (19, 0), (1, 1000), (760, 6000), (79, 0), (10, 1000)):
            clock(seconds)
            advance(n)
    assert capsys.readouterr().err.splitlines() == [
        "encoding (source): 1,000 of 10,000 texts",  # after 20 s, some of which a model may have been loaded in
        "encoding (source): 2,000 of 10,000 texts, about 3 min left",  # after 40 s
        "encoding (source): 8,000 of 10,000 texts, about 4 min left",  # after 800 s: 7,000 of them in 780 s
        "encoding (source): 9,000 of 10,000 texts, about 2 min left",  # a tenth of the time later
    ]


def test_the_time_left_is_that_of_work_after_what_was_done_before(
    clock: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with bar(1630, "training (en)", "steps", done=487) as advance:
        clock(30)
        advance(0)
        clock(40)
        advance(12)
    assert capsys.readouterr().err.splitlines() == [
        "training (en): 487 of 1,630 steps",
        "training (en): 499 of 1,630 steps, about 63 min left",  # 12 steps took 40 s
    ]


def test_the_time_left_leaves_out_what_came_before_the_first_line(
    clock: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with bar(108, "encoding (small)", "texts") as advance:
        for seconds, n in ((20, 6), (10, 30), (10, 30)):  # most of the first 20 s, the model was loaded
            clock(seconds)
            advance(n)
    assert capsys.readouterr().err.splitlines() == [
        "encoding (small): 6 of 108 texts",
        "encoding (small): 66 of 108 texts, about 14 s left",  # 60 took 20 s
    ]


def test_items_that_come_in_batches_are_told_when_a_batch_is_over(
    clock: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def in_batches() -> Iterator[int]:
        for item in range(200):
            clock(30 if item % 50 == 0 else 0)
            yield item

    assert list(counted_off(in_batches(), 200, "gemma", "prompts")) == list(range(200))
    for done in counted_off(range(4), 4, "api", "prompts"):
        clock(12 * (done + 1))
    assert capsys.readouterr().err.splitlines() == [
        "gemma: 50 of 200 prompts",
        "gemma: 100 of 200 prompts, about 30 s left",  # after 90 s, of which 30 have passed since the second batch
        "gemma: 150 of 200 prompts, about 1 s left",
        "api: 1 of 4 prompts",
        "api: 2 of 4 prompts, about 12 s left",  # one took 24 s, of two; 36 of them have passed
        "api: 3 of 4 prompts, about 1 s left",
    ]


def test_a_line_begins_with_the_part_of_the_run_that_it_is_about(
    clock: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with part_of_run("deu"), part_of_run("judgements"), bar(9, "gemma", "prompts") as advance:
        clock(30)
        advance(3)
    with bar(9, "gemma", "prompts") as advance:
        clock(60)
        advance(3)
    told = capsys.readouterr().err.splitlines()
    assert told == ["deu: judgements: gemma: 3 of 9 prompts", "gemma: 3 of 9 prompts"]


def test_bytes_have_units_and_an_unknown_total_no_time_left(
    clock: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    for total, what in ((3 << 30, "hashing"), (None, "reading"), (0, "nothing"), (3 << 20, "ending")):
        with bar(total, what, BYTES) as advance:
            clock(30)
            advance(3 << 20)
    with bar(9, "starting", "texts") as advance:
        clock(30)
        advance(0)
    assert capsys.readouterr().err.splitlines() == [
        "hashing: 3 MiB of 3.0 GiB",
        "reading: 3 MiB",
        "ending: 3 MiB of 3 MiB",
        "starting: 0 of 9 texts",
    ]
    assert [duration(0.2), duration(99), duration(600), duration(7200)] == [
        *("about 1 s", "about 99 s", "about 10 min", "about 2.0 h")
    ]
    assert [size(1 << 20), size(1 << 30)] == ["1 MiB", "1.0 GiB"]


def test_batches_advance_by_all_texts_in_the_end() -> None:
    told: list[int] = []
    batch_done(5)  # nobody counts
    with by_batches(10, told.append):
        batch_done(4)
        batch_done(9)  # of a model that is loaded within
    with by_batches(3, told.append):
        pass
    assert told == [4, 6, 0, 3]


def test_the_counter_of_a_library_advances_a_bar() -> None:
    told: list[int] = []
    counts = itertools.count(1)
    with watched(lambda: min(next(counts), 3), told.append):
        pass
    assert told == [1]


def files_of(folder: Path, content: bytes) -> list[Path]:
    packed = {
        "a.txt": content,
        "a.txt.gz": gzip.compress(content),
        "a.txt.bz2": bz2.compress(content),
        "a.txt.xz": lzma.compress(content),
        "a.txt.zst": pa.Codec("zstd").compress(content, asbytes=True),
    }
    for name, each in packed.items():
        (folder / name).write_bytes(each)
    return [folder / name for name in packed]


def test_bytes_of_files_are_counted_as_they_are_stored(tmp_path: Path) -> None:
    content = "".join(f"line {number * 7919 % 100_003}\n" for number in range(200_000)).encode()
    for path in files_of(tmp_path, content):
        told: list[int] = []
        lines = list(stream_lines(path, told.append))
        assert len(lines) == 200_000 and sum(told) == path.stat().st_size, path.name
        assert len(told) > 1 and min(told) >= 0
    told = []
    assert sha256_of(tmp_path / "a.txt", told.append) == sha256_of(tmp_path / "a.txt")
    assert sum(told) == len(content) and len(told) == 3


def test_a_parquet_file_is_counted_by_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pa.table({"text": [str(number) for number in range(20_000)]}), path)
    told: list[int] = []
    assert len(list(Collection("source", (path,)).rows(told.append))) == 20_000
    assert len(told) == 3 and path.stat().st_size - 3 <= sum(told) <= path.stat().st_size


def test_a_file_is_hashed_once_unless_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a")
    collection = Collection("source", (path,))
    first = collection.hashes()
    assert first == [sha256_of(path)] == collection.hashes()
    path.write_text("other")
    assert collection.hashes() == [sha256_of(path)] != first
