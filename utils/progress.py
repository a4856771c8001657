"""Progress bars, and the time that each phase of a run takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager


def progress(total: int, name: str) -> AbstractContextManager[Callable[[int], object]]:
    """Show a progress bar over `total` texts to encode; yields the function that advances it."""
    return bar(total, f"encoding ({name})", "texts")


@contextmanager
def bar(total: int | None, what: str, unit: str) -> Iterator[Callable[[int], object]]:
    """Show a progress bar with the rate and the time left; yields the function that advances it.

    total: None where it is not known. No bar is shown where standard error is not a terminal, or `total` is 0.
    """
    from tqdm import tqdm

    with tqdm(total=total, desc=what, unit=f" {unit}", leave=False, disable=True if total == 0 else None) as shown:
        yield shown.update


class Clock:
    """Seconds of each phase, rounded to milliseconds."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        """Record the time since the previous call, or since the clock was made, as the duration of this phase."""
        now = time.perf_counter()
        self.laps[phase] = round(now - self._last, 3)
        self._last = now
