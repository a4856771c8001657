"""Candidates slab by slab, so that memory is the slab's: on one device after another, or on several at once; pure."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from utils.errors import UserError
from utils.numerics import full_precision
from utils.parallel import Ints, Lane, over_lanes
from utils.schema import TopK

if TYPE_CHECKING:
    from torch import Tensor

    from utils.schema import Rows

CPU_BYTES = 1 << 27  # of a slab's rounded rows, a byte a number
GPU_SHARE = 0.25  # of the free memory, for a slab's rows: float32, rounded, and on their way
FEWEST = 1024  # candidates that any device can hold
GPU_ROWS = 100_000  # fewer are not worth another GPU


def search_shards(candidates: Rows | Tensor, k: int, device: str, one: Callable[[slice, str], TopK]) -> TopK:
    """Return the k best over all candidates (m, d), from the k best of each slab: `one(slab, device)`.

    Equal scores stay in the order of their indices. Raises UserError for k > m.
    """
    m = len(candidates)
    if not 1 <= k <= m:
        raise UserError(f"k = {k}, but there are {m} candidates", f"give 1 to {m}" if m else "are there any texts?")
    size = _slab_rows(m, int(np.prod(candidates.shape[1:])), device)
    with full_precision(device), _told_of_memory(m):
        if size >= m:
            return _searched(one, 0, m, k, device)
        parts = [np.array([start, min(m, start + size)]) for start in range(0, m, size)]
        best: TopK | None = None
        for part, found in _in_turn(parts, k, device, one):
            found = TopK(found.indices + int(part[0]), found.scores)
            best = found if best is None else _merged(best, found, k)
    assert best is not None  # m >= 1
    return best


def _in_turn(parts: list[Ints], k: int, device: str, one: Callable[[slice, str], TopK]) -> Iterator[tuple[Ints, TopK]]:
    def work(lane: Lane, part: Ints) -> TopK:
        with _own_stream(lane.device):
            return _searched(one, int(part[0]), int(part[1]), k, lane.device)

    if device == "cpu":  # a search has all cores
        return ((part, work(Lane(None, device, 1), part)) for part in parts)
    return over_lanes(_gpu_pairs(), work, parts)


def _searched(one: Callable[[slice, str], TopK], start: int, end: int, k: int, device: str) -> TopK:
    """Return the k best of a slab, by its own indices; it is halved where the device has no memory for it."""
    import torch

    try:
        return one(slice(start, end), device)
    except torch.OutOfMemoryError:
        if end - start < 2 * FEWEST:
            raise
    torch.cuda.empty_cache()
    middle = (start + end) // 2
    print(f"note: out of device memory: {end - start} candidates at once become two halves", file=sys.stderr)
    left, right = (_searched(one, *ends, k, device) for ends in ((start, middle), (middle, end)))
    return _merged(left, TopK(right.indices + middle - start, right.scores), k)


@contextlib.contextmanager
def _told_of_memory(m: int) -> Iterator[None]:
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        hint = "free the device's memory, or search without --cuda"
        raise UserError(f"the device runs out of memory in a search of {m} candidates", hint) from error


def _gpu_pairs() -> list[Lane]:
    """Return two lanes for each GPU: while one computes, the other fetches its next slab."""
    import torch

    return [Lane(None, f"cuda:{number}", 1) for _ in range(2) for number in range(torch.cuda.device_count())]


def _own_stream(device: str) -> contextlib.AbstractContextManager[object]:
    import torch

    if device == "cpu":
        return contextlib.nullcontext()
    return torch.cuda.stream(torch.cuda.Stream(device))  # type: ignore[no-untyped-call]


def _slab_rows(m: int, d: int, device: str) -> int:
    """Return how many candidates are searched at once."""
    if device == "cpu":
        return max(1, CPU_BYTES // max(d, 1))
    import torch

    n_gpus = torch.cuda.device_count()
    free = min(torch.cuda.mem_get_info(number)[0] for number in range(n_gpus))
    return max(1, min(int(free * GPU_SHARE) // (4 * d), max(GPU_ROWS, -(-m // n_gpus))))


def _merged(old: TopK, new: TopK, k: int) -> TopK:
    """Join two rankings (n, j), the candidates of the second all behind those of the first."""
    scores = np.concatenate((old.scores, new.scores), axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    indices = np.concatenate((old.indices, new.indices), axis=1)
    return TopK(np.take_along_axis(indices, order, 1), np.take_along_axis(scores, order, 1))
