"""Many requests at once; pending requests are finished before a run ends."""

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

POLL_SECONDS = 0.5  # between two checks for an interruption


def run_concurrently(
    jobs: Iterable[Job],
    work: Callable[[Job], tuple[Sequence[Result], Sequence[Job]]],
    concurrency: int,
    stop: threading.Event,
) -> Iterator[Result]:
    """Yield the results of the jobs as they are ready, with at most `concurrency` jobs at once.

    `work` returns results and further jobs, which are run first. After an error or Ctrl-C, no job is started, `stop` is
    set so that nothing is retried, the results of the pending jobs are yielded, and then the error is raised. A second
    Ctrl-C ends the process at once.
    """
    source, queue = iter(jobs), deque[Job]()
    first_error: BaseException | None = None
    pending: set[Future[tuple[Sequence[Result], Sequence[Job]]]] = set()
    stop.clear()
    with _held_interrupts(stop) as interrupted, ThreadPoolExecutor(concurrency) as pool:
        try:
            while True:
                while first_error is None and not interrupted.is_set() and len(pending) < concurrency:
                    if (job := queue.popleft() if queue else next(source, None)) is None:
                        break
                    pending.add(pool.submit(work, job))
                if not pending:
                    break
                done, pending = wait(pending, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    if (error := future.exception()) is not None:
                        first_error = first_error or error
                        stop.set()
                        continue
                    results, more = future.result()
                    queue.extendleft(reversed(more))
                    yield from results
        finally:
            stop.set()
    if interrupted.is_set():
        raise KeyboardInterrupt
    if first_error is not None:
        raise first_error


@contextmanager
def _held_interrupts(stop: threading.Event) -> Iterator[threading.Event]:
    """Record the first SIGINT or SIGTERM in the event instead of raising, so that no write is cut off."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if interrupted.is_set():
            os._exit(130)  # leaving the pool would wait for its requests; every response received is written
        interrupted.set()
        stop.set()
        print("\ninterrupted: finishing the pending requests (interrupt again to exit at once)", file=sys.stderr)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, handle)
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
