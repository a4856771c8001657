"""Rows in files: the same results as in memory, and never all of them in memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from utils.encoders.char_ngram import CharNgram
from utils.encoders.reduced import cut, quantized
from utils.retrieval import mapped_rows, max_sim_scan, shards, sparse_search, topk
from utils.retrieval.ensemble import Ensemble
from utils.retrieval.fusion import fused_topk
from utils.retrieval.mapped_rows import is_mapped, new_rows, release
from utils.retrieval.max_sim_scan import Scan
from utils.retrieval.max_sim_sides import PairScores
from utils.retrieval.missing_vectors import n_present
from utils.retrieval.token_rows import TokenRows, offsets_of

M, D = 120_000, 64  # 31 MB of float32
QUARTER = M * D  # of these bytes


def resident() -> int:
    """Return how many bytes of the rows in the file this process has in memory."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    ours = [next(line for line in lines if line.startswith("Rss:")) for line in lines if line.endswith("/rows.npy")]
    return sum(int(line.split()[1]) for line in ours) * 1024


@pytest.fixture
def mapped(tmp_path: Path) -> np.ndarray:
    """Rows in a file, none of which is in memory."""
    rows = np.random.default_rng(0).standard_normal((M, D)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    return np.load(tmp_path / "rows.npy", mmap_mode="r")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays are large, and read in parts, from a size on that tests have time for."""
    monkeypatch.setattr(mapped_rows, "LARGE", 1 << 16)
    monkeypatch.setattr(mapped_rows, "BLOCK", 1 << 16)
    monkeypatch.setattr(topk, "LARGE", 1 << 22)
    monkeypatch.setattr(shards, "CPU_BYTES", 1 << 20)


@pytest.mark.parametrize("margin", ["none", "csls"])
def test_a_search_holds_a_shard_of_a_file_in_memory(
    mapped: np.ndarray, margin: str, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch  # without it, a search of this size is done in numpy, at once

    assert torch
    whole = np.array(mapped)
    queries, ensemble, seen = whole[:7] + np.float32(0.1), Ensemble([], [1.0]), []
    search_range = shards._search_range

    def search_and_look(*arguments: object) -> object:
        found = search_range(*arguments)
        seen.append(resident())
        return found

    def search(rows: np.ndarray) -> object:
        if margin == "none":
            return ensemble.search([(queries, rows)], 5)
        return ensemble.search_by_margin([(queries, rows)], 5, margin, 3)

    expected = search(whole)
    monkeypatch.setattr(shards, "_search_range", search_and_look)
    release(mapped)
    found = search(mapped)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert found.indices[:, 0].tolist() == list(range(7))
    assert len(seen) > 10 and 0 < max(seen) < QUARTER and resident() == 0
    assert n_present([(queries, mapped)]) == M and resident() == 0


def test_late_interaction_holds_a_block_of_a_file_in_memory(
    mapped: np.ndarray, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = 12 - np.arange(9750) * 13 // 9750  # the last texts have no vector
    offsets, seen = offsets_of(lengths), list[int]()
    rows = TokenRows(mapped[: offsets[-1]], offsets)
    whole = TokenRows(np.array(rows.vectors), offsets)
    queries = whole[[7, 1506, 4512, 9749]]
    expected = topk.topk(queries, whole, 5)
    monkeypatch.setitem(max_sim_scan.BLOCK_BYTES, "cpu", 1 << 20)
    products = PairScores._products

    def look(*arguments: Any) -> object:
        seen.append(resident())
        return products(*arguments)

    monkeypatch.setattr(PairScores, "_products", look)
    sums = Scan._sums
    monkeypatch.setattr(Scan, "_sums", lambda *arguments: [seen.append(resident()), sums(*arguments)][1])
    release(mapped)
    found = topk.topk(queries, rows, 5)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert found.indices[:3, 0].tolist() == [7, 1506, 4512]
    assert len(seen) > 10 and 0 < max(seen) < QUARTER and resident() == 0
    fused = fused_topk([(queries, rows)] * 2, [1.0, 1.0], 5, normalize="minmax")
    assert fused.indices[:3, 0].tolist() == [7, 1506, 4512] and resident() == 0


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_sparse_rows_of_a_file_are_read_a_tile_at_a_time(
    mapped: np.ndarray, similarity: str, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    n, seen, best = 60_000, list[int](), sparse_search._best
    columns, ends = np.tile(np.arange(D, dtype=np.int32), n), np.arange(n + 1) * D
    rows = csr_array((mapped[:n].reshape(-1), columns, ends), shape=(n, D))
    whole = csr_array((np.array(rows.data), columns, ends), shape=(n, D))
    queries = whole[3:6]
    expected = topk.topk(queries, whole, 5, similarity=similarity)
    monkeypatch.setattr(sparse_search, "TILE_VALUES", 1 << 16)
    monkeypatch.setattr(sparse_search, "_best", lambda *arguments: [seen.append(resident()), best(*arguments)][1])
    release(mapped)
    tracemalloc.start()
    found = topk.topk(queries, rows, 5, similarity=similarity)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert is_mapped(rows.data) and peak < rows.data.nbytes and len(seen) > 10 and max(seen) == 0
    fused = fused_topk([(queries, rows)] * 2, [1.0, 1.0], 5, similarity=similarity, normalize="minmax")
    assert fused.indices[:, 0].tolist() == found.indices[:, 0].tolist() and resident() == 0


def test_what_is_read_without_letting_go_stays_in_memory(mapped: np.ndarray) -> None:
    mapped.sum()
    assert resident() >= 4 * QUARTER
    release(mapped[10:20])  # a view of the file
    assert resident() == 0


def test_rows_that_are_too_large_are_in_a_file_without_a_name(tmp_path: Path, small: None) -> None:
    folder = tmp_path / "cache"
    assert not is_mapped(new_rows((8, 16), folder)) and not folder.exists()
    rows = new_rows((1 << 11, 16), folder)
    assert is_mapped(rows) and is_mapped(rows[5:9]) and not is_mapped(rows[5:9] + 1)
    assert list(folder.iterdir()) == [] and rows.shape == (1 << 11, 16) and rows.dtype == np.float32
    rows[:] = np.arange(16)
    release(rows)
    assert (rows == np.arange(16)).all()
    private = np.memmap(tmp_path / "one", np.float32, "w+", shape=(4,))
    private[:] = 1
    private.flush()
    changed = np.memmap(tmp_path / "one", np.float32, "c", shape=(4,))
    changed[:] = 2
    release(changed)  # would be lost
    assert changed.tolist() == [2] * 4


def test_a_folder_without_room_leaves_the_rows_in_memory(
    tmp_path: Path, small: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert not is_mapped(new_rows((1 << 11, 16), tmp_path / "file"))
    err = capsys.readouterr().err
    assert (
        err == f"note: 0.0 GiB of vectors are kept in memory, as {tmp_path / 'file'} cannot hold them (File exists)\n"
    )


@pytest.mark.parametrize("precision", ["float32", "int8", "binary"])
def test_vectors_are_cut_and_quantised_a_block_at_a_time(
    mapped: np.ndarray, precision: str, tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, queries = np.array(mapped[:20_000]), np.array(mapped[:9])
    with monkeypatch.context() as whole:
        whole.setattr(mapped_rows, "LARGE", 1 << 40)
        whole.setattr(mapped_rows, "BLOCK", 1 << 40)
        expected = quantized(cut(queries, 40), cut(few, 40), precision)
    tracemalloc.start()
    found = quantized(cut(queries, 40), cut(mapped[:20_000], 40, tmp_path), precision, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert is_mapped(found[1]) and peak < few.nbytes / 4


def test_vectors_of_an_ensemble_are_joined_a_block_at_a_time(mapped: np.ndarray, small: None) -> None:
    queries, weights = np.array(mapped[:5]), [1.0, 3.0]
    some = mapped[:20_000]
    tracemalloc.start()
    joined = topk.concatenate([some, some[:, :24]], weights)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert is_mapped(joined) and joined.shape == (20_000, 88) and peak < some.nbytes / 4
    cosines = joined[:5].astype(float) @ joined[100].astype(float)
    unit = [
        rows.astype(float) / np.linalg.norm(rows.astype(float), axis=1)[:, None]
        for rows in (some[:101], some[:101, :24])
    ]
    np.testing.assert_allclose(
        cosines, sum(w / 4 * one[:5] @ one[100] for w, one in zip(weights, unit, strict=True)), atol=1e-6
    )
    found = Ensemble([], weights).search([(queries, some), (queries[:, :24], some[:, :24])], 2)
    assert found.indices[:, 0].tolist() == list(range(5))
    zero = np.array(some[:3000])
    zero[2999] = 0
    with pytest.raises(topk.UserError, match="embedding 2999 is all zeros"):
        topk.concatenate([zero, zero], weights)


def test_character_ngrams_of_many_texts_are_in_a_file(tmp_path: Path, small: None) -> None:
    texts = [f"text {number % 97} {number}" for number in range(60)]
    fitted = CharNgram().fit(texts)
    rows = fitted.encode(texts, tmp_path)
    assert is_mapped(rows) and not list(tmp_path.iterdir())
    np.testing.assert_array_equal(rows[17:19], fitted.tfidf.transform(fitted.hashing.transform(texts[17:19])).toarray())
