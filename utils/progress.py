"""Progress bars, and the time that each phase of a run takes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

SILENT_SECONDS = 20  # between two lines, where no bar is shown


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


@contextmanager
def subsets_of(dataset: str, names: Sequence[str]) -> Iterator[Iterator[str]]:
    """Show a progress bar over the subsets of a data set; yields their names, one after another.

    Where standard error is not a terminal, a line says how many are finished, at most one in SILENT_SECONDS.
    """
    from tqdm import tqdm

    with tqdm(names, unit=" subsets", disable=None) as shown:

        def each() -> Iterator[str]:
            told = time.monotonic()
            for finished, name in enumerate(shown, start=1):
                shown.set_description(name)
                yield name
                if shown.disable and finished < len(names) and time.monotonic() - told >= SILENT_SECONDS:
                    print(f"{dataset} {name}: {finished} of {len(names)} subsets are finished", file=sys.stderr)
                    told = time.monotonic()

        yield each()


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
