"""Work side by side: a lane for each core of the processor, or for each GPU; pure."""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Found = TypeVar("Found")
LANES = 16  # on the CPU, at most


@dataclass(frozen=True)
class Lane:
    """Where a batch is computed: a device's copy of the model, and how many threads it may use there."""

    model: Any
    device: str
    threads: int


def cpu_lanes(model: Any) -> list[Lane]:
    """Return one lane a core, all of the same model: whole batches side by side need no waiting for each other."""
    import torch

    threads = torch.get_num_threads()
    n_lanes = min(threads, LANES)
    return [Lane(model, "cpu", threads // n_lanes)] * n_lanes


def gpu_lanes(model: Any) -> list[Lane]:
    """Return a lane for each GPU, every one with a copy of the model, which stands on the first."""
    import copy

    import torch

    others = [Lane(copy.deepcopy(model).to(f"cuda:{i}"), f"cuda:{i}", 1) for i in range(1, torch.cuda.device_count())]
    return [Lane(model, "cuda:0", 1), *others]


def over_lanes(
    lanes: Sequence[Lane], work: Callable[[Lane, Ints], Found], parts: Sequence[Ints], name: str = ""
) -> Iterator[tuple[Ints, Found]]:
    """Yield each part with what is found for it, in order.

    A part is halved where a device has no memory for it, which is said in the name of what it holds; without a name
    the error is raised.
    """
    free: queue.SimpleQueue[Lane] = queue.SimpleQueue()
    for lane in lanes:
        free.put(lane)

    def run(part: Ints) -> list[tuple[Ints, Found]]:
        import torch

        lane = free.get()
        try:
            if lane.device == "cpu":
                torch.set_num_threads(lane.threads)
            with torch.inference_mode():
                return _halving(lambda some: work(lane, some), part, name)
        finally:
            free.put(lane)

    if len(lanes) == 1:
        with _restored_threads():
            for part in parts:
                yield from run(part)
        return
    with _restored_threads(), _pool(len(lanes)) as pool:
        for future in [pool.submit(run, part) for part in parts]:
            yield from future.result()


def _halving(work: Callable[[Ints], Found], part: Ints, name: str) -> list[tuple[Ints, Found]]:
    import torch

    try:
        return [(part, work(part))]
    except torch.OutOfMemoryError:
        if len(part) == 1 or not name:
            raise
    torch.cuda.empty_cache()
    print(f"note: out of device memory: {len(part)} {name} at once become two halves", file=sys.stderr)
    middle = len(part) // 2
    return [*_halving(work, part[:middle], name), *_halving(work, part[middle:], name)]


@contextmanager
def _restored_threads() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _pool(n_threads: int) -> Iterator[ThreadPoolExecutor]:
    """A pool whose waiting work is dropped when an error or an interruption ends it."""
    pool = ThreadPoolExecutor(n_threads)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
