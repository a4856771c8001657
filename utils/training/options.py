"""What decides the weights of a training beside the data and the checkpoint."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any

from utils.constants import LORA_ALPHA, LORA_DROPOUT, LORA_MODULES, LORA_RANK

NOT_IN_TRAINING = ("max_length", "dtype", "seed")  # which a record has with its checkpoint and its settings
SCHEDULES = ("linear", "cosine", "constant")


@dataclass(frozen=True)
class LoraOptions:
    """Low-rank adapters in place of all weights (Hu et al. 2021, arXiv 2106.09685).

    rank: of the update of a weight. alpha: the update is scaled by alpha / rank. modules: names of the layers, as the
    model calls them; `all-linear` is every linear layer but the head. bits: 4 or 8 for frozen weights that are
    quantised (QLoRA, Dettmers et al. 2023), None for those of the checkpoint.
    """

    rank: int = LORA_RANK
    alpha: int = LORA_ALPHA
    dropout: float = LORA_DROPOUT
    modules: tuple[str, ...] = LORA_MODULES
    bits: int | None = None


@dataclass(frozen=True)
class TrainingOptions:
    """The settings of the optimiser and of its steps.

    batch_size: examples of a step of the optimiser, however many of them fit into memory at once. warmup: share of the
    steps in which the learning rate rises to `learning_rate`. patience: epochs without a better validation figure after
    which training ends; None to train all epochs. max_length: tokens of a text; None for as many as the model takes.
    dtype: `fp32`, or `bf16` or `fp16` for mixed precision. cuda: whether to train on the GPUs.
    """

    epochs: float
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.0
    warmup: float = 0.0
    schedule: str = "linear"
    patience: int | None = None
    max_length: int | None = None
    dtype: str = "fp32"
    seed: int = 42
    lora: LoraOptions | None = None
    cuda: bool = False

    def steps_per_epoch(self, n_examples: int) -> int:
        """Return how many steps of the optimiser an epoch over so many examples has."""
        return max(1, math.ceil(n_examples / self.batch_size))

    def identity(self) -> dict[str, Any]:
        """Return the settings by name, as the record of a training states them; the device is none of them."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name != "cuda"}

    def of_record(self) -> dict[str, Any]:
        """Return the settings as the record of an evaluation has them under `training`, in the types of JSON."""
        found: dict[str, Any] = json.loads(json.dumps(self.identity()))
        whole = {name: int(value) for name, value in found.items() if isinstance(value, float) and value.is_integer()}
        return {name: value for name, value in {**found, **whole}.items() if name not in NOT_IN_TRAINING}
