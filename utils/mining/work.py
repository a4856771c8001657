"""What tasks of a mining use, and where they are computed: one after the other in this process, or by workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from utils.cluster.workers import Advance

if TYPE_CHECKING:
    from utils.mining.row_store import LazyEncoder, RowStore
    from utils.schema import Rows

NOTHING = np.empty((0, 0), dtype=np.float32)


class Desk:
    """What a process keeps between tasks: the encoder, the rows of one block of each side, and an index."""

    def __init__(self, encode: LazyEncoder | None = None) -> None:
        self.encode = encode
        self._rows: dict[str, tuple[RowStore | None, Rows]] = {}
        self._kept: tuple[object, Any] = None, None

    def rows(self, side: str, store: RowStore) -> Rows:
        """Return all rows of a store (n, d). Only one store of a side is in memory, also while one is read."""
        if self._rows.get(side, (None, NOTHING))[0] != store:
            self._rows[side] = None, NOTHING
            self._rows[side] = store, store.load(0, len(store.paths))
        return self._rows[side][1]

    def kept(self, key: object, make: Callable[[], Any]) -> Any:
        """Return what `make` returns, which is kept until another key is asked for."""
        if self._kept[0] != key:
            self._kept = None, None
            self._kept = key, make()
        return self._kept[1]


class Workers(Protocol):
    """What computes tasks (`utils.cluster.workers.Task`), in this process or elsewhere."""

    def run(self, tasks: Sequence[Any], advance: Advance) -> Iterator[Any]:
        """Yield the results of the tasks in their order."""


class Here:
    """Computes each task in this process, when its result is asked for."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def run(self, tasks: Sequence[Any], advance: Advance) -> Iterator[Any]:
        """Yield the results of the tasks in their order."""
        for task in tasks:
            yield task(self.desk, advance)
