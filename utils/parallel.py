"""Parallel work on parts of the input: one worker per CPU core or per GPU."""

from __future__ import annotations

import queue
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Result = TypeVar("Result")
Item = TypeVar("Item")
MAX_WORKERS = 16  # on the CPU
AHEAD = 2  # results that a thread computes before they are used


@dataclass(frozen=True)
class Worker:
    """What computes a batch: the copy of the model on a device, and how many threads it may use."""

    model: Any
    device: str
    threads: int


def cpu_workers(model: Any) -> list[Worker]:
    """Return one worker per core, all with the same model. Batches run in parallel without synchronisation."""
    import torch

    threads = torch.get_num_threads()
    n_workers = min(threads, MAX_WORKERS)
    return [Worker(model, "cpu", threads // n_workers)] * n_workers


def gpu_workers(model: Any) -> list[Worker]:
    """Return one worker per GPU, each with a copy of the model, which is on the first GPU."""
    import copy

    import torch

    others = [Worker(copy.deepcopy(model).to(f"cuda:{i}"), f"cuda:{i}", 1) for i in range(1, torch.cuda.device_count())]
    return [Worker(model, "cuda:0", 1), *others]


def map_parts(
    workers: Sequence[Worker], work: Callable[[Worker, Ints], Result], parts: Sequence[Ints], name: str = ""
) -> Iterator[tuple[Ints, Result]]:
    """Yield each part and the result of `work` for it, in order.

    A part for which a device runs out of memory is split in halves, and a note names what it holds (`name`, such as
    "texts"). Without a name the error is raised.
    """
    free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
    for worker in workers:
        free.put(worker)

    def run(part: Ints) -> list[tuple[Ints, Result]]:
        import torch

        worker = free.get()
        try:
            if worker.device == "cpu":
                torch.set_num_threads(worker.threads)
            with torch.inference_mode():
                return _split_for_memory(lambda some: work(worker, some), part, name)
        finally:
            free.put(worker)

    if len(workers) == 1:
        with restored_threads():
            for part in parts:
                yield from run(part)
        return
    with restored_threads(), _pool(len(workers)) as pool:
        for future in [pool.submit(run, part) for part in parts]:
            yield from future.result()


def ahead(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield the result of `work` for each item, in order; a thread computes up to AHEAD of them before they are used.

    A single item is computed by the caller's own thread.
    """
    if len(items) < 2:
        yield from map(work, items)
        return
    with _pool(1) as pool:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _split_for_memory(work: Callable[[Ints], Result], part: Ints, name: str) -> list[tuple[Ints, Result]]:
    import torch

    try:
        return [(part, work(part))]
    except torch.OutOfMemoryError:
        if len(part) == 1 or not name:
            raise
    torch.cuda.empty_cache()
    print(f"note: out of device memory: a batch of {len(part)} {name} is split in halves", file=sys.stderr)
    middle = len(part) // 2
    return [*_split_for_memory(work, part[:middle], name), *_split_for_memory(work, part[middle:], name)]


@contextmanager
def restored_threads(within: int | None = None) -> Iterator[None]:
    """Give torch its number of threads back at the end; `within` is the number until then, None for the same."""
    import torch

    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(within or threads)
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _pool(n_threads: int) -> Iterator[ThreadPoolExecutor]:
    """A thread pool that cancels pending work when an error or an interruption ends it."""
    pool = ThreadPoolExecutor(n_threads)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
