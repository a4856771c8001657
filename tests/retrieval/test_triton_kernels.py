"""The Triton kernels, interpreted on the CPU if Triton is installed, and the search that uses them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest
from conftest import ROOT

from utils.retrieval.fused_kernels import has_kernels

# Triton's interpreter has no bfloat16 products, so float16 is used instead
KERNELS = """
import torch
from utils.retrieval.triton_kernels import block_maxima, products_in_blocks
torch.manual_seed(0)
for kind in (torch.int8, torch.float16):
    for n, m, d in ((5, 70, 24), (130, 300, 72), (1, 33, 8), (200, 128, 384)):
        q, c = (torch.randint(-127, 128, (rows, d)).to(kind) for rows in (n, m))
        blocks = torch.nn.functional.pad(q.double() @ c.double().T, (0, -m % 32), value=-torch.inf).view(n, -1, 32)
        maxima = block_maxima(q, c, 32)
        assert maxima.dtype == (torch.int32 if kind == torch.int8 else torch.float32)
        assert (maxima.double() == blocks.amax(2)).all(), (kind, n, m, d)
        query, block = torch.randint(0, n, (50,)), torch.randint(0, maxima.shape[1], (50,))
        found, wanted = products_in_blocks(q, c, query, block, 32).double(), blocks[query, block]
        assert (found == wanted)[wanted.isfinite()].all() and (found[~wanted.isfinite()] <= -(2**31)).all()
assert products_in_blocks(q, c, query[:0], block[:0], 32).shape == (0, 32)
"""
SEARCH = """
import numpy as np
from vectors import clustered
from utils.retrieval import quantized_scan
from utils.retrieval.topk import topk
q, c = clustered(70, 2000, 40)
expected = topk(q, c, 5, precision="int8")
used = []
quantized_scan.has_kernels = lambda device, precision: used.append(precision) or True
quantized_scan.CANDIDATE_TILE = 1000
found = topk(q, c, 5, precision="int8")
assert used and (found.indices == expected.indices).all() and (found.scores == expected.scores).all()
"""


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
@pytest.mark.parametrize("code", [KERNELS, SEARCH], ids=["kernels", "search"])
def test_interpreted(code: str) -> None:
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), *filter(None, sys.path)])
    environ = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done.stderr


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["int8", "bf16"])
def test_the_kernels_are_correct_on_this_gpu(precision: str) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    assert has_kernels("cuda", precision)


def test_there_are_no_kernels_without_a_gpu() -> None:
    assert not has_kernels("cpu", "int8") and not has_kernels("cuda", "fp32")
