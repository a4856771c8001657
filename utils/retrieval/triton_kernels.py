# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
"""Triton kernels of the scan on GPUs; utils/retrieval/torch_kernels.py computes the same in torch.

A program multiplies a tile of queries with a tile of candidates and compares the products while they are in registers,
so that products are never written to memory. From compute capability 9 on, tiles are loaded through tensor descriptors,
which the tensor memory accelerator copies; other GPUs load them through pointers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

from utils.retrieval.torch_kernels import LINEAR, RATIO, WORD

if TYPE_CHECKING:
    from torch import Tensor

    from utils.retrieval.torch_kernels import Lists, Terms

DESCRIBED = 9  # the compute capability from which tiles are loaded through descriptors
# of a program: queries, candidates, and dimensions at a time; warps, and stages of loading
LARGE, SMALL = (128, 128, 64, 4, 3), (128, 128, 32, 8, 4)
GROUP = 8  # tiles of queries that share tiles of candidates in the second-level cache
PAIRS, PAIR_DIMS = 16, 128  # of a program that multiplies pairs
VALUES = 1024  # of a query that are loaded at once
HALVINGS = 26  # of an interval of values; float32 has 24 significant bits


@triton.jit
def _products(
    q, c, n, m, d, IS_DESCRIBED: tl.constexpr, QUERIES: tl.constexpr, CANDIDATES: tl.constexpr, DIMS: tl.constexpr,
    GROUP: tl.constexpr,
):  # fmt: skip
    """Return the products of this program's tile, float32, and the tile's place in units of tiles."""
    program = tl.program_id(0)
    rows_of_tiles = tl.cdiv(n, QUERIES)
    in_group = GROUP * tl.cdiv(m, CANDIDATES)
    first = program // in_group * GROUP
    size = min(rows_of_tiles - first, GROUP)
    row, col = first + program % in_group % size, program % in_group // size
    sums = tl.zeros((QUERIES, CANDIDATES), dtype=tl.float32)
    if IS_DESCRIBED:
        for start in range(0, d, DIMS):
            sums = tl.dot(q.load([row * QUERIES, start]), c.load([col * CANDIDATES, start]).T, sums)
    else:
        dims = tl.arange(0, DIMS)
        a = q + ((row * QUERIES + tl.arange(0, QUERIES)) % n).to(tl.int64)[:, None] * d + dims[None, :]
        b = c + ((col * CANDIDATES + tl.arange(0, CANDIDATES)) % m).to(tl.int64)[None, :] * d + dims[:, None]
        for start in range(0, d, DIMS):
            left = tl.load(a + start, mask=dims[None, :] < d - start, other=0.0)
            sums = tl.dot(left, tl.load(b + start, mask=dims[:, None] < d - start, other=0.0), sums)
    return sums, row, col


@triton.jit
def _maxima(
    q, c, shift, r, offset, out, n, m, d, n_blocks, KIND: tl.constexpr, LINEAR: tl.constexpr, RATIO: tl.constexpr,
    BLOCK: tl.constexpr, IS_DESCRIBED: tl.constexpr, QUERIES: tl.constexpr, CANDIDATES: tl.constexpr,
    DIMS: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    sums, row, col = _products(q, c, n, m, d, IS_DESCRIBED, QUERIES, CANDIDATES, DIMS, GROUP)
    rows = row * QUERIES + tl.arange(0, QUERIES)
    cols = col * CANDIDATES + tl.arange(0, CANDIDATES)
    if KIND == LINEAR:
        sums -= 0.5 * tl.load(offset + cols, mask=cols < m, other=0.0)[None, :]
    if KIND == RATIO:
        sums += tl.load(shift + rows, mask=rows < n, other=0.0)[:, None]
        halves = 0.5 * tl.load(r + rows, mask=rows < n, other=1.0)
        sums = sums / (halves[:, None] + 0.5 * tl.load(offset + cols, mask=cols < m, other=1.0)[None, :])
    sums = tl.where(cols[None, :] < m, sums, float("-inf"))
    maxima = tl.max(tl.reshape(sums, (QUERIES, CANDIDATES // BLOCK, BLOCK)), axis=2)
    blocks = col * (CANDIDATES // BLOCK) + tl.arange(0, CANDIDATES // BLOCK)
    places = out + rows.to(tl.int64)[:, None] * n_blocks + blocks[None, :]
    tl.store(places, maxima, mask=(rows[:, None] < n) & (blocks[None, :] < n_blocks))


@triton.jit
def _append(
    q, c, bar, slope, offset, counts, words, bits, n, m, d, first, capacity, HAS_OFFSET: tl.constexpr,
    WORD: tl.constexpr, IS_DESCRIBED: tl.constexpr, QUERIES: tl.constexpr, CANDIDATES: tl.constexpr,
    DIMS: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    sums, row, col = _products(q, c, n, m, d, IS_DESCRIBED, QUERIES, CANDIDATES, DIMS, GROUP)
    rows = row * QUERIES + tl.arange(0, QUERIES)
    cols = col * CANDIDATES + tl.arange(0, CANDIDATES)
    if HAS_OFFSET:
        slopes = tl.load(slope + rows, mask=rows < n, other=0.0)
        sums += slopes[:, None] * tl.load(offset + cols, mask=cols < m, other=0.0)[None, :]
    bars = tl.load(bar + rows, mask=rows < n, other=float("inf"))
    hit = (sums >= bars[:, None]) & (cols[None, :] < m)
    n_words: tl.constexpr = CANDIDATES // WORD
    found = tl.sum(tl.reshape(tl.where(hit, (1 << (cols % WORD))[None, :], 0), (QUERIES, n_words, WORD)), axis=2)
    number = first + col * n_words + tl.arange(0, n_words)
    counters = tl.broadcast_to((counts + rows)[:, None], (QUERIES, n_words))
    slot = tl.atomic_add(counters, 1, mask=found != 0, sem="relaxed")
    has_room = (found != 0) & (slot < capacity)
    places = rows.to(tl.int64)[:, None] * capacity + slot
    tl.store(words + places, tl.broadcast_to(number[None, :], (QUERIES, n_words)), mask=has_room)
    tl.store(bits + places, found, mask=has_room)


@triton.jit
def _reached(values, starts, ends, out, k, VALUES: tl.constexpr, HALVINGS: tl.constexpr):
    start, end = tl.load(starts + tl.program_id(0)), tl.load(ends + tl.program_id(0))
    low, high = float("inf"), float("-inf")
    for at in range(start, end, VALUES):
        places = at + tl.arange(0, VALUES)
        low = min(low, tl.min(tl.load(values + places, mask=places < end, other=float("inf"))))
        high = max(high, tl.max(tl.load(values + places, mask=places < end, other=float("-inf"))))
    for _ in range(HALVINGS):
        middle = low + (high - low) * 0.5
        count = 0
        for at in range(start, end, VALUES):
            places = at + tl.arange(0, VALUES)
            some = tl.load(values + places, mask=places < end, other=float("-inf"))
            count += tl.sum((some >= middle).to(tl.int32))
        low, high = tl.where(count >= k, middle, low), tl.where(count >= k, high, middle)
    tl.store(out + tl.program_id(0), tl.where(end - start >= k, low, float("-inf")))


@triton.jit
def _pair_sums(
    q, c, query, candidate, out, s, d, KIND: tl.constexpr, IS_DISTANCE: tl.constexpr,
    PAIRS: tl.constexpr, DIMS: tl.constexpr,
):  # fmt: skip
    pairs = tl.program_id(0).to(tl.int64) * PAIRS + tl.arange(0, PAIRS)
    rows = q + tl.load(query + pairs, mask=pairs < s, other=0)[:, None] * d
    cols = c + tl.load(candidate + pairs, mask=pairs < s, other=0)[:, None] * d
    sums = tl.zeros((PAIRS, DIMS), dtype=KIND)
    for start in range(0, d, DIMS):
        dims = (start + tl.arange(0, DIMS))[None, :]
        a = tl.load(rows + dims, mask=dims < d, other=0.0).to(KIND)
        b = tl.load(cols + dims, mask=dims < d, other=0.0).to(KIND)
        if IS_DISTANCE:
            b -= a
            a = b
        sums += a * b
    tl.store(out + pairs, tl.sum(sums, axis=1), mask=pairs < s)


def block_maxima(queries: Tensor, candidates: Tensor, block: int, terms: Terms) -> Tensor:
    """Return the greatest value of each query (n, d) in each block of candidates (m, d): (n, ceil(m / block))."""
    import torch

    n, m = len(queries), len(candidates)
    out = torch.empty((n, -(-m // block)), device=queries.device)
    shift, r, offset = (out if term is None else term for term in (terms.shift, terms.r, terms.offset))
    tiles, grid, shape = _launch(queries, candidates)
    _maxima[grid](
        *tiles, shift, r, offset, out, n, m, queries.shape[1], out.shape[1], KIND=terms.kind,
        LINEAR=LINEAR, RATIO=RATIO, BLOCK=block, **shape,
    )  # fmt: skip
    return out


def append_hits(
    queries: Tensor, candidates: Tensor, bar: Tensor, slope: Tensor, offset: Tensor | None, first: int, lists: Lists
) -> None:
    """Append the candidates (m, d) whose product + slope * offset reaches the bar of a query (n, d) to its list.

    bar and slope (n,), offset (m,); `first` is the number of the first word.
    """
    n, m = len(queries), len(candidates)
    tiles, grid, shape = _launch(queries, candidates)
    _append[grid](
        *tiles, bar, slope, bar if offset is None else offset, lists.counts, lists.words, lists.bits, n, m,
        queries.shape[1], first, lists.words.shape[1], HAS_OFFSET=offset is not None, WORD=WORD, **shape,
    )  # fmt: skip


def reached_values(values: Tensor, starts: Tensor, ends: Tensor, k: int) -> Tensor:
    """Return values (n,) that k of the values (s,) in [start, end) reach; minus infinity where there are fewer than k.

    They are the k-th greatest values but for rounding, from which they never differ upwards.
    """
    out = values.new_empty(len(starts))
    _reached[(len(starts),)](values, starts, ends, out, k, VALUES=VALUES, HALVINGS=HALVINGS, num_warps=1)
    return out


def pair_sums(
    queries: Tensor, candidates: Tensor, query: Tensor, candidate: Tensor, *, exact: bool, distance: bool = False
) -> Tensor:
    """Return the products of pairs of rows (s,), or their squared distances, summed in float64 if exact."""
    import torch

    s = len(query)
    out = torch.empty(s, dtype=torch.float64 if exact else torch.float32, device=queries.device)
    if s:
        _pair_sums[(triton.cdiv(s, PAIRS),)](
            queries, candidates, query, candidate, out, s, queries.shape[1], KIND=tl.float64 if exact else tl.float32,
            IS_DISTANCE=distance, PAIRS=PAIRS, DIMS=PAIR_DIMS,
        )  # fmt: skip
    return out


def _launch(queries: Tensor, candidates: Tensor) -> tuple[tuple[Any, Any], tuple[int], dict[str, int]]:
    """Return what the tiles of both sides are loaded from, the number of programs, and their shape."""
    is_described = _capability(queries) >= DESCRIBED
    rows, cols, dims, warps, stages = LARGE if is_described else SMALL
    grid = (triton.cdiv(len(queries), rows) * triton.cdiv(len(candidates), cols),)
    shape = {"QUERIES": rows, "CANDIDATES": cols, "DIMS": dims, "GROUP": GROUP, "num_warps": warps}
    how = {"IS_DESCRIBED": is_described, "num_stages": stages, **shape}
    if not is_described:
        return (queries, candidates), grid, how
    q = TensorDescriptor.from_tensor(queries, [rows, dims])  # rows beyond the last one are zeros
    return (q, TensorDescriptor.from_tensor(candidates, [cols, dims])), grid, how


def _capability(rows: Tensor) -> int:
    """Return the major compute capability of the device of these rows; on the CPU, where kernels are interpreted, 9."""
    import torch

    return torch.cuda.get_device_capability(rows.device)[0] if rows.device.type == "cuda" else 9
