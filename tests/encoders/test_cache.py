"""The embedding cache: hits, broken entries, kills, and two runs at once."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from utils.encoders.cache import EmbeddingCache
from utils.errors import UserError
from utils.files import text_key
from utils.retrieval import mapped_rows

SETTINGS = {"checkpoint": "x", "prompt": "query: "}


def encode(texts: list[str]) -> np.ndarray:
    return np.array([[len(text), sum(text.encode()), 1] for text in texts], dtype=np.float32)


def forbidden(texts: list[str]) -> np.ndarray:
    raise AssertionError(f"encoded again: {texts}")


def test_a_text_is_encoded_once(tmp_path: Path) -> None:
    first = EmbeddingCache(tmp_path, SETTINGS)
    texts = ["b", "a", "b", "ccc"]
    seen: list[str] = []
    rows = first.rows(texts, lambda chunk: seen.extend(chunk) or encode(chunk))
    np.testing.assert_array_equal(rows, encode(texts))
    assert seen == ["ccc", "a", "b"]  # distinct, longest first
    assert (first.hits, first.misses) == (0, 3)
    again = EmbeddingCache(tmp_path, SETTINGS)
    np.testing.assert_array_equal(again.rows(["ccc", "b"], forbidden), encode(["ccc", "b"]))
    assert (again.hits, again.misses) == (2, 0)


def test_other_settings_have_other_rows(tmp_path: Path) -> None:
    EmbeddingCache(tmp_path, SETTINGS).rows(["a"], encode)
    assert EmbeddingCache(tmp_path, {**SETTINGS, "prompt": ""}).missing(["a"]) == ["a"]


SIDECARS = {
    "sidecar": "{",
    "no object": "[1]",
    "more keys than rows": {"texts": ["0" * 32, "1" * 32, "2" * 32]},
    "more keys and another shape": {"texts": ["0" * 32, "1" * 32, "2" * 32], "shape": [3, 3]},
    "fewer keys": {"texts": ["0" * 32]},
    "keys twice": {"texts": ["0" * 32, "0" * 32]},
    "keys that are numbers": {"texts": [1, 2]},
    "keys that are a text": {"texts": "ab"},
    "no shape": {"shape": None},
    "rows elsewhere": {"rows": "../x.npy"},
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("damage", SIDECARS)
def test_a_broken_sidecar_is_left_out_and_its_texts_are_encoded_again(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = EmbeddingCache(tmp_path, SETTINGS)
    store.rows(["a", "b"], encode)
    (sidecar,) = store.folder.glob("*.json")
    change = SIDECARS[damage]
    sidecar.write_text(change if isinstance(change, str) else json.dumps({**json.loads(sidecar.read_text()), **change}))
    fresh = EmbeddingCache(tmp_path, SETTINGS)
    np.testing.assert_array_equal(fresh.rows(["a", "b"], encode), encode(["a", "b"]))
    assert fresh.misses == 2
    if damage != "more keys and another shape":  # which shows where a text of it is asked for
        assert "is broken; its texts are encoded again" in capsys.readouterr().err


def test_a_sidecar_that_names_more_rows_than_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = EmbeddingCache(tmp_path, SETTINGS)
    store.rows(["a", "b"], encode)
    (sidecar,) = store.folder.glob("*.json")
    content = json.loads(sidecar.read_text())
    keys = [*content["texts"], text_key("c")]
    sidecar.write_text(json.dumps({**content, "texts": keys, "shape": [3, 3]}))
    fresh = EmbeddingCache(tmp_path, SETTINGS)
    np.testing.assert_array_equal(fresh.rows(["c", "a"], encode), encode(["c", "a"]))
    assert fresh.misses == 2 and "is broken; its texts are encoded again" in capsys.readouterr().err


def test_vectors_of_two_widths_under_one_encoder_are_told(tmp_path: Path) -> None:
    EmbeddingCache(tmp_path, SETTINGS).rows(["a"], encode)
    with pytest.raises(UserError, match="vectors of 2 and 3 dimensions"):
        EmbeddingCache(tmp_path, SETTINGS).rows(["a", "b"], lambda chunk: np.ones((len(chunk), 2), dtype=np.float32))


def counted(texts: list[str]) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    full = np.array([len(text) for text in texts])
    return encode(texts), (full, np.minimum(full, 4))


def test_the_tokens_of_a_text_are_kept_beside_its_vector(tmp_path: Path) -> None:
    texts = ["a", "bbbbbbb", "cccc", "bbbbbbb"]
    first = EmbeddingCache(tmp_path, SETTINGS)
    first.rows(texts, counted)
    told = {"cut": 1, "tokens": 12, "tokens_lost": 3}
    assert first.cut_texts(texts) == told
    again = EmbeddingCache(tmp_path, SETTINGS)
    again.rows(texts, forbidden)
    assert again.cut_texts(texts) == told and again.cut_texts(["a"]) == {"cut": 0, "tokens": 1, "tokens_lost": 0}
    again.rows(["d"], encode)  # as an encoder without tokens, or an earlier version, has written it
    assert again.cut_texts(["a", "d"]) == {}
    (sidecar, *_) = (path for path in again.folder.glob("*.json") if "tokens" in json.loads(path.read_text()))
    content = json.loads(sidecar.read_text())
    for tokens in ([1], ["a"] * 3, [0, 0, 0], [True] * 3, "abc"):
        sidecar.write_text(json.dumps({**content, "tokens": tokens}))
        damaged = EmbeddingCache(tmp_path, SETTINGS)
        damaged.rows(texts, forbidden)
        assert damaged.cut_texts(texts) == {}


@pytest.mark.parametrize("damage", ["cut", "flip", "gone", "other", "sidecar", "not an object"])
def test_a_broken_entry_is_encoded_again_and_said_so(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = EmbeddingCache(tmp_path, SETTINGS)
    store.rows(["a", "b"], encode)
    (rows,) = store.folder.glob("*.npy")
    (sidecar,) = store.folder.glob("*.json")
    content = bytearray(rows.read_bytes())
    if damage == "cut":
        rows.write_bytes(content[:-5])
    elif damage == "flip":
        content[-2] ^= 1
        rows.write_bytes(content)
    elif damage == "gone":
        rows.unlink()
    elif damage == "other":
        np.save(rows, np.zeros((2, 3), dtype=np.float32))
    else:
        sidecar.write_text("{" if damage == "sidecar" else json.dumps([1]))
    fresh = EmbeddingCache(tmp_path, SETTINGS)
    np.testing.assert_array_equal(fresh.rows(["a", "b"], encode), encode(["a", "b"]))
    assert fresh.misses == 2 and "is broken; its texts are encoded again" in capsys.readouterr().err
    assert EmbeddingCache(tmp_path, SETTINGS).missing(["a", "b"]) == []


def test_a_killed_run_keeps_its_chunks_and_goes_on_in_the_same_batches(tmp_path: Path) -> None:
    texts = [f"{'x' * (n % 9)}{n}" for n in range(45)]
    whole: list[list[str]] = []
    EmbeddingCache(tmp_path / "whole", SETTINGS, 10).rows(texts, lambda chunk: whole.append(chunk) or encode(chunk))
    resumed: list[list[str]] = []

    def dies_in_the_third(chunk: list[str]) -> np.ndarray:
        if len(resumed) == 2:
            raise KeyboardInterrupt
        resumed.append(chunk)
        return encode(chunk)

    with pytest.raises(KeyboardInterrupt):
        EmbeddingCache(tmp_path / "cut", SETTINGS, 10).rows(texts, dies_in_the_third)
    EmbeddingCache(tmp_path / "cut", SETTINGS, 10).rows(texts, lambda chunk: resumed.append(chunk) or encode(chunk))
    assert resumed == whole and [len(chunk) for chunk in whole] == [10, 10, 10, 10, 5]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.array([[1, np.nan]], dtype=np.float32), "NaN or infinity, first for the text 'a'"),
        (np.ones((2, 3), dtype=np.float32), "an array (2, 3) for 1 texts"),
    ],
)
def test_what_is_no_embedding_is_not_kept(tmp_path: Path, rows: np.ndarray, message: str) -> None:
    store = EmbeddingCache(tmp_path, SETTINGS)
    with pytest.raises(UserError) as caught:
        store.rows(["a"], lambda _: rows)
    assert message in caught.value.what
    assert not list(store.folder.glob("*.npy"))


@pytest.mark.parametrize(
    ("dtype", "hint"),
    [
        ("fp32", "its weights may have NaN or infinity in them: save or download the checkpoint again"),
        (
            "bf16",
            "its weights may have NaN or infinity in them: save or download the checkpoint again, or try --dtype fp32",
        ),
        ("fp16", "half precision may have overflowed: use --dtype bf16 or fp32"),
    ],
)
def test_why_a_vector_has_nan_depends_on_the_precision(tmp_path: Path, dtype: str, hint: str) -> None:
    store = EmbeddingCache(tmp_path, {**SETTINGS, "dtype": dtype, "layer": 3})
    with pytest.raises(UserError) as caught:
        store.rows(["a", "b"], lambda _: np.array([[1, 0], [np.inf, 0]], dtype=np.float32))
    assert caught.value.what == "the encoder returned NaN or infinity at layer 3, first for the text 'b'"
    assert caught.value.hint == hint


def _fill(folder: Path) -> None:
    EmbeddingCache(folder, SETTINGS).rows([f"text {n}" for n in range(300)], encode)


def test_two_runs_at_once_do_not_harm_each_other(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    runs = [context.Process(target=_fill, args=(tmp_path,)) for _ in range(3)]
    for one in runs:
        one.start()
    for one in runs:
        one.join()
    assert [one.exitcode for one in runs] == [0, 0, 0]
    texts = [f"text {n}" for n in range(300)]
    np.testing.assert_array_equal(EmbeddingCache(tmp_path, SETTINGS).rows(texts, forbidden), encode(texts))
    assert not list(tmp_path.rglob("*.part"))


@contextlib.contextmanager
def few_files(more: int) -> Iterator[None]:
    """Let this process open so many more files than it has."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = {int(entry.name) for entry in Path("/proc/self/fd").iterdir()}
    free = [number for number in range(len(used) + more + 1) if number not in used]
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[more], limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_cache_with_more_chunks_than_files_can_be_open_is_read(tmp_path: Path) -> None:
    texts = [f"{n:04}" + "x" * n for n in range(80)]  # every chunk has a content of its own
    with few_files(20):
        EmbeddingCache(tmp_path, SETTINGS, 1).rows(texts, encode)
        rows = EmbeddingCache(tmp_path, SETTINGS, 1).rows(texts[::-1], forbidden)
    np.testing.assert_array_equal(rows, encode(texts[::-1]))


def test_rows_that_are_too_large_for_memory_are_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped_rows, "LARGE", 500)
    texts = [f"{n % 50:02}" for n in range(60)]
    for encoded in (encode, forbidden):
        rows = EmbeddingCache(tmp_path, SETTINGS, 8).rows(texts, encoded)
        assert mapped_rows.is_mapped(rows) and mapped_rows.is_mapped(rows[3:])
        np.testing.assert_array_equal(rows, encode(texts))
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".npy", ".json"}
