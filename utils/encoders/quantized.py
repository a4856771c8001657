"""Weights of 8 and 4 bits: which encoders have them, and how they are loaded."""

from __future__ import annotations

from typing import Any

from utils.constants import DENSE
from utils.encoders.kinds import STATIC
from utils.errors import UserError
from utils.loaders import BUNDLED
from utils.schema import EncoderSpec
from utils.weights import quantization_config


def check_quantized(spec: EncoderSpec, dtype: str) -> None:
    """Raise UserError for an encoder whose weights are not quantised; a baseline in an ensemble has none."""
    if spec.loader == BUNDLED:
        hint = "its weights are in 4 bits already, and are computed in --dtype fp32, bf16 or fp16"
        raise UserError(f"--dtype {dtype} with {spec.name}", hint)
    if not spec.fitted and (spec.kind != DENSE or spec.model == STATIC):
        kind = STATIC if spec.model == STATIC else spec.kind
        hint = "only dense encoders with a transformer are quantised: use --dtype fp32, bf16 or fp16"
        raise UserError(f"--dtype {dtype} with {spec.name}, which is a {kind} encoder", hint)


def quantized(precision: str, device: str) -> dict[str, Any]:
    """Return how transformers loads weights of `8bit` or `4bit`; what is not quantised is in bfloat16.

    A pooler is left as it is: it may not be in the checkpoint, and is not used where tokens are pooled.
    """
    import torch

    config = quantization_config(precision, torch.bfloat16, ["pooler"])
    return {"dtype": torch.bfloat16, "quantization_config": config, "device_map": {"": device}}
