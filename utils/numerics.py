"""Which number formats a processor multiplies fast, and matrix products that use them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ROUNDING = 1e-4  # allowed difference of two float32 computations, relative to the largest value; deep models reach 1e-5


def nan_hint(dtype: str, flag: str = "--dtype") -> str:
    """Return what to do where a model of a precision (fp32, bf16, fp16) returns NaN or infinity.

    bfloat16 has the range of float32, and overflows no sooner. flag: that chooses the precision.
    """
    if dtype == "fp16":
        return f"half precision may have overflowed: use {flag} bf16 or fp32"
    weights = "its weights may have NaN or infinity in them: save or download the checkpoint again"
    return weights if dtype == "fp32" else f"{weights}, or try {flag} fp32"


@lru_cache
def int8_is_exact() -> bool:
    """Whether int8 products are exact on this processor; older ones add pairs in 16 bits, which saturates."""
    import torch

    rows = torch.full((32, 64), 127, dtype=torch.int8)
    try:
        found = torch._int_mm(rows, rows.t())
        mixed = torch._int_mm(-rows, rows.t())
    except RuntimeError:
        return False
    return bool((found == 64 * 127 * 127).all() and (mixed == -64 * 127 * 127).all())


def has_fast_bf16(device: torch.device) -> bool:
    """Whether bfloat16 products are faster than float32 products on this device."""
    import torch

    if device.type == "cuda":
        return True
    flags = torch.backends.cpu.get_cpu_capability()
    return "AVX512" in flags and "avx512_bf16" in _cpu_info()


@lru_cache
def _cpu_info() -> frozenset[str]:
    """Return the words of /proc/cpuinfo, or none if the system does not have it."""
    try:
        return frozenset(Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split())
    except OSError:
        return frozenset()


@lru_cache
def prefers_onednn() -> bool:
    """Whether oneDNN's float32 products are faster than MKL's, as on AMD processors, where MKL runs at half speed."""
    import torch

    has_both = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool(has_both and "AuthenticAMD" in _cpu_info() and hasattr(torch.ops.mkldnn, "_linear_pointwise"))


@contextmanager
def full_precision(device: str) -> Iterator[None]:
    """Within this context a GPU computes float32 products without TF32 and sums bfloat16 products in float32."""
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


def use_attention_of_any_shape(device: str) -> None:
    """Leave cuDNN's attention out on a GPU: it builds a plan for each shape of a batch, which takes 20 to 400 ms.

    Batches of texts hardly ever have the same shape twice. Torch's own kernels need no plans.
    """
    import torch

    if device != "cpu":
        torch.backends.cuda.enable_cudnn_sdp(False)


def products(queries: Tensor, rows: Tensor) -> Tensor:
    """Return the products of queries (n, d) and rows (m, d) in their precision: (n, m)."""
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


def accelerate_linear_layers(model: torch.nn.Module, probe: Callable[[], Tensor]) -> bool:
    """Compute the linear layers of a float32 model on the CPU by oneDNN if that is faster; return whether it is done.

    `probe` runs the model on a small input. If it fails with oneDNN, or its values change by more than rounding, the
    model is restored. If it fails without, so will the first use of the model, which says of what.
    """
    import torch

    layers = [
        layer
        for layer in model.modules()
        if type(layer) is torch.nn.Linear and layer.weight.device.type == "cpu" and _is_float32(layer.weight)
    ]
    if not layers or not prefers_onednn():
        return False
    try:
        with torch.inference_mode():
            before = probe()
    except Exception:  # code and values of a checkpoint fail in any way
        return False
    for layer in layers:
        layer.forward = partial(_forward, layer)  # type: ignore[method-assign]
    if _gives_same_values(before, probe):
        return True
    for layer in layers:
        del layer.forward
    return False


def _forward(layer: torch.nn.Linear, values: Tensor) -> Tensor:
    return _onednn(values, layer.weight, layer.bias)


def _gives_same_values(before: Tensor, probe: Callable[[], Tensor]) -> bool:
    import torch

    try:
        with torch.inference_mode():
            after = probe()
    except (RuntimeError, TypeError, AttributeError, NotImplementedError):
        return False
    limit = ROUNDING * max(1.0, float(before.abs().max()))
    return bool(after.shape == before.shape and (after - before).abs().max() <= limit)
