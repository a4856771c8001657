"""Lists of neighbours in a folder of several processes: each block is merged once, and spoiled lists are mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted_rows import clustered, stored

from utils.mining.merging import has_repeated, merged_lists
from utils.mining.neighbours import Block, NeighbourLists, SearchPlace, nearest_both_ways
from utils.mining.row_store import RowStore
from utils.mining.work import Desk, Here
from utils.retrieval.shards import merge
from utils.schema import TopK

BLOCK = 4 * 24 * 50  # bytes of 50 rows
K = 5


class Overtaken:
    """Computes tasks, and lets another search run to its end between some of them."""

    def __init__(self, other: Callable[[], object], after: int) -> None:
        self.other, self.after = other, after

    def run(self, tasks: Sequence[Any], advance: Callable[[int], object]) -> Iterator[Any]:
        for number, found in enumerate(Here(Desk()).run(tasks, advance)):
            if number == self.after:
                self.other()
            yield found


def contents(lists: Sequence[NeighbourLists]) -> list[Any]:
    return [(found.indices.tolist(), found.scores.tolist()) for side in lists for _, found in side.complete()]


@pytest.fixture
def stores(tmp_path: Path) -> tuple[RowStore, RowStore]:
    first, second = (
        stored(tmp_path / name, rows, "float32", 50) for name, rows in zip("ab", clustered(120, 110), strict=True)
    )
    return first, second


@pytest.mark.parametrize("after", [0, 1, 4, 8])
def test_two_searches_at_once_find_what_one_finds(
    tmp_path: Path, stores: tuple[RowStore, RowStore], after: int
) -> None:
    alone = contents(nearest_both_ways(*stores, K, SearchPlace("cpu", None, tmp_path / "alone"), BLOCK))
    root = tmp_path / "both"

    def other() -> None:
        assert contents(nearest_both_ways(*stores, K, SearchPlace("cpu", None, root), BLOCK)) == alone

    place = SearchPlace("cpu", None, root, Overtaken(other, after))
    assert contents(nearest_both_ways(*stores, K, place, BLOCK)) == alone
    assert contents(nearest_both_ways(*stores, K, SearchPlace("cpu", None, root), BLOCK)) == alone


def test_a_block_is_merged_once_and_in_its_turn(tmp_path: Path) -> None:
    ours, theirs = (NeighbourLists(tmp_path, "forward", [Block(0, 1, 0, 1)]) for _ in range(2))
    first, second = (TopK(np.array([[1, 0]]), np.array([[high, 0.1]], np.float32)) for high in (0.5, 0.9))
    ours.add(0, first, 0, 1, 3)
    theirs.add(0, first, 0, 1, 3)  # the block that the other process has merged
    theirs.add(0, second, 20, 3, 3)  # not the next one
    assert ours.load(0)[0].indices.tolist() == [[1, 0]] and ours.load(0)[1] == 1  # type: ignore[union-attr]
    theirs.add(0, second, 10, 2, 3)
    ours.add(0, second, 10, 2, 3)
    found, merged = ours.load(0)
    assert found is not None and found.indices.tolist() == [[11, 1, 0]] and merged == 2


def test_lists_are_merged_some_at_a_time_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    found = [
        TopK(
            np.argsort(draw.random((50, 6)), axis=1), -np.sort(-draw.integers(0, 9, (50, 6)), axis=1).astype(np.float32)
        )
        for _ in range(2)
    ]
    whole = merge(found[0], TopK(found[1].indices + 6, found[1].scores), 8)
    monkeypatch.setattr("utils.mining.merging.AT_ONCE", 40)  # of 6: 6 lists at once
    parts = merged_lists(*found, 6, 8)
    assert (parts.indices == whole.indices).all() and (parts.scores == whole.scores).all()
    assert parts.indices.shape == (50, 8) and merged_lists(*found, 6, 99).indices.shape == (50, 12)
    assert not has_repeated(parts.indices)
    parts.indices[-1, 3] = parts.indices[-1, 0]
    assert has_repeated(parts.indices)
    parts.indices[-1, [0, 3]] = -1  # no neighbour
    assert not has_repeated(parts.indices)


def test_lists_with_a_neighbour_twice_are_searched_again(
    tmp_path: Path, stores: tuple[RowStore, RowStore], capsys: pytest.CaptureFixture[str]
) -> None:
    place = SearchPlace("cpu", None, tmp_path / "store")
    lists = nearest_both_ways(*stores, K, place, BLOCK)
    right = contents(lists)
    found, merged = lists[1].load(1)
    assert found is not None
    spoiled = np.repeat(found.indices, 2, axis=1)[:, :K], np.repeat(found.scores, 2, axis=1)[:, :K]
    with lists[1].path(1).open("wb") as file:
        np.savez(file, indices=spoiled[0], scores=spoiled[1], merged=merged)
    assert contents(nearest_both_ways(*stores, K, place, BLOCK)) == right
    assert "backward-000001.npz has the same neighbour twice and is searched again" in capsys.readouterr().err
