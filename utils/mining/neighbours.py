"""The nearest neighbours of two sets of rows on the other side, block against block, with the best of all merged."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.files import fingerprint, write_atomic
from utils.mining.work import Desk, Here
from utils.progress import bar
from utils.retrieval.shards import merge
from utils.retrieval.topk import topk
from utils.schema import TopK

if TYPE_CHECKING:
    from utils.mining.row_store import RowStore
    from utils.mining.work import Workers
    from utils.schema import Rows

BLOCK_BYTES = 128 << 20  # of the float32 rows of a block; a block of each side is in memory at a time


@dataclass(frozen=True)
class Block:
    """Consecutive shards that are searched at once, and their rows `start` to `stop`, which is not included."""

    first: int
    last: int
    start: int
    stop: int

    def of(self, store: RowStore) -> RowStore:
        """Return the shards as a store of their own."""
        return store.part(self.first, self.last)

    def rows_of(self, store: RowStore) -> Rows:
        """Return the rows (n, d)."""
        return store.load(self.first, self.last)


@dataclass(frozen=True)
class SearchPlace:
    """Where rows are searched, in which precision of the scan (None: the fastest), and where the lists are kept.

    workers: what computes the tasks of a search, None for this process.
    """

    device: str
    precision: str | None
    root: Path
    workers: Workers | None = None

    def run(self, tasks: Sequence[Any], what: str) -> Iterator[Any]:
        """Yield the results of tasks in their order, with a bar that counts pairs of texts."""
        with bar(sum(task.size for task in tasks), what, "pairs of texts") as advance:
            yield from (self.workers or Here(Desk())).run(tasks, advance)


@dataclass(frozen=True)
class SearchBlocks:
    """The task to search the rows of two blocks, in one direction or in both, for the k nearest."""

    queries: RowStore
    candidates: RowStore
    k: int
    device: str
    precision: str | None
    wanted: tuple[bool, ...]  # whether forward, and whether backward

    @property
    def size(self) -> int:
        """The number of pairs of texts."""
        return len(self.queries) * len(self.candidates)

    def __call__(self, desk: Desk, advance: Callable[[int], object]) -> list[TopK | None]:
        """Return the candidates of each query and the queries of each candidate, by their numbers in the blocks."""
        queries, candidates = desk.rows("queries", self.queries), desk.rows("candidates", self.candidates)
        ways = ((queries, candidates), (candidates, queries))
        found = [self._search(*rows) if wanted else None for rows, wanted in zip(ways, self.wanted, strict=False)]
        advance(self.size)
        return found

    def _search(self, queries: Rows, candidates: Rows) -> TopK:
        k = min(self.k, len(candidates))
        return topk(queries, candidates, k, device=self.device, precision=self.precision)


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
    wanted = [tuple(each[(i, j)[way]] <= (i, j)[1 - way] for way, each in enumerate(merged)) for i, j in pairs]
    tasks = [
        SearchBlocks(
            sides[0][i].of(stores[0]), sides[1][j].of(stores[1]), k, place.device, place.precision, ways_wanted
        )
        for (i, j), ways_wanted in zip(pairs, wanted, strict=True)
    ]
    for pair, results in zip(pairs, place.run(tasks, "searching"), strict=True):
        for way, best in enumerate(results):
            if best is not None:
                own, other = pair[way], pair[1 - way]
                found[way].add(own, best, sides[1 - way][other].start, other + 1, k)
    return found
