"""Search of the candidates shard by shard, which bounds memory: one after the other, or on several GPUs at once."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from utils.errors import UserError
from utils.numerics import full_precision
from utils.parallel import Ints, Worker, map_parts
from utils.retrieval.mapped_rows import is_mapped, release
from utils.schema import TopK

if TYPE_CHECKING:
    from torch import Tensor

    from utils.schema import Rows

SearchShard = Callable[[slice, str], TopK]  # the k best of a shard of the candidates, on a device

CPU_BYTES = 1 << 27  # of the rounded rows of a shard, one byte per number
MAPPED_BYTES = 4  # of a number of a mapped shard, which is read in float32: as many bytes as others have when rounded
GPU_SHARE = 0.25  # of the free memory, for the rows of a shard: in float32, rounded, and in transfer
MIN_ROWS = 1024  # a shard is not split below this number of candidates
GPU_ROWS = 100_000  # candidates per GPU below which another GPU does not pay


def search_shards(candidates: Rows | Tensor, k: int, device: str, search: SearchShard) -> TopK:
    """Return the k best of all candidates (m, d) from the k best of each shard, `search(shard, device)`; 1 <= k <= m.

    Equal scores stay in the order of their indices. Raises UserError if a device has no memory for a small shard.
    """
    m = len(candidates)
    size = _shard_rows(candidates, device)
    with full_precision(device), _report_memory(m):
        if size >= m:
            return _search_range(search, 0, m, k, device)
        parts = [np.array([start, min(m, start + size)]) for start in range(0, m, size)]
        best: TopK | None = None
        for part, found in _search_parts(parts, k, device, search):
            found = TopK(found.indices + int(part[0]), found.scores)
            best = found if best is None else merge(best, found, k)
            release(candidates)
    assert best is not None  # m >= 1
    return best


def _search_parts(parts: list[Ints], k: int, device: str, search: SearchShard) -> Iterator[tuple[Ints, TopK]]:
    def work(worker: Worker, part: Ints) -> TopK:
        with _own_stream(worker.device):
            return _search_range(search, int(part[0]), int(part[1]), k, worker.device)

    if device == "cpu":  # one search uses all cores
        return ((part, work(Worker(None, device, 1), part)) for part in parts)
    return map_parts(_gpu_workers(), work, parts)


def _search_range(search: SearchShard, start: int, end: int, k: int, device: str) -> TopK:
    """Return the k best of a shard, by its own indices. If the device runs out of memory, its halves are searched."""
    import torch

    try:
        return search(slice(start, end), device)
    except torch.OutOfMemoryError:
        if end - start < 2 * MIN_ROWS:
            raise
    torch.cuda.empty_cache()
    middle = (start + end) // 2
    print(f"note: out of device memory: a shard of {end - start} candidates is split in halves", file=sys.stderr)
    left, right = (_search_range(search, *ends, k, device) for ends in ((start, middle), (middle, end)))
    return merge(left, TopK(right.indices + middle - start, right.scores), k)


@contextlib.contextmanager
def _report_memory(m: int) -> Iterator[None]:
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        hint = "free the device's memory, or search without --cuda"
        raise UserError(f"the device ran out of memory in a search of {m} candidates", hint) from error


def _gpu_workers() -> list[Worker]:
    """Return two workers per GPU: while one computes, the other transfers its next shard."""
    import torch

    return [Worker(None, f"cuda:{number}", 1) for _ in range(2) for number in range(torch.cuda.device_count())]


def _own_stream(device: str) -> contextlib.AbstractContextManager[object]:
    import torch

    if device == "cpu":
        return contextlib.nullcontext()
    return torch.cuda.stream(torch.cuda.Stream(device))  # type: ignore[no-untyped-call]


def _shard_rows(candidates: Rows | Tensor, device: str) -> int:
    """Return how many candidates are searched at once; of a mapped file fewer, which are in memory meanwhile."""
    m, d = len(candidates), int(np.prod(candidates.shape[1:]))
    if device == "cpu":
        numbers = CPU_BYTES // MAPPED_BYTES if is_mapped(candidates) else CPU_BYTES
        return max(1, numbers // max(d, 1))
    import torch

    n_gpus = torch.cuda.device_count()
    free = min(torch.cuda.mem_get_info(number)[0] for number in range(n_gpus))
    return max(1, min(int(free * GPU_SHARE) // (4 * d), max(GPU_ROWS, -(-m // n_gpus))))


def merge(old: TopK, new: TopK, k: int) -> TopK:
    """Merge two rankings (n, j); all indices of the second are greater than those of the first."""
    scores = np.concatenate((old.scores, new.scores), axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    indices = np.concatenate((old.indices, new.indices), axis=1)
    return TopK(np.take_along_axis(indices, order, 1), np.take_along_axis(scores, order, 1))
