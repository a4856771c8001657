"""What a training takes, as --dry_run says it: its steps, and its memory."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from utils.training.base import Base
    from utils.training.options import TrainingOptions

STATES = 4  # numbers for each weight that is trained: itself, its gradient, and the two means of AdamW
BYTES = 4  # of each, as mixed precision keeps weights in float32 too


def plan_lines(n_examples: int, base: Base, options: TrainingOptions) -> list[str]:
    """Return what a dry run says of a training: its steps, and its memory."""
    return [steps_line(n_examples, options), memory_line(base, options)]


def steps_line(n_examples: int, options: TrainingOptions) -> str:
    """Return how many steps the training has at most."""
    an_epoch = options.steps_per_epoch(n_examples)
    total = math.ceil(an_epoch * options.epochs)
    until = f", fewer where {options.patience} epochs bring nothing better" if options.patience else ""
    return f"steps: {total:,} ({an_epoch:,} an epoch, {options.epochs:g} epochs){until}"


def memory_line(base: Base, options: TrainingOptions) -> str:
    """Return what weights, gradients and the optimiser take; the activations of a batch come on top."""
    count = parameters_of(Path(base.path))
    if count is None:
        return f"memory: not known before {base.name} is downloaded"
    states = 1 if options.lora else STATES
    size = count * BYTES * states / 2**30
    what = "the weights" if options.lora else "weights, gradients and the states of AdamW"
    return f"memory: at most {size:.1f} GiB for {what} ({count / 1e6:,.0f} million), and the activations of a batch"


def parameters_of(folder: Path) -> int | None:
    """Return how many numbers the weights of a checkpoint are, by the headers of its .safetensors files."""
    files = sorted(folder.glob("*.safetensors"))
    return sum(map(_numbers_in, files)) if files else None


def _numbers_in(file: Path) -> int:
    """Return the numbers of a file, whose first 8 bytes say how long its header in JSON is."""
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
    return sum(math.prod(about["shape"]) for name, about in header.items() if name != "__metadata__")
