"""What the Triton kernels compute, in torch; they are compared with this before they are used.

A value is what a scan compares: a product of two rounded rows, a product minus half an offset of the candidate, or a
product over the mean of a number of the query and one of the candidate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

PRODUCT, LINEAR, RATIO = 0, 1, 2
WORD = 32  # candidates whose bits are stored together


@dataclass(frozen=True)
class Terms:
    """How values follow from products p of n queries with m candidates, all tensors float32.

    PRODUCT: p. LINEAR: p - offset / 2. RATIO: (p + shift) / ((r + offset) / 2). shift (n,), r (n,), offset (m,).
    """

    kind: int = PRODUCT
    shift: Tensor | None = None
    r: Tensor | None = None
    offset: Tensor | None = None


@dataclass(frozen=True)
class Lists:
    """What reached the bars of n queries: counts (n,), words and bits (n, capacity), all int32.

    A word is a number of WORD candidates, and its bits are those of them that reached the bar. counts includes the
    words for which there was no room.
    """

    counts: Tensor
    words: Tensor
    bits: Tensor


def block_maxima(queries: Tensor, candidates: Tensor, block: int, terms: Terms) -> Tensor:
    """Return the greatest value of each query (n, d) in each block of candidates (m, d): (n, ceil(m / block))."""
    import torch

    values = queries.float() @ candidates.float().T
    if terms.kind == LINEAR and terms.offset is not None:
        values -= terms.offset / 2
    if terms.kind == RATIO and terms.shift is not None and terms.r is not None and terms.offset is not None:
        values = (values + terms.shift[:, None]) / ((terms.r[:, None] + terms.offset) / 2)
    padded = torch.nn.functional.pad(values, (0, -len(candidates) % block), value=-torch.inf)
    return padded.view(len(queries), -1, block).amax(dim=2)


def append_hits(
    queries: Tensor, candidates: Tensor, bar: Tensor, slope: Tensor, offset: Tensor | None, first: int, lists: Lists
) -> None:
    """Append the candidates (m, d) whose product + slope * offset reaches the bar of a query (n, d) to its list.

    bar and slope (n,), offset (m,); `first` is the number of the first word.
    """
    import torch

    values = queries.float() @ candidates.float().T
    if offset is not None:
        values += slope[:, None] * offset
    hit = torch.nn.functional.pad(values >= bar[:, None], (0, -len(candidates) % WORD)).view(len(queries), -1, WORD)
    found = (hit << torch.arange(WORD, device=hit.device)).sum(dim=2)  # (n, words), int64
    found = torch.where(found >= 2**31, found - 2**32, found).int()
    query, word = found.nonzero(as_tuple=True)
    n_found = query.bincount(minlength=len(queries))
    slot = torch.arange(len(query), device=query.device) - (n_found.cumsum(0) - n_found)[query] + lists.counts[query]
    has_room = slot < lists.words.shape[1]
    query, word, slot = query[has_room], word[has_room], slot[has_room]
    lists.words[query, slot], lists.bits[query, slot] = (word + first).int(), found[query, word]
    lists.counts.add_(n_found.int())


def reached_values(values: Tensor, starts: Tensor, ends: Tensor, k: int) -> Tensor:
    """Return values (n,) that k of the values (s,) in [start, end) reach; minus infinity where there are fewer than k.

    They are the k-th greatest values.
    """
    out = values.new_full((len(starts),), -float("inf"))
    for number, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        if end - start >= k:
            out[number] = values[start:end].topk(k).values[-1]
    return out


def pair_sums(
    queries: Tensor, candidates: Tensor, query: Tensor, candidate: Tensor, *, exact: bool, distance: bool = False
) -> Tensor:
    """Return the products of pairs of rows (s,), or their squared distances, summed in float64 if exact."""
    import torch

    kind = torch.float64 if exact else torch.float32
    a, b = queries.index_select(0, query).to(kind), candidates.index_select(0, candidate).to(kind)
    found: Tensor = (b - a).square().sum(dim=1) if distance else (a * b).sum(dim=1)
    return found
