"""The nearest neighbours of two sets of rows on the other side, block against block, with the best of all merged."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.files import fingerprint, write_atomic
from utils.progress import bar
from utils.retrieval.shards import merge
from utils.retrieval.topk import topk
from utils.schema import TopK

if TYPE_CHECKING:
    from utils.mining.row_store import RowStore
    from utils.schema import Rows

BLOCK_BYTES = 128 << 20  # of the float32 rows of a block; a block of each side is in memory at a time


@dataclass(frozen=True)
class Block:
    """Consecutive shards that are searched at once, and their rows `start` to `stop`, which is not included."""

    first: int
    last: int
    start: int
    stop: int

    def rows_of(self, store: RowStore) -> Rows:
        """Return the rows (n, d)."""
        return store.load(self.first, self.last)


@dataclass(frozen=True)
class SearchPlace:
    """Where rows are searched, in which precision of the scan (None: the fastest), and where the lists are kept."""

    device: str
    precision: str | None
    root: Path


class NeighbourLists:
    """The neighbours of the rows of one side, a file for each block, with how many blocks of the other are merged."""

    def __init__(self, folder: Path, side: str, blocks: list[Block]) -> None:
        self.folder, self.side, self.blocks = folder, side, blocks

    def path(self, number: int) -> Path:
        """Return the file of a block."""
        return self.folder / f"{self.side}-{number:06d}.npz"

    def load(self, number: int) -> tuple[TopK | None, int]:
        """Return the lists of a block (n, k), None where there are none yet, and the number of merged blocks."""
        path = self.path(number)
        if not path.is_file():
            return None, 0
        try:
            with np.load(path) as found:
                return TopK(found["indices"], found["scores"]), int(found["merged"])
        except Exception as error:  # numpy and zipfile have errors of their own
            print(f"note: {path.name} is broken and searched again ({type(error).__name__})", file=sys.stderr)
            return None, 0

    def add(self, number: int, found: TopK, start: int, merged: int, k: int) -> None:
        """Merge what was found in the next block of the other side, whose first row is `start`, and write the lists."""
        old, _ = self.load(number)
        found = TopK(found.indices + start, found.scores)
        both = found if old is None else merge(old, found, k)
        content = io.BytesIO()
        np.savez(content, indices=both.indices, scores=both.scores, merged=np.int64(merged))
        write_atomic(self.path(number), content.getvalue())

    def complete(self) -> Iterator[tuple[Block, TopK]]:
        """Yield each block and its lists."""
        for number, block in enumerate(self.blocks):
            found, _ = self.load(number)
            assert found is not None  # the search has ended
            yield block, found


def blocks_of(store: RowStore, block_bytes: int = BLOCK_BYTES) -> list[Block]:
    """Return the blocks of a store: as many shards as fit into `block_bytes`, at least one."""
    most = max(1, block_bytes // (4 * store.dimensions))
    found: list[Block] = []
    first = 0
    for last in range(1, len(store.paths) + 1):
        is_end = last == len(store.paths)
        if is_end or store.bounds[last + 1] - store.bounds[first] > most:
            found.append(Block(first, last, store.bounds[first], store.bounds[last]))
            first = last
    return found


def nearest_both_ways(
    source: RowStore, target: RowStore, k: int, place: SearchPlace, block_bytes: int = BLOCK_BYTES
) -> tuple[NeighbourLists, NeighbourLists]:
    """Return the k nearest targets of each source and the k nearest sources of each target by cosine, best first.

    Scores are those of the stored rows in float64, rounded to float32, and ties go to the lower index (`topk`). The
    lists are on disk after each pair of blocks, so a search that is killed goes on at the pair in hand. k is cut to the
    number of texts on the other side.
    """
    forward, backward = _nearest((source, target), ("forward", "backward"), k, place, block_bytes)
    return forward, backward


def nearest_within(store: RowStore, k: int, place: SearchPlace, block_bytes: int = BLOCK_BYTES) -> NeighbourLists:
    """Return the k nearest texts of each text of a store, itself among them, as `nearest_both_ways` does."""
    return _nearest((store, store), ("forward",), k, place, block_bytes)[0]


def _nearest(
    stores: tuple[RowStore, RowStore], ways: tuple[str, ...], k: int, place: SearchPlace, block_bytes: int
) -> list[NeighbourLists]:
    """Return the lists of each way: forward those of the first store, backward those of the second."""
    sides = [blocks_of(store, block_bytes) for store in stores]
    spans = [[(block.start, block.stop) for block in side] for side in sides]
    key = fingerprint({"source": stores[0].key(), "target": stores[1].key(), "k": k, "blocks": spans})
    found = [NeighbourLists(place.root / "neighbours" / key, *each) for each in zip(ways, sides, strict=False)]
    merged = [[lists.load(number)[1] for number in range(len(lists.blocks))] for lists in found]
    pairs = [
        (i, j)
        for i in range(len(sides[0]))
        for j in range(len(sides[1]))
        if any(each[(i, j)[way]] <= (i, j)[1 - way] for way, each in enumerate(merged))
    ]
    todo = sum((sides[0][i].stop - sides[0][i].start) * (sides[1][j].stop - sides[1][j].start) for i, j in pairs)
    nothing = np.empty((0, 0), dtype=np.float32)
    queries = candidates = nothing
    in_memory = -1
    with bar(todo, "searching", "pairs of texts") as advance:
        for i, j in pairs:
            blocks = sides[0][i], sides[1][j]
            if i != in_memory:
                queries = candidates = nothing  # only one block of each side is in memory, also while one is read
                queries, in_memory = blocks[0].rows_of(stores[0]), i
            candidates = nothing
            candidates = blocks[1].rows_of(stores[1])
            for way, lists in enumerate(found):
                own, other = (i, j)[way], (i, j)[1 - way]
                if merged[way][own] <= other:
                    rows = (queries, candidates) if way == 0 else (candidates, queries)
                    lists.add(own, _search(*rows, k, place), blocks[1 - way].start, other + 1, k)
            advance(len(queries) * len(candidates))
    return found


def _search(queries: Rows, candidates: Rows, k: int, place: SearchPlace) -> TopK:
    return topk(queries, candidates, min(k, len(candidates)), device=place.device, precision=place.precision)
