"""Rows of several vectors, one for each token of a text, as multi-vector encoders return them; numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from utils.schema import Rows

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TokenRows:
    """The vectors of n texts: those of text i are `vectors[offsets[i]:offsets[i + 1]]`; a text may have none.

    vectors: (sum of lengths, d) float32, which may be a memory map. offsets: (n + 1,), from 0.
    """

    vectors: Rows
    offsets: Ints

    @classmethod
    def of(cls, rows: Sequence[npt.ArrayLike]) -> TokenRows:
        """Return the rows of a list with one array (length, d) for each text."""
        arrays = [np.asarray(row, dtype=np.float32) for row in rows]
        return cls(np.concatenate(arrays), offsets_of([len(array) for array in arrays]))

    @property
    def shape(self) -> tuple[int, int]:
        """The number of texts, and the dimensions of a vector."""
        return len(self.offsets) - 1, self.vectors.shape[1]

    @property
    def lengths(self) -> Ints:
        """The number of vectors of each text (n,)."""
        lengths: Ints = np.diff(self.offsets)
        return lengths

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.offsets) - 1

    def __getitem__(self, which: Any) -> TokenRows:
        """Return the rows of some texts: a slice, which copies nothing where its step is 1, or indices, or a mask."""
        if isinstance(which, slice):
            start, stop, step = which.indices(len(self))
            if step == 1:
                ends = self.offsets[start : max(start, stop) + 1]
                return TokenRows(self.vectors[ends[0] : ends[-1]], ends - ends[0])
        chosen = np.arange(len(self))[which]
        return TokenRows(self.vectors[places_of(self.offsets, chosen)], offsets_of(self.lengths[chosen]))

    def without_empty(self) -> TokenRows:
        """Return the rows of the texts that have a vector; no vector is copied."""
        return TokenRows(self.vectors, np.append(self.offsets[:-1][self.lengths > 0], self.offsets[-1]))

    def arrays(self) -> list[Rows]:
        """Return one array (length, d) for each text."""
        return [self.vectors[start:end] for start, end in zip(self.offsets[:-1], self.offsets[1:], strict=True)]


def offsets_of(lengths: npt.ArrayLike) -> Ints:
    """Return where each row of these lengths (n,) starts, and the end of the last: (n + 1,)."""
    offsets: Ints = np.concatenate(([0], np.cumsum(np.asarray(lengths, dtype=np.int64), dtype=np.int64)))
    return offsets


def places_of(offsets: Ints, chosen: Ints) -> Ints:
    """Return the places of all items of the chosen rows (c,), one row after the other."""
    lengths = offsets[chosen + 1] - offsets[chosen]
    first = np.cumsum(lengths) - lengths
    places: Ints = np.repeat(offsets[chosen] - first, lengths) + np.arange(int(lengths.sum()))
    return places
