"""Many requests at once; pending requests are finished before a run ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Generic, TypeVar, Union

Job = TypeVar("Job")
Result = TypeVar("Result")

POLL_SECONDS = 0.5  # between two checks for an interruption
WAIT_SECONDS = 0.1  # between two looks at what another run does


@dataclass(frozen=True)
class Ready(Generic[Result]):
    """Results that need no work."""

    results: Sequence[Result]


class Waiting:
    """In place of a job: there is none at present, but there may be one later."""


WAITING = Waiting()
Step = Union[Job, Ready[Result], Waiting]  # noqa: UP007 (mypy has no alias of a type variable with |)


def run_concurrently(
    jobs: Iterable[Step[Job, Result]],
    work: Callable[[Job], tuple[Sequence[Result], Sequence[Job]]],
    concurrency: int,
    stop: threading.Event,
) -> Iterator[Result]:
    """Yield the results of the jobs as they are ready, with at most `concurrency` jobs at once.

    Among the jobs may be results that are ready, and pauses. `work` returns results and further jobs, which are run
    first. After an error or Ctrl-C, no job is started, `stop` is set so that nothing is retried, the results of the
    pending jobs are yielded, and then the error is raised. A second Ctrl-C ends the process at once.
    """
    source, queue = iter(jobs), deque[Job]()
    first_error: BaseException | None = None
    pending: set[Future[tuple[Sequence[Result], Sequence[Job]]]] = set()
    stop.clear()
    with _held_interrupts(stop) as interrupted, ThreadPoolExecutor(concurrency) as pool:
        try:
            while True:
                may_start = first_error is None and not interrupted.is_set()
                waits = may_start and (yield from _start(source, queue, pending, concurrency, pool, work, interrupted))
                if not pending and not waits:
                    break
                pause = WAIT_SECONDS if waits else POLL_SECONDS
                if not pending:
                    stop.wait(pause)
                done, pending = wait(pending, timeout=pause, return_when=FIRST_COMPLETED)
                results, error = _results_of(done, queue)
                if error is not None:
                    first_error = first_error or error
                    stop.set()
                yield from results
        finally:
            stop.set()
    if interrupted.is_set():
        interrupted.handle()
        raise KeyboardInterrupt
    if first_error is not None:
        raise first_error


def _start(
    source: Iterator[Step[Job, Result]],
    queue: deque[Job],
    pending: set[Future[tuple[Sequence[Result], Sequence[Job]]]],
    concurrency: int,
    pool: ThreadPoolExecutor,
    work: Callable[[Job], tuple[Sequence[Result], Sequence[Job]]],
    interrupted: threading.Event,
) -> Generator[Result, None, bool]:
    """Start jobs until as many are pending as may be, yield the results that are ready, and return whether to wait."""
    while not interrupted.is_set() and len(pending) < concurrency:
        step = queue.popleft() if queue else next(source, None)
        if step is None:
            return False
        if isinstance(step, Waiting):
            return True
        if isinstance(step, Ready):
            yield from step.results
        else:
            pending.add(pool.submit(work, step))
    return False


def _results_of(
    done: Iterable[Future[tuple[Sequence[Result], Sequence[Job]]]], queue: deque[Job]
) -> tuple[list[Result], BaseException | None]:
    """Return the results of jobs that have ended and the first error, and put their further jobs first."""
    results, first_error = list[Result](), None
    for future in done:
        if (error := future.exception()) is not None:
            first_error = first_error or error
            continue
        found, more = future.result()
        queue.extendleft(reversed(more))
        results += found
    return results, first_error


class _Interruption(threading.Event):
    """The first SIGINT or SIGTERM, and the handler that it would have had."""

    handle: Callable[[], object] = staticmethod(lambda: None)


@contextmanager
def _held_interrupts(stop: threading.Event) -> Iterator[_Interruption]:
    """Record the first SIGINT or SIGTERM instead of raising, so that no write is cut off."""
    interrupted = _Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if interrupted.is_set():
            os._exit(130)  # leaving the pool would wait for its requests; every response received is written
        if callable(earlier := before[number]):
            interrupted.handle = lambda: earlier(number, frame)
        interrupted.set()
        stop.set()
        print("\ninterrupted: finishing the pending requests (interrupt again to exit at once)", file=sys.stderr)

    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, handle)
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
