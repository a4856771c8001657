"""The best partner of each text by margin, over all texts of the other side, from the neighbours of both sides.

Let c(x) be the cosine of a text to the last neighbour in its list, and r(x) the mean cosine to the first `margin_k`.
A pair that is in neither text's list has a cosine of at most min(c(x), c(y)), and c(y) <= r(y). The margin of such a
pair is therefore at most 2 c(x) / (r(x) + c(x)) as a ratio, (c(x) - r(x)) / 2 as a distance and c(x) - r(x) by CSLS,
whatever r(y) is: for r(y) < c(x) the cosine is at most r(y), and these margins grow with r(y); beyond, they fall. A
text whose best pair in the lists exceeds this bound needs no further search. The others are searched by margin.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from utils.files import fingerprint
from utils.progress import bar
from utils.retrieval.exact_search import search
from utils.retrieval.rows import U32, row_norms, sum_products
from utils.retrieval.shards import search_shards
from utils.retrieval.similarities import MIN_NEIGHBOURHOOD, Margin
from utils.retrieval.small_search import margins_of
from utils.retrieval.topk import build_product

if TYPE_CHECKING:
    import numpy.typing as npt

    from utils.mining.neighbours import Block, NeighbourLists, SearchPlace
    from utils.mining.row_store import RowStore
    from utils.mining.work import Desk
    from utils.schema import Rows, TopK

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]
    Pairs = tuple[tuple[Ints, Ints], Floats]  # sources (s,) and targets (s,), and their cosines or margins (s,)

MINED_MARGINS = ("ratio", "distance", "absolute", "csls")
LIST = 16  # neighbours in the lists: more than a margin's own, as the bounds fall with each
AT_ONCE = 1 << 14  # pairs that are scored at once


@dataclass
class Best:
    """The best partner of each text of a side: `index` (n,) and `score` (n,) float32. A text without one has -1."""

    index: Ints
    score: npt.NDArray[np.float32]
    n_searched: int = 0  # texts that the lists left in doubt


@dataclass(frozen=True)
class Side:
    """The texts of one side: rows, lists, mean cosine to the nearest (n,), and cosine to the last of the list (n,)."""

    store: RowStore
    lists: NeighbourLists
    mean: Floats
    last: Floats


class MarginSearch:
    """The best pairs of two sides by a margin, as `margin_topk` defines it."""

    def __init__(
        self,
        stores: tuple[RowStore, RowStore],
        lists: tuple[NeighbourLists, NeighbourLists],
        margin: str,
        margin_k: int,
    ) -> None:
        self.margin, self.margin_k = margin, margin_k
        self.sides = tuple(_side(store, of_side, margin_k) for store, of_side in zip(stores, lists, strict=True))

    def best(self, wanted: Sequence[int], place: SearchPlace, threshold: float | None = None) -> dict[int, Best]:
        """Return the best partners of the texts of the sides that are wanted: 0 the sources, 1 the targets.

        Equal margins go to the lower index. Texts whose best margin is below the threshold may have another partner
        than the best one, which is below it as well. With an index, the lists are not exact and bound nothing: the best
        partners are those among the pairs in the lists.
        """
        low = self._lower_bounds(wanted)
        pairs = self._exact(self._likely(low))
        found = {}
        for side in wanted:
            best = _best_of(pairs, side, len(self.sides[side].mean))
            bound = self._bound(side)
            doubtful = low[side] <= bound
            if threshold is not None:
                doubtful &= bound >= threshold
            if place.ivf is None and self.margin != "absolute" and doubtful.any():
                self._search(side, np.flatnonzero(doubtful), best, place)
            found[side] = best
        return found

    def _listed(self) -> Iterator[Pairs]:
        """Yield the pairs in the lists of both sides, with their cosines in float32."""
        for number, side in enumerate(self.sides):
            for block, lists in side.lists.complete():
                ours = np.repeat(np.arange(block.start, block.stop), lists.indices.shape[1])
                theirs = lists.indices.reshape(-1)
                cosines = lists.scores.reshape(-1).astype(np.float64)
                yield ((ours, theirs) if number == 0 else (theirs, ours)), cosines

    def _approximate(self, pairs: tuple[Ints, Ints], cosines: Floats) -> tuple[Floats, Floats]:
        """Return margins (s,) from rounded cosines, and their greatest errors (s,)."""
        margins = self._apply(*pairs, cosines)
        slope = np.full(len(margins), 2.0)
        if self.margin == "ratio":
            slope = 1 / np.maximum((self.sides[0].mean[pairs[0]] + self.sides[1].mean[pairs[1]]) / 2, MIN_NEIGHBOURHOOD)
        return margins, slope * U32 + np.abs(margins) * U32

    def _apply(self, sources: Ints, targets: Ints, cosines: Floats) -> Floats:
        if self.margin == "absolute":
            return cosines
        return margins_of(self.margin, cosines, self.sides[0].mean[sources], self.sides[1].mean[targets])

    def _lower_bounds(self, wanted: Sequence[int]) -> dict[int, Floats]:
        """Return for each text of the sides a margin that its best pair is certain to reach (n,)."""
        low = {side: np.full(len(self.sides[side].mean), -np.inf) for side in wanted}
        for pairs, cosines in self._listed():
            margins, errors = self._approximate(pairs, cosines)
            for side, bounds in low.items():
                np.maximum.at(bounds, pairs[side], margins - errors)
        return low

    def _likely(self, low: dict[int, Floats]) -> tuple[Ints, Ints]:
        """Return the pairs in the lists that can be the best of a text, each once, sorted by source and target."""
        parts = []
        m = len(self.sides[1].mean)
        for pairs, cosines in self._listed():
            margins, errors = self._approximate(pairs, cosines)
            is_kept = np.zeros(len(margins), dtype=bool)
            for side, bounds in low.items():
                is_kept |= margins + errors >= bounds[pairs[side]]
            parts.append(np.unique(pairs[0][is_kept] * m + pairs[1][is_kept]))
        both = np.unique(np.concatenate(parts))
        return both // m, both % m

    def _exact(self, pairs: tuple[Ints, Ints]) -> Pairs:
        """Return pairs (s,) with their float64 margins."""
        (ours, of_ours), (theirs, of_theirs) = ((side.store, side.lists.blocks) for side in self.sides)
        return pairs, self._apply(*pairs, pair_cosines(pairs, (ours, theirs), (of_ours, of_theirs)))

    def _bound(self, side: int) -> Floats:
        """Return what the margin of a pair outside the lists can be at most for each text of a side (n,)."""
        mean, last = self.sides[side].mean, self.sides[side].last + 4 * U32
        if self.margin == "ratio":
            return np.where(last > 0, 2 * last / np.maximum(mean + last, MIN_NEIGHBOURHOOD), 0.0)
        return (last - mean) / 2 if self.margin == "distance" else last - mean

    def _search(self, side: int, numbers: Ints, best: Best, place: SearchPlace) -> None:
        """Search the best partner of some texts of a side among all of the other, and write it into `best`.

        What is found is on disk after each pair of blocks, so a search that is killed goes on at the pair in hand.
        """
        own, other = self.sides[side], self.sides[1 - side]
        best.n_searched = len(numbers)
        of_numbers = hashlib.sha256(numbers.tobytes()).hexdigest()
        key = fingerprint({"margin": self.margin, "margin_k": self.margin_k, "numbers": of_numbers})
        parts = [numbers[(numbers >= ours.start) & (numbers < ours.stop)] for ours in own.lists.blocks]
        lists = own.lists.of_some(f"{self.margin}-{key}", [len(some) for some in parts])
        while todo := [  # again where another process replaced lists meanwhile
            (number, at)
            for number, some in enumerate(parts)
            if len(some)
            for at in range(lists.load(number)[1], len(other.lists.blocks))
        ]:
            tasks = [self._task(side, parts[number], number, at, place) for number, at in todo]
            for (number, at), found in zip(todo, place.run(tasks, "searching by margin"), strict=True):
                lists.add(number, found, other.lists.blocks[at].start, at + 1, 1)
        for number, some in enumerate(parts):
            if len(some):
                partners, _ = lists.load(number)
                assert partners is not None  # the search has ended
                best.score[some], best.index[some] = partners.scores[:, 0], partners.indices[:, 0]

    def _task(self, side: int, some: Ints, number: int, at: int, place: SearchPlace) -> SearchByMargin:
        """Return the search for some texts of a block of a side in a block of the other."""
        own, other = self.sides[side], self.sides[1 - side]
        ours, theirs = own.lists.blocks[number], other.lists.blocks[at]
        return SearchByMargin(
            ours.of(own.store),
            some - ours.start,
            theirs.of(other.store),
            self.margin,
            own.mean[some],
            other.mean[theirs.start : theirs.stop],
            place.device,
            place.precision,
        )


@dataclass(frozen=True)
class SearchByMargin:
    """The task to find the candidate of a block with the greatest margin for some queries of another.

    numbers: those of the queries in their block (q,); own and other: mean cosines of the queries (q,) and of all
    candidates (m,).
    """

    queries: RowStore
    numbers: Ints
    candidates: RowStore
    margin: str
    own: Floats
    other: Floats
    device: str
    precision: str | None

    @property
    def size(self) -> int:
        """The number of pairs of texts."""
        return len(self.numbers) * len(self.candidates)

    def __call__(self, desk: Desk, advance: Callable[[int], object]) -> TopK:
        """Return the best candidate of each query (q, 1), by its number in the block."""
        queries = desk.rows("queries", self.queries)[self.numbers]
        candidates = desk.rows("candidates", self.candidates)

        def search_shard(shard: slice, device: str) -> TopK:
            product = build_product(queries, candidates[shard], "cosine", device)
            return search(Margin(product, self.margin, self.own, self.other[shard]), 1, self.precision)

        found = search_shards(candidates, 1, self.device, search_shard)
        advance(self.size)
        return found


def _side(store: RowStore, lists: NeighbourLists, margin_k: int) -> Side:
    """Return a side with what its lists tell of each text."""
    mean, last = np.empty(len(store)), np.empty(len(store))
    for block, found in lists.complete():
        mean[block.start : block.stop] = found.scores[:, :margin_k].mean(axis=1, dtype=np.float64)
        last[block.start : block.stop] = found.scores[:, -1]
    return Side(store, lists, mean, last)


def pair_cosines(
    pairs: tuple[Ints, Ints], stores: tuple[RowStore, RowStore], blocks: tuple[Sequence[Block], Sequence[Block]]
) -> Floats:
    """Return the float64 cosines of pairs (s,), each summed by itself; a block of each side is in memory at a time."""
    sources, targets = pairs
    cosines = np.empty(len(sources))
    with bar(len(sources), "scoring pairs", "pairs") as advance:
        for ours in blocks[0]:
            of_ours = np.flatnonzero((sources >= ours.start) & (sources < ours.stop))
            if not len(of_ours):
                continue
            queries = _with_norms(ours, stores[0])
            for theirs in blocks[1]:
                both = of_ours[(targets[of_ours] >= theirs.start) & (targets[of_ours] < theirs.stop)]
                if len(both):
                    candidates = _with_norms(theirs, stores[1])
                    places = sources[both] - ours.start, targets[both] - theirs.start
                    cosines[both] = cosines_of(queries, candidates, *places)
                advance(len(both))
    return cosines


def _with_norms(block: Block, store: RowStore) -> tuple[Rows, Floats]:
    """Return the rows of a block (n, d), and the inverses of their norms (n,)."""
    rows = block.rows_of(store)
    return rows, 1 / row_norms(rows)


def cosines_of(queries: tuple[Rows, Floats], candidates: tuple[Rows, Floats], rows: Ints, cols: Ints) -> Floats:
    """Return the float64 cosines of pairs (s,), each summed by itself."""
    found = np.empty(len(rows))
    for start in range(0, len(rows), AT_ONCE):
        q, c = rows[start : start + AT_ONCE], cols[start : start + AT_ONCE]
        sums = sum_products(candidates[0][c].astype(np.float64), queries[0][q].astype(np.float64))
        found[start : start + AT_ONCE] = sums * queries[1][q] * candidates[1][c]
    return found


def _best_of(pairs: Pairs, side: int, n: int) -> Best:
    """Return the best partner of each of n texts among pairs; equal float32 margins go to the lower index."""
    scores = pairs[1].astype(np.float32)
    ours, theirs = pairs[0][side], pairs[0][1 - side]
    order = np.lexsort((theirs, -scores, ours))
    starts = np.ones(len(order), dtype=bool)
    starts[1:] = ours[order[1:]] != ours[order[:-1]]
    chosen = order[starts]
    best = Best(np.full(n, -1, dtype=np.int64), np.full(n, -np.inf, dtype=np.float32))
    best.index[ours[chosen]], best.score[ours[chosen]] = theirs[chosen], scores[chosen]
    return best
