"""Which arithmetic a processor does fast, and matrix products in it; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ROUNDING = 1e-4  # how far two float32 ways may be apart, as a multiple of the largest value (deep models add up 1e-5)


@lru_cache
def int8_is_exact() -> bool:
    """Whether integer products are computed without saturation here (older processors add pairs in 16 bits)."""
    import torch

    rows = torch.full((32, 64), 127, dtype=torch.int8)
    try:
        found = torch._int_mm(rows, rows.t())
        mixed = torch._int_mm(-rows, rows.t())
    except RuntimeError:
        return False
    return bool((found == 64 * 127 * 127).all() and (mixed == -64 * 127 * 127).all())


def has_fast_bf16(device: torch.device) -> bool:
    """Whether bfloat16 products are faster than float32 ones on this device."""
    import torch

    if device.type == "cuda":
        return True
    flags = torch.backends.cpu.get_cpu_capability()
    return "AVX512" in flags and "avx512_bf16" in _cpu_info()


@lru_cache
def _cpu_info() -> frozenset[str]:
    """Return the words of the system's description of its processor; none where it gives none."""
    try:
        return frozenset(Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split())
    except OSError:
        return frozenset()


@lru_cache
def prefers_onednn() -> bool:
    """Whether oneDNN's float32 products beat the default ones: MKL runs at half speed on AMD's processors."""
    import torch

    has_both = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool(has_both and "AuthenticAMD" in _cpu_info() and hasattr(torch.ops.mkldnn, "_linear_pointwise"))


@contextmanager
def full_precision(device: str) -> Iterator[None]:
    """While a GPU searches, float32 products are float32 (no TF32), and bfloat16 ones are summed in float32."""
    import torch

    if device == "cpu":
        yield
        return
    matmul = torch.backends.cuda.matmul
    before = torch.get_float32_matmul_precision(), matmul.allow_bf16_reduced_precision_reduction
    try:
        torch.set_float32_matmul_precision("highest")
        matmul.allow_bf16_reduced_precision_reduction = False
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        matmul.allow_bf16_reduced_precision_reduction = before[1]


def products(queries: Tensor, rows: Tensor) -> Tensor:
    """Return queries (n, d) times rows (m, d): (n, m), in their precision, the fastest way."""
    if rows.device.type == "cpu" and _is_float32(queries, rows) and prefers_onednn():
        return _onednn(queries, rows, None)
    return queries @ rows.T


def _is_float32(*tensors: Tensor) -> bool:
    import torch

    return all(tensor.dtype == torch.float32 for tensor in tensors)


def _onednn(values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    import torch

    if not values.numel():
        return values.new_empty((*values.shape[:-1], len(weight)))
    found: Tensor = torch.ops.mkldnn._linear_pointwise(values.contiguous(), weight, bias, "none", [], "")
    return found


def quicken(model: torch.nn.Module, probe: Callable[[], Tensor]) -> bool:
    """Let a float32 model on the CPU compute its linear layers by oneDNN where that is faster; say whether it does.

    `probe` runs the model on something small: where that fails afterwards, or gives other values than before (by more
    than rounding), everything is put back.
    """
    import torch

    layers = [
        layer
        for layer in model.modules()
        if type(layer) is torch.nn.Linear and layer.weight.device.type == "cpu" and _is_float32(layer.weight)
    ]
    if not layers or not prefers_onednn():
        return False
    with torch.inference_mode():
        before = probe()
    for layer in layers:
        layer.forward = partial(_forward, layer)  # type: ignore[method-assign]
    if _agrees(before, probe):
        return True
    for layer in layers:
        del layer.forward
    return False


def _forward(layer: torch.nn.Linear, values: Tensor) -> Tensor:
    return _onednn(values, layer.weight, layer.bias)


def _agrees(before: Tensor, probe: Callable[[], Tensor]) -> bool:
    import torch

    try:
        with torch.inference_mode():
            after = probe()
    except (RuntimeError, TypeError, AttributeError, NotImplementedError):
        return False
    limit = ROUNDING * max(1.0, float(before.abs().max()))
    return bool(after.shape == before.shape and (after - before).abs().max() <= limit)
