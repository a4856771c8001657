"""Progress: bars on a terminal, and seconds per phase."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(total: int, name: str) -> Iterator[Callable[[int], object]]:
    """A bar over texts on a terminal; nothing elsewhere, or where no text is missing."""
    from tqdm import tqdm

    with tqdm(
        total=total, desc=f"encoding ({name})", unit=" texts", leave=False, disable=None if total else True
    ) as bar:
        yield bar.update


class Clock:
    """Seconds per phase, to the millisecond."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        """Give the time since the last lap to this phase."""
        now = time.perf_counter()
        self.laps[phase] = round(now - self._last, 3)
        self._last = now
