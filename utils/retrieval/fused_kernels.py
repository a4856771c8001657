"""Block maxima of a tile of products without materialising the products, on GPUs with Triton."""

from __future__ import annotations

import importlib.util
import sys
from functools import lru_cache
from typing import TYPE_CHECKING

from utils.errors import first_line

if TYPE_CHECKING:
    from torch import Tensor


class FusedValues:
    """Products of rounded queries (q, d) and candidates (t, d): maxima of blocks at once, single values on demand."""

    def __init__(self, queries: Tensor, candidates: Tensor, block: int) -> None:
        from utils.retrieval.triton_kernels import block_maxima

        self.width, self.block = len(candidates), block
        self._queries, self._candidates = queries.contiguous(), candidates.contiguous()
        self.maxima = block_maxima(self._queries, self._candidates, block)

    def in_blocks(self, query: Tensor, block: Tensor) -> Tensor:
        """Return the values of the given queries (h,) in the given blocks (h,), both by number: (h, block)."""
        from utils.retrieval.triton_kernels import products_in_blocks

        return products_in_blocks(self._queries, self._candidates, query, block, self.block)


@lru_cache
def has_kernels(device: str, precision: str) -> bool:
    """Whether the kernels compile and give correct results on this machine; tried once on random rows."""
    if device != "cuda" or precision == "fp32" or importlib.util.find_spec("triton") is None:
        return False
    try:
        return _are_correct(device, precision)
    except Exception as error:  # compilers fail in many ways, and torch can do the same
        reason = first_line(error)
        print(f"note: the Triton kernels fail on this machine ({reason}); torch is used instead", file=sys.stderr)
        return False


def _are_correct(device: str, precision: str) -> bool:
    """Compare the kernels with float64 products of 300 queries and 1,000 candidates in 200 dimensions."""
    import torch

    drawn = torch.Generator().manual_seed(0)
    q, c = (torch.randint(-127, 128, (n, 200), generator=drawn).to(device) for n in (300, 1000))
    kind = torch.int8 if precision == "int8" else torch.bfloat16
    values = FusedValues(q.to(kind), c.to(kind), 32)
    expected = torch.nn.functional.pad(q.double() @ c.double().T, (0, 24), value=-torch.inf).view(300, 32, 32)
    query, block = torch.arange(32, device=device) * 7, torch.arange(32, device=device)
    in_blocks, wanted = values.in_blocks(query, block).double(), expected[query, block]
    real = wanted.isfinite()
    apart = (values.maxima.double() - expected.amax(dim=2)).abs().max(), (in_blocks - wanted)[real].abs().max()
    return bool(max(apart) <= 1.0) and bool((in_blocks[~real] < -1e9).all())
