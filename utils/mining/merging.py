"""Merging of lists of neighbours, some lists at a time: in whole blocks it takes several times their memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from utils.retrieval.shards import merge
from utils.schema import TopK

if TYPE_CHECKING:
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]

AT_ONCE = 1 << 18  # neighbours of lists that are merged at once


def merged_lists(old: TopK | None, new: TopK, start: int, k: int) -> TopK:
    """Return the k best of lists (n, j) and of those found in the next rows (n, j), the first of which is `start`."""
    if old is None:
        return TopK(new.indices + start, new.scores)
    length = min(k, old.indices.shape[1] + new.indices.shape[1])
    both = TopK(np.empty((len(old.indices), length), np.int64), np.empty((len(old.indices), length), np.float32))
    for part in _parts_of(old.indices):
        found = TopK(new.indices[part] + start, new.scores[part])
        best = merge(TopK(old.indices[part], old.scores[part]), found, k)
        both.indices[part], both.scores[part] = best.indices, best.scores
    return both


def has_repeated(indices: Ints) -> bool:
    """Return whether a row of lists (n, k) has an index twice; -1 stands for no neighbour."""
    for part in _parts_of(indices):
        in_order = np.sort(indices[part], axis=1)
        if ((in_order[:, 1:] == in_order[:, :-1]) & (in_order[:, 1:] >= 0)).any():
            return True
    return False


def _parts_of(lists: Ints) -> Iterator[slice]:
    """Yield slices of the rows of lists (n, k) that have so many neighbours as are looked at at once."""
    step = max(1, AT_ONCE // max(1, lists.shape[1]))
    return (slice(start, start + step) for start in range(0, len(lists), step))
