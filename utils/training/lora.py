"""Low-rank adapters by peft: put into a model before the training, and merged into its weights after it."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.errors import UserError

if TYPE_CHECKING:
    from utils.training.options import LoraOptions


NO_SUCH_LAYERS = ("not found in the base model", "No modules were targeted")  # the latter beside a new head


def check_peft() -> None:
    """Raise UserError where peft is not installed."""
    if importlib.util.find_spec("peft") is None:
        raise UserError("--lora needs the package peft", "pip install -r requirements-finetune.txt")


def with_adapter(model: Any, options: LoraOptions, task: str | None = None) -> Any:
    """Return a model of transformers with adapters, which alone are trained. `task`: that of peft's TaskType.

    Raises UserError where the model has none of the named layers.
    """
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    prepare: Any = prepare_model_for_kbit_training  # which has no types
    names = options.modules
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules="all-linear" if names == ("all-linear",) else list(names),
        task_type=task,
    )
    try:
        with _without_warnings():
            if options.bits:
                model = prepare(model, use_gradient_checkpointing=False)
            return get_peft_model(model, config)
    except ValueError as error:
        if not any(words in str(error) for words in NO_SUCH_LAYERS):
            raise
        linear = sorted({name.rpartition(".")[2] for name, part in model.named_modules() if _is_linear(part)})
        raise UserError(
            f"--lora_modules {' '.join(names)}: the model has no such layers", f"its linear layers: {', '.join(linear)}"
        ) from error


def merged(model: Any) -> Any:
    """Return a model with its adapters merged into its weights."""
    return model.merge_and_unload()


def with_saved_adapter(model: Any, folder: Path) -> Any:
    """Return a model with the adapters of a folder."""
    from peft import PeftModel

    with _without_warnings():
        return PeftModel.from_pretrained(model, folder)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Leave out a warning of transformers: peft asks for a property by its older name."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`")
        yield


def _is_linear(part: Any) -> bool:
    import torch

    return isinstance(part, torch.nn.Linear)
