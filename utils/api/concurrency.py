"""Many requests at once: results as they arrive, and whatever is in the air is landed before the run ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

LOOK_SECONDS = 0.5  # how often an interruption is looked for


def in_flight(
    jobs: Iterable[Job],
    work: Callable[[Job], tuple[Sequence[Result], Sequence[Job]]],
    concurrency: int,
    stop: threading.Event,
) -> Iterator[Result]:
    """Yield the results of the jobs as they are ready, so many jobs at once.

    `work` returns results and further jobs, which go first. After an error, or Ctrl-C, no job is begun; those that are
    under way are waited for and their results yielded, then the error is raised. `stop` is set meanwhile, so that
    nothing is tried again. A second Ctrl-C ends at once.
    """
    source, queue = iter(jobs), deque[Job]()
    trouble: BaseException | None = None
    pending: set[Future[tuple[Sequence[Result], Sequence[Job]]]] = set()
    stop.clear()
    with _held_interrupts(stop) as interrupted, ThreadPoolExecutor(concurrency) as pool:
        try:
            while True:
                while trouble is None and not interrupted.is_set() and len(pending) < concurrency:
                    job = queue.popleft() if queue else next(source, None)
                    if job is None:
                        break
                    pending.add(pool.submit(work, job))
                if not pending:
                    break
                done, pending = wait(pending, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    error = future.exception()
                    if error is not None:
                        trouble = trouble or error
                        stop.set()
                        continue
                    results, more = future.result()
                    queue.extendleft(reversed(more))
                    yield from results
        finally:
            stop.set()
    if interrupted.is_set():
        raise KeyboardInterrupt
    if trouble is not None:
        raise trouble


@contextmanager
def _held_interrupts(stop: threading.Event) -> Iterator[threading.Event]:
    """Take note of the first Ctrl-C (or SIGTERM) instead of being torn out of a write; the second one interrupts."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def note(number: int, frame: FrameType | None) -> None:
        if interrupted.is_set():
            os._exit(130)  # the pool would wait for its requests; every answer that came is written
        interrupted.set()
        stop.set()
        print("\ninterrupted: keeping the answers that are under way (again to leave them)", file=sys.stderr)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
