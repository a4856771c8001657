"""Values of a tile that are never written where a GPU has Triton: the greatest of each block, the others on demand."""

from __future__ import annotations

import importlib.util
import sys
from functools import lru_cache
from typing import TYPE_CHECKING

from utils.errors import first_line

if TYPE_CHECKING:
    from torch import Tensor


class FusedValues:
    """Products of rounded queries (q, d) and candidates (t, d), by blocks of candidates."""

    def __init__(self, queries: Tensor, candidates: Tensor, block: int) -> None:
        from utils.retrieval.triton_kernels import block_maxima

        self.width, self.block = len(candidates), block
        self._queries, self._candidates = queries.contiguous(), candidates.contiguous()
        self.maxima = block_maxima(self._queries, self._candidates, block)

    def inside(self, query: Tensor, block: Tensor) -> Tensor:
        """Return the values of chosen queries (h,) in chosen blocks (h,), by number: (h, block)."""
        from utils.retrieval.triton_kernels import inside_blocks

        return inside_blocks(self._queries, self._candidates, query, block, self.block)


@lru_cache
def has_kernels(device: str, precision: str) -> bool:
    """Whether the kernels compile here and give the right answers, tried once on some random rows."""
    if device != "cuda" or precision == "fp32" or importlib.util.find_spec("triton") is None:
        return False
    try:
        return _are_right(device, precision)
    except Exception as error:  # compilers fail in many ways, and there is another one
        print(f"note: Triton's kernels do not work here ({first_line(error)}): plain torch searches", file=sys.stderr)
        return False


def _are_right(device: str, precision: str) -> bool:
    """Compare with float64 products: 300 queries, 1,000 candidates, 200 dimensions."""
    import torch

    drawn = torch.Generator().manual_seed(0)
    q, c = (torch.randint(-127, 128, (n, 200), generator=drawn).to(device) for n in (300, 1000))
    kind = torch.int8 if precision == "int8" else torch.bfloat16
    values = FusedValues(q.to(kind), c.to(kind), 32)
    expected = torch.nn.functional.pad(q.double() @ c.double().T, (0, 24), value=-torch.inf).view(300, 32, 32)
    query, block = torch.arange(32, device=device) * 7, torch.arange(32, device=device)
    inside, wanted = values.inside(query, block).double(), expected[query, block]
    there = wanted.isfinite()
    apart = (values.maxima.double() - expected.amax(dim=2)).abs().max(), (inside - wanted)[there].abs().max()
    return bool(max(apart) <= 1.0) and bool((inside[~there] < -1e9).all())
