"""Which kernels a GPU's scan uses: Triton's where they compile and give correct results, otherwise none."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from utils.errors import first_line
from utils.retrieval import torch_kernels
from utils.retrieval.torch_kernels import LINEAR, PRODUCT, RATIO, WORD, Lists, Terms

if TYPE_CHECKING:
    import torch
    from torch import Tensor


LEAST_CAPABILITY = 8  # the compute capability from which GPUs multiply bfloat16


class Kernels(Protocol):
    """The functions of utils/retrieval/torch_kernels.py, or of another module that computes the same."""

    def block_maxima(self, queries: Tensor, candidates: Tensor, block: int, terms: Terms) -> Tensor:
        """Return the greatest value of each query in each block of candidates."""
        ...

    def append_hits(
        self, queries: Tensor, candidates: Tensor, bar: Tensor, slope: Tensor, offset: Tensor | None, first: int,
        lists: Lists,
    ) -> None:  # fmt: skip
        """Append the candidates that reach a query's bar to its list."""
        ...

    def reached_values(self, values: Tensor, starts: Tensor, ends: Tensor, k: int) -> Tensor:
        """Return the values that k of the values of each query reach."""
        ...

    def pair_sums(
        self, queries: Tensor, candidates: Tensor, query: Tensor, candidate: Tensor, *, exact: bool,
        distance: bool = False,
    ) -> Tensor:  # fmt: skip
        """Return the products or squared distances of pairs of rows."""
        ...


def fused_kernels(device: torch.device) -> Kernels | None:
    """Return the kernels for a device; None if it is not a GPU, or if they fail there, which is tried once."""
    import torch

    if device.type != "cuda" or torch.version.hip or torch.cuda.get_device_capability(device)[0] < LEAST_CAPABILITY:
        return None
    return _triton_kernels()


@lru_cache
def _triton_kernels() -> Kernels | None:
    import torch

    if importlib.util.find_spec("triton") is None:
        return None
    try:
        found: Kernels = importlib.import_module("utils.retrieval.triton_kernels")
        fault = first_fault(found, "cuda", torch.bfloat16)
    except Exception as error:  # compilers fail in many ways, and torch can do the same
        fault = first_line(error) or type(error).__name__
    if not fault:
        return found
    print(f"note: the Triton kernels fail on this machine ({fault}); torch is used instead", file=sys.stderr)
    return None


def first_fault(kernels: Kernels, device: str, kind: torch.dtype) -> str:
    """Return the name of the first function that differs from torch's on small whole numbers; empty if none does."""
    import torch

    drawn = torch.Generator().manual_seed(0)
    q, c = (torch.randint(-8, 9, (n, 200), generator=drawn).to(device, kind) for n in (300, 1000))  # exact in bfloat16
    r, offset = torch.rand(300, generator=drawn).to(device) + 1, torch.rand(1000, generator=drawn).to(device) + 1
    for terms in (Terms(PRODUCT), Terms(LINEAR, offset=offset), Terms(RATIO, r, r, offset)):
        ours, theirs = (each.block_maxima(q, c, 16, terms) for each in (kernels, torch_kernels))
        if not torch.allclose(ours, theirs, rtol=1e-6, atol=1e-4):
            return "block_maxima"
    found = [_hits(each, q, c, r, offset) for each in (kernels, torch_kernels)]
    if not all(torch.equal(*both) for both in zip(*found, strict=True)):
        return "append_hits"
    values, ends = torch.rand(3000, generator=drawn).to(device), torch.tensor([0, 5, 1500, 3000], device=device)
    reached = [each.reached_values(values, ends.roll(1) * (ends > 0), ends, 7) for each in (kernels, torch_kernels)]
    if not ((reached[0] <= reached[1]) & (reached[0] >= reached[1] - 1e-6) | (reached[0] == reached[1])).all():
        return "reached_values"
    pairs = torch.arange(300, device=device), torch.arange(300, device=device) * 3
    for exact, distance in ((False, False), (True, False), (True, True)):
        ours, theirs = (
            each.pair_sums(q.float(), c.float(), *pairs, exact=exact, distance=distance)
            for each in (kernels, torch_kernels)
        )
        if not ours.equal(theirs):
            return "pair_sums"
    return ""


def _hits(kernels: Kernels, q: Tensor, c: Tensor, r: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """Return the counts of two calls, one with offsets, and the words and their bits, in order."""
    import torch

    counts = torch.zeros(len(q), dtype=torch.int32, device=q.device)
    lists = Lists(counts, *(counts.new_zeros((len(q), 64)) for _ in range(2)))
    half = len(c) // 2 // WORD * WORD
    kernels.append_hits(q, c[:half], r * 400, -r, None, 0, lists)
    kernels.append_hits(q, c[half:], r * 400, -r, offset[half:], half // WORD, lists)
    both = (lists.words.long() * 2**32 + lists.bits.long() % 2**32).sort(dim=1).values
    return counts, both
