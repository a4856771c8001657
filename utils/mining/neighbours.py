"""The nearest neighbours of two sets of rows on the other side, block against block, with the best of all merged."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.files import fingerprint, read_json, waiting_lock, write_atomic, write_json
from utils.mining.ivf import SAMPLE, SearchIndex, SearchSample, index_of, recall_of
from utils.mining.merging import has_repeated, merged_lists
from utils.mining.work import Desk, Here
from utils.progress import bar
from utils.retrieval.shards import merge
from utils.retrieval.topk import topk
from utils.schema import TopK

if TYPE_CHECKING:
    import numpy.typing as npt

    from utils.mining.ivf import Ivf
    from utils.mining.row_store import RowStore
    from utils.mining.work import Workers
    from utils.schema import Rows

    Ints = npt.NDArray[np.int64]

# of the float32 rows of a block, one of each side being in memory at a time: a GPU searches faster than small blocks
# are read and their lists merged
BLOCK_BYTES = {"cpu": 128 << 20, "cuda": 1 << 30}


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

    workers: what computes the tasks of a search, None for this process. ivf: how approximate neighbours are searched,
    None for the exact ones; `index` is what is known of such searches, by the ways.
    """

    device: str
    precision: str | None
    root: Path
    workers: Workers | None = None
    ivf: Ivf | None = None
    index: dict[str, Any] = field(default_factory=dict)

    def run(self, tasks: Sequence[Any], what: str, unit: str = "pairs of texts") -> Iterator[Any]:
        """Yield the results of tasks in their order, with a bar that counts their sizes."""
        with bar(sum(task.size for task in tasks), what, unit) as advance:
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
        found: list[TopK | None] = []
        for rows, wanted in zip(ways, self.wanted, strict=False):
            found.append(self._search(*rows) if wanted else None)
            advance(self.size // sum(self.wanted) * wanted)
        advance(self.size % sum(self.wanted))
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
        path, n = self.path(number), self.blocks[number].stop - self.blocks[number].start
        if not path.is_file():
            return None, 0
        try:
            with np.load(path) as found:
                lists, merged = TopK(found["indices"], found["scores"]), int(found["merged"])
            if lists.indices.shape != (n, lists.scores.shape[1]) or len(lists.scores) != n:
                raise ValueError("other shape")
        except Exception as error:  # numpy and zipfile have errors of their own
            print(f"note: {path.name} is broken and searched again ({type(error).__name__})", file=sys.stderr)
            return None, 0
        if has_repeated(lists.indices):  # as two processes could leave them in earlier versions
            print(f"note: {path.name} has the same neighbour twice and is searched again", file=sys.stderr)
            return None, 0
        return lists, merged

    def add(self, number: int, found: TopK, start: int, merged: int, k: int) -> None:
        """Merge what was found in the next block of the other side, whose first row is `start`, and write the lists.

        merged: the number of merged blocks with this one. Lists that do not have exactly the blocks before it, because
        another process searches as well, stay as they are.
        """
        with waiting_lock(self.folder / f"{self.side}.lock"):
            self._add(number, found, start, merged, k)

    def _add(self, number: int, found: TopK, start: int, merged: int, k: int) -> None:
        old, n_before = self.load(number)
        if n_before != merged - 1:
            return
        both = merged_lists(old, found, start, k)
        del old, found
        content = io.BytesIO()
        np.savez(content, indices=both.indices, scores=both.scores, merged=np.int64(merged))
        write_atomic(self.path(number), content.getbuffer())

    def of_some(self, name: str, sizes: Sequence[int]) -> NeighbourLists:
        """Return the lists of a further search for so many rows of each block, which have a folder in that of these."""
        blocks = [replace(block, stop=block.start + size) for block, size in zip(self.blocks, sizes, strict=True)]
        return NeighbourLists(self.folder / name, self.side, blocks)

    def complete(self) -> Iterator[tuple[Block, TopK]]:
        """Yield each block and its lists."""
        for number, block in enumerate(self.blocks):
            found, _ = self.load(number)
            assert found is not None  # the search has ended
            yield block, found


def blocks_of(store: RowStore, block_bytes: int) -> list[Block]:
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


def block_rows(dimensions: int, shard_size: int, block_bytes: int) -> int:
    """Return how many rows a block has of a store with shards of `shard_size` rows, but for the last one."""
    return max(1, block_bytes // (4 * dimensions) // shard_size) * shard_size


def nearest_both_ways(
    source: RowStore, target: RowStore, k: int, place: SearchPlace, block_bytes: int | None = None
) -> tuple[NeighbourLists, NeighbourLists]:
    """Return the k nearest targets of each source and the k nearest sources of each target by cosine, best first.

    Scores are those of the stored rows in float64, rounded to float32, and ties go to the lower index (`topk`). The
    lists are on disk after each pair of blocks, so a search that is killed goes on at the pair in hand. k is cut to the
    number of texts on the other side.
    """
    forward, backward = _nearest((source, target), ("forward", "backward"), k, place, block_bytes)
    return forward, backward


def nearest_within(store: RowStore, k: int, place: SearchPlace, block_bytes: int | None = None) -> NeighbourLists:
    """Return the k nearest texts of each text of a store, itself among them, as `nearest_both_ways` does."""
    return _nearest((store, store), ("forward",), k, place, block_bytes)[0]


def _nearest(
    stores: tuple[RowStore, RowStore], ways: tuple[str, ...], k: int, place: SearchPlace, block_bytes: int | None
) -> list[NeighbourLists]:
    """Return the lists of each way: forward those of the first store, backward those of the second."""
    sides = [blocks_of(store, block_bytes or BLOCK_BYTES[place.device]) for store in stores]
    if place.ivf is not None:
        return [
            _nearest_in_index(stores[way], stores[1 - way], name, k, place, (sides[way], sides[1 - way]))
            for way, name in enumerate(ways)
        ]
    spans = [[(block.start, block.stop) for block in side] for side in sides]
    key = fingerprint({"source": stores[0].key(), "target": stores[1].key(), "k": k, "blocks": spans})
    found = [NeighbourLists(place.root / "neighbours" / key, *each) for each in zip(ways, sides, strict=False)]
    # again where another process replaced or spoiled lists meanwhile
    while todo := _missing(found, sides):
        tasks = [
            SearchBlocks(sides[0][i].of(stores[0]), sides[1][j].of(stores[1]), k, place.device, place.precision, wanted)
            for (i, j), wanted in todo
        ]
        for (pair, _), results in zip(todo, place.run(tasks, "searching"), strict=True):
            for way, best in enumerate(results):
                if best is not None:
                    own, other = pair[way], pair[1 - way]
                    found[way].add(own, best, sides[1 - way][other].start, other + 1, k)
    return found


def _missing(
    lists: Sequence[NeighbourLists], sides: Sequence[list[Block]]
) -> list[tuple[tuple[int, int], tuple[bool, ...]]]:
    """Return the pairs of blocks that lists of a way are still without, and of which ways they are."""
    merged = [[each.load(number)[1] for number in range(len(each.blocks))] for each in lists]
    pairs = [(i, j) for i in range(len(sides[0])) for j in range(len(sides[1]))]
    wanted = [tuple(each[pair[way]] <= pair[1 - way] for way, each in enumerate(merged)) for pair in pairs]
    return [(pair, ways) for pair, ways in zip(pairs, wanted, strict=True) if any(ways)]


def _nearest_in_index(
    queries: RowStore,
    candidates: RowStore,
    way: str,
    k: int,
    place: SearchPlace,
    sides: tuple[list[Block], list[Block]],
) -> NeighbourLists:
    """Return approximate neighbours of the queries, and measure how many of the exact ones are among them."""
    assert place.ivf is not None
    k = min(k, len(candidates))
    index = index_of(candidates, place.ivf, place.root)
    nprobe = min(place.ivf.nprobe, index.n_lists())
    for _ in place.run(index.missing(), "filling the index", "texts"):
        pass
    spans = [(block.start, block.stop) for block in sides[0]]
    key = fingerprint({"queries": queries.key(), "index": index.folder.name, "nprobe": nprobe, "k": k, "blocks": spans})
    lists = NeighbourLists(place.root / "neighbours" / key, way, sides[0])
    about = lists.folder / f"{way}-recall.json"
    recall = read_json(about) if about.is_file() else None
    while todo := [number for number in range(len(sides[0])) if not lists.load(number)[1]]:
        recall = None  # it may be that of lists that were spoiled
        tasks = [SearchIndex(sides[0][number].of(queries), index, k, nprobe) for number in todo]
        for number, found in zip(todo, place.run(tasks, "searching the index"), strict=True):
            lists.add(number, found, 0, 1, k)
    if recall is None:
        recall = _recall(lists, queries, candidates, k, place, sides[1])
        write_json(about, recall)
    place.index[way] = {"lists": index.n_lists(), "lists_read": nprobe, **recall}
    return lists


def _recall(
    lists: NeighbourLists, queries: RowStore, candidates: RowStore, k: int, place: SearchPlace, blocks: list[Block]
) -> dict[str, float]:
    """Return what the lists of a seeded sample have of the exact ones."""
    assert place.ivf is not None
    draw = np.random.default_rng(place.ivf.seed)
    some = np.sort(draw.choice(len(queries), min(SAMPLE, len(queries)), replace=False))
    parts = []
    for block, lists_of in lists.complete():
        at = some[(some >= block.start) & (some < block.stop)] - block.start
        parts.append(TopK(lists_of.indices[at], lists_of.scores[at]))
    found = TopK(np.concatenate([part.indices for part in parts]), np.concatenate([part.scores for part in parts]))
    tasks = [SearchSample(queries, some, block.of(candidates), k, place.device, place.precision) for block in blocks]
    exact: TopK | None = None
    for block, best in zip(blocks, place.run(tasks, "measuring the recall"), strict=True):
        best = TopK(best.indices + block.start, best.scores)
        exact = best if exact is None else merge(exact, best, k)
    assert exact is not None  # a store has a block
    return {"sample": len(some), **recall_of(found, exact)}
