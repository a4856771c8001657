"""Texts into batches of about as many tokens, and batches onto the processor's cores or several GPUs."""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Ints = npt.NDArray[np.int64]
TOKENS = {"cpu": 1024, "cuda": 32_768}  # a batch: what caches of a core hold, what keeps a GPU busy
LANES = 16  # batches computed at once on the CPU, at most


def batches(lengths: Ints, most_tokens: int | None, most_texts: int | None) -> list[Ints]:
    """Group texts of these lengths (n,) in tokens, longest first, so that padded batches stay within both limits.

    A text longer than the limit is a batch alone. Equal lengths keep their order, so the batches depend on it alone.
    """
    order = np.argsort(-lengths, kind="stable")
    found: list[Ints] = []
    start = 0
    while start < len(order):
        width = max(int(lengths[order[start]]), 1)
        size = len(order) if most_tokens is None else max(1, most_tokens // width)
        size = min(size, most_texts or size)
        found.append(order[start : start + size])
        start += size
    return found


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
    lanes: Sequence[Lane], work: Callable[[Lane, Ints], torch.Tensor], parts: Sequence[Ints]
) -> Iterator[tuple[Ints, torch.Tensor]]:
    """Yield each part with its rows, in the parts' order; a part is halved where a device has no memory for it."""
    free: queue.SimpleQueue[Lane] = queue.SimpleQueue()
    for lane in lanes:
        free.put(lane)

    def run(part: Ints) -> list[tuple[Ints, torch.Tensor]]:
        import torch

        lane = free.get()
        try:
            if lane.device == "cpu":
                torch.set_num_threads(lane.threads)
            with torch.inference_mode():
                return _halving(lambda some: work(lane, some), part)
        finally:
            free.put(lane)

    with _restored_threads(), _pool(len(lanes)) as pool:
        for future in [pool.submit(run, part) for part in parts]:
            yield from _result(future)


def _result(future: Future[list[tuple[Ints, torch.Tensor]]]) -> list[tuple[Ints, torch.Tensor]]:
    return future.result()


def _halving(work: Callable[[Ints], torch.Tensor], part: Ints) -> list[tuple[Ints, torch.Tensor]]:
    import torch

    try:
        return [(part, work(part))]
    except torch.OutOfMemoryError:
        if len(part) == 1:
            raise
    torch.cuda.empty_cache()
    print(f"note: out of device memory: {len(part)} texts are encoded in two halves", file=sys.stderr)
    middle = len(part) // 2
    return [*_halving(work, part[:middle]), *_halving(work, part[middle:])]


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
