"""Texts into batches of about as many tokens; pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
TOKENS = {"cpu": 1024, "cuda": 32_768}  # a batch: what caches of a core hold, what keeps a GPU busy


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
