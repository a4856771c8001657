"""The Triton kernels compute what their reference in torch does: interpreted on the CPU, and on a GPU."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest
import torch
from conftest import ROOT

from utils.retrieval.fused_kernels import fused_kernels

# Triton's interpreter has no bfloat16 products, so float16 is used instead
INTERPRETED = """
import torch
from utils.retrieval import triton_kernels
from utils.retrieval.fused_kernels import first_fault
for capability in (8, 9):
    triton_kernels._capability = lambda rows: capability
    assert first_fault(triton_kernels, "cpu", torch.float16) == "", capability
"""


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
def test_interpreted() -> None:
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    environ = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", INTERPRETED], capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done.stderr


@pytest.mark.gpu
def test_the_kernels_are_correct_on_this_gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    assert fused_kernels(torch.device("cuda")) is not None
