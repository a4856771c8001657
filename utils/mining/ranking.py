"""The neighbours of each text of a collection by rank, without itself, its mates and its near-duplicates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from utils.mining.neighbours import NeighbourLists
    from utils.mining.relations import Relations

    Ints = npt.NDArray[np.int64]
    Scores = npt.NDArray[np.float32]
    Bools = npt.NDArray[np.bool_]

AT_ONCE = 2048  # texts whose lists are ranked at once


@dataclass(frozen=True)
class Ranked:
    """The neighbours of the texts from `start` on, the nearest first (b, depth); behind the last are -1 and -inf."""

    start: int
    indices: Ints
    scores: Scores

    @property
    def stop(self) -> int:
        """The number of the last text and one more."""
        return self.start + len(self.indices)

    def within(self, ranks: list[int] | None, low: float | None, high: float | None) -> Bools:
        """Return which neighbours have these ranks and a score from `low` to `high` (b, depth); None is no bound."""
        found = self.indices >= 0
        if ranks is not None:
            found[:, : ranks[0] - 1] = False
            found[:, ranks[1] :] = False
        if low is not None:
            found &= self.scores >= np.float32(low)
        if high is not None:
            found &= self.scores <= np.float32(high)
        return found


def ranked(lists: NeighbourLists, relations: Relations, depth: int) -> Iterator[Ranked]:
    """Yield the neighbours of all texts in their order, some texts at a time, down to the rank `depth`.

    The lists have to be longer than `depth` by what is left out: the text itself, its mates and its near-duplicates.
    """
    n = len(relations.near)
    for block, found in lists.complete():
        for first in range(block.start, block.stop, AT_ONCE):
            texts = np.arange(first, min(first + AT_ONCE, block.stop))
            part = slice(first - block.start, texts[-1] + 1 - block.start)
            indices, scores = found.indices[part], found.scores[part]
            is_out = (indices == texts[:, None]) | (relations.near[indices] == relations.near[texts][:, None])
            ours, mates = relations.mate_pairs(first, int(texts[-1]) + 1)
            is_out |= np.isin(texts[:, None] * n + indices, ours * n + mates)
            order = np.argsort(is_out, axis=1, kind="stable")[:, :depth]
            is_behind = np.take_along_axis(is_out, order, axis=1)
            kept = np.take_along_axis(indices, order, axis=1).astype(np.int64)
            cosines = np.take_along_axis(scores, order, axis=1)
            yield Ranked(first, np.where(is_behind, -1, kept), np.where(is_behind, np.float32(-np.inf), cosines))
