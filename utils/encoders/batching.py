"""Group texts into batches by their numbers of tokens; pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
TOKENS = {"cpu": 1024, "cuda": 65_536}  # per batch: what the caches of a core hold, and what keeps a GPU busy


def batches(lengths: Ints, most_tokens: int | None, most_texts: int | None, *, equal: bool = False) -> list[Ints]:
    """Return batches of indices, longest texts first, which stay within both limits when padded (None: no limit).

    lengths: the texts' numbers of tokens (n,). A text longer than the limit is a batch of its own. Texts of equal
    length keep their order, so the batches depend on the lengths only. equal: whether a batch has texts of one length
    only, so that none is padded.
    """
    order = np.argsort(-lengths, kind="stable")
    found: list[Ints] = []
    start = 0
    while start < len(order):
        width = max(int(lengths[order[start]]), 1)
        size = len(order) if most_tokens is None else max(1, most_tokens // width)
        size = min(size, most_texts or size)
        if equal:
            size = min(size, int((lengths[order[start:]] == lengths[order[start]]).sum()))
        found.append(order[start : start + size])
        start += size
    return found
