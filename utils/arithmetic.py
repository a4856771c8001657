"""Which arithmetic a processor does fast, and matrix products in it; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


class Candidates:
    """Rows (m, d) that many products with queries are taken of, in the layout that the processor wants."""

    def __init__(self, rows: Tensor) -> None:
        import torch

        packed = rows.device.type == "cpu" and rows.dtype == torch.float32 and prefers_onednn()
        self._rows: Any = rows.to_mkldnn() if packed else rows
        self._packed = packed

    def products(self, queries: Tensor) -> Tensor:
        """Return queries (n, d) times these rows: (n, m), in the rows' precision."""
        return _onednn(queries, self._rows, None) if self._packed else queries @ self._rows.T


def _onednn(values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    import torch

    found: Tensor = torch.ops.mkldnn._linear_pointwise(values, weight, bias, "none", [], "")
    return found


def quicken(model: torch.nn.Module, probe: Callable[[], Tensor]) -> bool:
    """Let a float32 model on the CPU compute its linear layers by oneDNN where that is faster; say whether it does.

    `probe` runs the model on something small: where that fails afterwards, or gives other values than before (by more
    than rounding), everything is put back. Layers that share their weights with others stay as they are.
    """
    import torch

    layers = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent._modules.items()  # named_children leaves out what comes twice
        if type(child) is torch.nn.Linear
    ]
    first = next(model.parameters(), None)
    if not layers or first is None or first.device.type != "cpu" or not prefers_onednn():
        return False
    with torch.inference_mode():
        before = probe()
    uses: dict[int, int] = {}
    for module in model.modules():
        for weight in module.parameters(recurse=False):
            uses[weight.data_ptr()] = uses.get(weight.data_ptr(), 0) + 1
    packed: dict[int, torch.nn.Module] = {}  # a layer may have several parents
    for parent, name, child in layers:
        if id(child) not in packed and uses[child.weight.data_ptr()] == 1 and child.weight.dtype == torch.float32:
            packed[id(child)] = _onednn_linear(child)
        setattr(parent, name, packed.get(id(child), child))
    if not packed or _agrees(before, probe):
        return bool(packed)
    for parent, name, _ in layers:
        _restore(parent, name)
    return False


def _agrees(before: Tensor, probe: Callable[[], Tensor]) -> bool:
    import torch

    try:
        with torch.inference_mode():
            after = probe()
    except (RuntimeError, TypeError, AttributeError, NotImplementedError):  # a model that reads its layers' weights
        return False
    limit = ROUNDING * max(1.0, float(before.abs().max()))
    return bool(after.shape == before.shape and (after - before).abs().max() <= limit)


def _onednn_linear(layer: torch.nn.Linear) -> torch.nn.Module:
    """Return a layer of the same weights, packed; the given one loses them, so that memory holds them once."""
    import torch

    class OneDnnLinear(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.in_features, self.out_features = layer.in_features, layer.out_features
            self.weight, self.bias = layer.weight.detach().to_mkldnn(), layer.bias

        def forward(self, values: Tensor) -> Tensor:
            if not values.numel():
                return values.new_empty((*values.shape[:-1], self.out_features))
            return _onednn(values.contiguous(), self.weight, self.bias)

    packed = OneDnnLinear()
    layer.weight = torch.nn.Parameter(torch.empty(0), requires_grad=False)
    return packed


def _restore(parent: torch.nn.Module, name: str) -> None:
    import torch

    packed = getattr(parent, name)
    if type(packed) is torch.nn.Linear:
        return
    layer = torch.nn.Linear(packed.in_features, packed.out_features, bias=False, device="meta")
    layer.weight = torch.nn.Parameter(packed.weight.to_dense(), requires_grad=False)
    layer.bias = packed.bias
    setattr(parent, name, layer)
