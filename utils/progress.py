"""Progress bars, or lines where none is shown, and the time that each phase of a run takes."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TypeVar

SILENT_SECONDS = 20  # between two lines, where no bar is shown
SHARE = 0.1  # of the time so far that passes between two lines, where that is longer
LOOK = 0.5  # seconds between two looks at the counter of a library
BYTES = "B"  # the unit of bars that count bytes
Advance = Callable[[int], object]
T = TypeVar("T")

_batches: ContextVar[Advance | None] = ContextVar("batches", default=None)
_part: ContextVar[str] = ContextVar("part", default="")


def progress(total: int, name: str) -> AbstractContextManager[Advance]:
    """Show a progress bar over `total` texts to encode; yields the function that advances it."""
    return bar(total, f"encoding ({name})", "texts")


@contextmanager
def bar(total: int | None, what: str, unit: str, done: int = 0, in_bursts: bool = False) -> Iterator[Advance]:
    """Show a progress bar with the rate and the time left; yields the function that advances it.

    total: None where it is not known; nothing is shown where it is 0. done: how many of them were done before, in no
    time of this process. in_bursts: the items of a batch are counted one by one when the batch is there. Where standard
    error is not a terminal, such as in the log of a job, lines say how far the work is, the first one after
    SILENT_SECONDS.
    """
    from tqdm import tqdm

    what = f"{_part.get()}{what}"
    named = {"unit": BYTES, "unit_scale": True} if unit == BYTES else {"unit": f" {unit}"}
    hidden = True if total == 0 else None
    with tqdm(total=total, initial=done, desc=what, leave=False, disable=hidden, **named) as shown:
        yield _Lines(total, what, unit, done, in_bursts).advance if shown.disable and total != 0 else shown.update


@contextmanager
def part_of_run(name: str) -> Iterator[None]:
    """Let bars and lines begin with the part of a run that they are about, such as a language; parts can be nested."""
    before = _part.set(f"{_part.get()}{name}: ")
    try:
        yield
    finally:
        _part.reset(before)


def counted_off(items: Iterable[T], total: int, what: str, unit: str) -> Iterator[T]:
    """Yield the items one after another, with a bar over them; they may come in batches."""
    with bar(total, what, unit, in_bursts=True) as advance:
        for item in items:
            yield item
            advance(1)


class _Lines:
    """Prints lines that say how far a work is, fewer and fewer of them.

    The first item of a batch comes after the time of the whole batch. So where items come in bursts, a line says how
    many there were when the burst before was over, and the time left is reckoned from then. The first line tells no
    time left, and the others reckon it from what was done since: the time until then has the loading of a model in it.
    """

    def __init__(self, total: int | None, what: str, unit: str, done: int, in_bursts: bool) -> None:
        self._total, self._what, self._unit, self._done, self._n = total, what, unit, done, done
        self._in_bursts = in_bursts
        self._since: tuple[int, float] | None = None  # how many there were at the first line, and when
        self._began = self._told = self._last = time.monotonic()

    def advance(self, n: int) -> None:
        """Count n more, and print a line when it is time."""
        before, then, now = self._n, self._last, time.monotonic()
        self._n, self._last = before + n, now
        if now - self._told < max(SILENT_SECONDS, SHARE * (now - self._began)):
            return
        self._told = now
        if not self._in_bursts:
            self._print(self._n, now, 0)
        elif before > self._done:
            self._print(before, then, now - then)

    def _print(self, n: int, when: float, ago: float) -> None:
        """Print that there were n items at a time, which is `ago` seconds ago."""
        share = left = ""
        n_first, first = self._since = self._since or (n, when)
        if (total := self._total or 0) >= n and total:
            share = f" of {self._counted(total)}"
            if n_first < n < total:
                seconds = (when - first) / (n - n_first) * (total - n) - ago
                left = f", {duration(max(0, seconds))} left"
        unit = "" if self._unit == BYTES else f" {self._unit}"
        print(f"{self._what}: {self._counted(n)}{share}{unit}{left}", file=sys.stderr, flush=True)

    def _counted(self, n: int) -> str:
        return size(n) if self._unit == BYTES else f"{n:,}"


@contextmanager
def by_batches(total: int, advance: Advance) -> Iterator[None]:
    """Let what is called within advance a bar with each batch (`batch_done`), by `total` in all."""
    left = total

    def tell(n: int) -> None:
        nonlocal left
        n = min(n, left)  # a model that is loaded within encodes a few texts of its own
        left -= n
        advance(n)

    before = _batches.set(tell)
    try:
        yield
    finally:
        _batches.reset(before)
    advance(left)


def batch_done(n: int) -> None:
    """Say that a batch of n texts is encoded, for the bar that counts them, if there is one."""
    if (tell := _batches.get()) is not None:
        tell(n)


@contextmanager
def watched(n_done: Callable[[], int], advance: Advance) -> Iterator[None]:
    """Advance a bar by what a library's own counter says, which a thread looks at while the library computes."""
    told, ended = 0, threading.Event()

    def look() -> None:
        nonlocal told
        now = n_done()
        advance(now - told)
        told = now

    def watch() -> None:
        while not ended.wait(LOOK):
            look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    look()


def duration(seconds: float) -> str:
    """Return a time in words: `about 5 min`."""
    if seconds < 100:
        return f"about {max(1, round(seconds))} s"
    return f"about {seconds / 60:,.0f} min" if seconds < 6000 else f"about {seconds / 3600:,.1f} h"


def size(n_bytes: float) -> str:
    """Return a number of bytes in words: `12 MiB`."""
    return f"{n_bytes / 2**20:,.0f} MiB" if n_bytes < 2**30 else f"{n_bytes / 2**30:,.1f} GiB"


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
