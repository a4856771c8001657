"""Batches of prompts that fit into the memory of a device: by their tokens, and smaller ones when it runs out."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from utils.errors import UserError

LOGIT_BYTES = 1 << 28  # bound on the logits at once on a CPU; eight times as much on a GPU
TOKENS = {"cpu": 512, "cuda": 32768}  # per batch; on a CPU, larger batches only add padding
WRITTEN = {"cpu": 4096, "cuda": 32768}  # the same of answers that are generated: each step reads all weights once

Result = TypeVar("Result")


@dataclass(frozen=True)
class Size:
    """What a text needs of a batch: tokens, and rows of logits over the vocabulary."""

    tokens: int
    logit_rows: int = 0


@dataclass
class BatchLimits:
    """Bounds on what passes through the model at once; halved when the device runs out of memory."""

    tokens: int
    logit_rows: int

    def shrink(self, n_texts: int, n_tokens: int) -> None:
        """Halve the bounds, given the batch that was too large; UserError where they cannot be halved."""
        if n_texts == 1 and self.logit_rows == 1:
            raise UserError(
                f"out of device memory on one prompt of {n_tokens} tokens", "use a smaller --k, or --load_in_8bit"
            )
        self.tokens = min(self.tokens, n_tokens) // 2
        self.logit_rows = max(1, self.logit_rows // 2)


def limits_for(device: str, vocabulary: int) -> tuple[BatchLimits, BatchLimits]:
    """Return the bounds for scoring and for generating on a device: tokens, and rows of logits over the vocabulary."""
    logit_rows = max(1, LOGIT_BYTES * (1 if device == "cpu" else 8) // (4 * vocabulary))
    return BatchLimits(TOKENS[device], logit_rows), BatchLimits(WRITTEN[device], logit_rows)


def in_batches(
    work: Callable[[list[int]], Sequence[Result]], order: Sequence[int], sizes: Sequence[Size], limits: BatchLimits
) -> Iterator[tuple[int, Result]]:
    """Yield each index of `order`, longest first, with the result of `work`, which takes the indices of a batch.

    A batch has at most `limits.tokens` tokens, padding included, and `limits.logit_rows` rows of logits; a text that
    needs more is a batch of its own. When the device runs out of memory, the limits are halved, a note says so, and a
    smaller batch is formed.
    """
    start = 0
    while start < len(order):
        longest = sizes[order[start]].tokens
        chosen = list(order[start : start + max(1, limits.tokens // longest)])
        rows = itertools.accumulate(sizes[index].logit_rows for index in chosen)
        chosen = chosen[: max(1, sum(n <= limits.logit_rows for n in rows))]
        results = _unless_out_of_memory(work, chosen)
        if results is None:
            limits.shrink(len(chosen), longest * len(chosen))
            what = f"a batch of {len(chosen)} prompts is" if len(chosen) > 1 else "the logits of one prompt are"
            print(f"note: out of device memory: {what} split in halves", file=sys.stderr)
            continue
        yield from zip(chosen, results, strict=True)
        start += len(chosen)


def _unless_out_of_memory(work: Callable[[list[int]], Sequence[Result]], chosen: list[int]) -> Sequence[Result] | None:
    """Return what `work` returns, or None, with the unused memory given back, if the device has too little."""
    import torch

    try:
        return work(chosen)
    except torch.OutOfMemoryError:
        pass  # until here, the error holds everything that the batch had computed
    torch.cuda.empty_cache()
    return None
