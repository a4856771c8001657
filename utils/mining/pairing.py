"""Pairs from the best partners of both sides: the directions of LASER's `mine_bitexts`, and one-to-one assignment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from utils.mining.margins import Best

    Ints = npt.NDArray[np.int64]

MINED_DIRECTIONS = ("forward", "backward", "intersection", "union")
AT_ONCE = 65_536  # pairs that are Python's numbers at once
# the sides whose best partners count: 0 the sources, 1 the targets
SIDES_OF = {"forward": (0,), "backward": (1,), "intersection": (0, 1), "union": (0, 1)}


@dataclass(frozen=True)
class MinedPairs:
    """Sources (p,), targets (p,) and scores (p,), by descending score, then by source and target."""

    sources: Ints
    targets: Ints
    scores: npt.NDArray[np.float32]

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.scores)

    def select(self, which: npt.NDArray[np.bool_] | slice) -> MinedPairs:
        """Return some of the pairs."""
        return MinedPairs(self.sources[which], self.targets[which], self.scores[which])


def pair_up(best: Mapping[int, Best], direction: str, *, one_to_one: bool = False) -> MinedPairs:
    """Return the pairs of a direction.

    forward: each source with its best target. backward: each target with its best source. intersection: pairs that
    are the best of both. union: the pairs of either direction, by descending score, without those one of whose texts
    is paired already (`max` in LASER). The last two are one-to-one; `one_to_one` makes the others so in the same way.
    """
    parts = []
    for side in SIDES_OF[direction]:
        ours = np.flatnonzero(best[side].index >= 0)
        theirs, scores = best[side].index[ours], best[side].score[ours]
        parts.append((ours, theirs, scores) if side == 0 else (theirs, ours, scores))
    if direction == "intersection":
        (ours, theirs, scores), _ = parts
        is_mutual = best[1].index[theirs] == ours
        parts = [(ours[is_mutual], theirs[is_mutual], scores[is_mutual])]
    sources, targets, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((targets, sources, -scores))
    pairs = MinedPairs(sources[order], targets[order], scores[order])
    return pairs.select(_first_of_each(pairs)) if direction == "union" or one_to_one else pairs


def cut_pairs(pairs: MinedPairs, threshold: float | None, top: int | None) -> MinedPairs:
    """Return the pairs with a score of at least the threshold, or the `top` first ones."""
    if threshold is not None:
        pairs = pairs.select(pairs.scores >= np.float32(threshold))
    return pairs.select(slice(top))


def _first_of_each(pairs: MinedPairs) -> npt.NDArray[np.bool_]:
    """Return which pairs (p,) have no text of a pair before them that was chosen."""
    chosen = np.zeros(len(pairs), dtype=bool)
    taken = tuple(bytearray(int(side.max(initial=-1)) + 1) for side in (pairs.sources, pairs.targets))
    for start in range(0, len(pairs), AT_ONCE):
        some = pairs.select(slice(start, start + AT_ONCE))
        both = zip(some.sources.tolist(), some.targets.tolist(), strict=True)
        for place, (source, target) in enumerate(both, start):
            if not (taken[0][source] or taken[1][target]):
                chosen[place] = True
                taken[0][source] = taken[1][target] = 1
    return chosen
