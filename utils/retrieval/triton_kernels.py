# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
"""Triton kernels: the greatest product of each block of candidates, without writing the products to memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import triton
import triton.language as tl

if TYPE_CHECKING:
    from torch import Tensor

QUERIES, CANDIDATES, DIMS = 128, 128, 64  # per program
WARPS, STAGES = 8, 3


@triton.jit
def _maxima(
    q, c, out, n, m, d, n_blocks, LOWEST: tl.constexpr, IS_INT: tl.constexpr,
    QUERIES: tl.constexpr, CANDIDATES: tl.constexpr, DIMS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(1).to(tl.int64) * QUERIES + tl.arange(0, QUERIES)
    cols = tl.program_id(0).to(tl.int64) * CANDIDATES + tl.arange(0, CANDIDATES)
    sums = tl.zeros((QUERIES, CANDIDATES), dtype=tl.int32 if IS_INT else tl.float32)
    for start in range(0, d, DIMS):
        dims = start + tl.arange(0, DIMS)
        valid = dims < d
        a = tl.load(q + rows[:, None] * d + dims[None, :], mask=(rows[:, None] < n) & valid[None, :], other=0)
        b = tl.load(c + cols[None, :] * d + dims[:, None], mask=(cols[None, :] < m) & valid[:, None], other=0)
        sums = tl.dot(a, b, sums, out_dtype=tl.int32 if IS_INT else tl.float32)
    sums = tl.where(cols[None, :] < m, sums, LOWEST)
    maxima = tl.max(tl.reshape(sums, (QUERIES, CANDIDATES // BLOCK, BLOCK)), axis=2)
    blocks = tl.program_id(0) * (CANDIDATES // BLOCK) + tl.arange(0, CANDIDATES // BLOCK)
    places = out + rows[:, None] * n_blocks + blocks[None, :]
    tl.store(places, maxima, mask=(rows[:, None] < n) & (blocks[None, :] < n_blocks))


@triton.jit
def _in_blocks(
    q, c, query, block, out, m, d, LOWEST: tl.constexpr, IS_INT: tl.constexpr,
    DIMS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    hit = tl.program_id(0).to(tl.int64)
    row = tl.load(query + hit)
    cols = tl.load(block + hit) * BLOCK + tl.arange(0, BLOCK)
    sums = tl.zeros((BLOCK,), dtype=tl.int32 if IS_INT else tl.float32)
    for start in range(0, d, DIMS):
        dims = start + tl.arange(0, DIMS)
        a = tl.load(q + row * d + dims, mask=dims < d, other=0).to(sums.dtype)
        b = tl.load(c + cols[:, None] * d + dims[None, :], mask=(cols[:, None] < m) & (dims[None, :] < d), other=0)
        sums += tl.sum(a[None, :] * b.to(sums.dtype), axis=1)
    tl.store(out + hit * BLOCK + tl.arange(0, BLOCK), tl.where(cols < m, sums, LOWEST))


def block_maxima(queries: Tensor, candidates: Tensor, block: int) -> Tensor:
    """Return the greatest product of each query (n, d) with each block of candidates (m, d): (n, ceil(m / block)).

    int8 rows give int32, bfloat16 rows float32. The last block may be short.
    """
    n, m = len(queries), len(candidates)
    n_blocks = -(-m // block)
    kind, lowest = _sums(queries)
    out = queries.new_empty((n, n_blocks), dtype=kind)
    grid = (triton.cdiv(m, CANDIDATES), triton.cdiv(n, QUERIES))
    _maxima[grid](
        queries, candidates, out, n, m, queries.shape[1], n_blocks, LOWEST=lowest, IS_INT=not kind.is_floating_point,
        QUERIES=QUERIES, CANDIDATES=CANDIDATES, DIMS=DIMS, BLOCK=block, num_warps=WARPS, num_stages=STAGES,
    )  # fmt: skip
    return out


def products_in_blocks(queries: Tensor, candidates: Tensor, query: Tensor, block: Tensor, size: int) -> Tensor:
    """Return the products of the given queries (h,) with all candidates of the given blocks (h,): (h, size)."""
    kind, lowest = _sums(queries)
    out = queries.new_empty((len(query), size), dtype=kind)
    if len(query):
        _in_blocks[(len(query),)](
            queries, candidates, query, block, out, len(candidates), queries.shape[1], LOWEST=lowest,
            IS_INT=not kind.is_floating_point, DIMS=DIMS, BLOCK=size,
        )  # fmt: skip
    return out


def _sums(rows: Tensor) -> tuple[Any, Any]:
    """Return the type of sums of products of such rows, and the lowest value of that type."""
    import torch

    return (torch.int32, -(2**31)) if rows.dtype == torch.int8 else (torch.float32, float("-inf"))
