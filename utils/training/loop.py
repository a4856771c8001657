"""The training itself, by the trainers of transformers and of libraries on top of it.

The trainers give the steps, the optimiser, mixed precision, several GPUs and the checkpoints. What this module adds: a
training that was killed goes on, one that does not fit into memory takes smaller parts, and one whose loss is no number
ends with an error that says where.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from utils.errors import UserError, is_out_of_memory
from utils.progress import Clock, bar
from utils.training import ranks
from utils.training.folder import step_of

if TYPE_CHECKING:
    from utils.training.folder import TrainingFolder
    from utils.training.options import TrainingOptions

STEPS_PER_LOG = 20  # of the learning curve, at most this number of points an epoch ...
CHECKPOINTS_PER_EPOCH = 4  # ... and this number of checkpoints, where there is no validation
KEPT_CHECKPOINTS = 1  # beside the best one


@dataclass
class Trained:
    """What a training did.

    history: what the trainer logged, one mapping for each point of the learning curve, as it writes them to its
    checkpoints. n_steps: of the optimiser. part: examples that were in memory at once. seconds: of this process, by
    phase. n_before: steps of an earlier process, with which this one went on. decay: what weight decay multiplies a
    weight without a gradient by, over all steps.
    """

    trainer: Any
    history: list[dict[str, Any]]
    n_steps: int
    part: int
    decay: float
    seconds: dict[str, float] = field(default_factory=dict)
    n_before: int = 0


def train(
    make: Callable[[int], Any], folder: TrainingFolder, options: TrainingOptions, part: int | None = None
) -> Trained:
    """Train, from the last checkpoint where there is one.

    make: returns a new trainer that has this number of examples in memory at once; the steps of the optimiser are over
    `options.batch_size` examples whatever it is. part: the number to begin with, by default a whole batch. It is
    halved whenever memory runs out. Raises UserError where one example is too much, and where the loss is no number.
    """
    part, clock = part or ranks.share_of(options.batch_size), Clock()
    n_before = step_of(begun) if (begun := folder.last_checkpoint()) else 0
    first: dict[str, Any] = {}
    while True:
        trainer = _prepared(make(part), folder)
        try:
            last = folder.last_checkpoint()
            if last is None and first:
                trainer.model.load_state_dict(first, strict=False)  # steps before memory ran out have changed them
            elif last is None:
                first = _trained_weights(trainer.model)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated")  # which accelerate passes on
                trainer.train(resume_from_checkpoint=str(last) if last else None)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            part = _half(part, options.batch_size, error)
            del trainer
            _free()
            continue
        clock.lap("training")
        state = trainer.state
        found = list(state.log_history), state.global_step, part, _decay_of(trainer), clock.laps
        return Trained(trainer, *found, n_before=n_before)


def arguments_of(options: TrainingOptions, folder: TrainingFolder, part: int, n_examples: int) -> dict[str, Any]:
    """Return the arguments of a trainer that follow from the options, for a data set of this number of examples.

    part: examples in memory at once, of those that this process has of a batch. All of them are deterministic on a CPU:
    equal arguments give equal weights.
    """
    accumulated = max(1, math.ceil(ranks.share_of(options.batch_size) / part))
    steps_per_epoch = options.steps_per_epoch(n_examples)
    return {
        "output_dir": str(folder.checkpoints),
        "num_train_epochs": options.epochs,
        "per_device_train_batch_size": part,
        "per_device_eval_batch_size": max(part, 32),
        "gradient_accumulation_steps": accumulated,
        "learning_rate": options.learning_rate,
        "weight_decay": options.weight_decay,
        "warmup_steps": round(options.warmup * steps_per_epoch * options.epochs),
        "lr_scheduler_type": options.schedule,
        "use_cpu": not options.cuda,  # the library takes a GPU wherever there is one
        "bf16": options.dtype == "bf16",
        "fp16": options.dtype == "fp16",
        "seed": options.seed,
        "logging_steps": _steps_per_log(steps_per_epoch),
        "logging_nan_inf_filter": False,
        "save_total_limit": KEPT_CHECKPOINTS,
        "disable_tqdm": True,
        "report_to": "none",
        "ddp_broadcast_buffers": False,  # none is trained, and parts of a batch would write them anew
        "ddp_timeout": int(ranks.LONGEST_WAIT.total_seconds()),
        "dataloader_pin_memory": False,
        **_when_to_save(options, steps_per_epoch),
    }


def _when_to_save(options: TrainingOptions, steps_per_epoch: int) -> dict[str, Any]:
    """Return when checkpoints are written: after each validation, or several times an epoch without one."""
    if options.patience is not None:
        return {"eval_strategy": "epoch", "save_strategy": "epoch", "load_best_model_at_end": True}
    logged = _steps_per_log(steps_per_epoch)  # a logged loss is a mean since the last one, so none may begin before
    saved = max(1, steps_per_epoch // CHECKPOINTS_PER_EPOCH // logged) * logged
    return {"save_strategy": "steps", "save_steps": saved}


def when_to_validate(options: TrainingOptions, n_examples: int, *, has_rows: bool) -> dict[str, Any]:
    """Return when checkpoints are written and examples held out are measured: some times an epoch, and at the end."""
    steps = _steps_per_validation(options, n_examples)
    often = {"save_strategy": "steps", "save_steps": steps}
    if not has_rows:
        return often | {"eval_strategy": "no", "load_best_model_at_end": False}
    best = {"load_best_model_at_end": True, "metric_for_best_model": "loss", "greater_is_better": False}
    return often | best | {"eval_strategy": "steps", "eval_steps": steps}


def _steps_per_validation(options: TrainingOptions, n_examples: int) -> int:
    return max(1, options.steps_per_epoch(n_examples) // CHECKPOINTS_PER_EPOCH)


def early_stopping(options: TrainingOptions, n_examples: int | None = None) -> list[Any]:
    """Return what ends a training after epochs that bring nothing better: nothing without a patience.

    n_examples: of a training that is validated as `when_to_validate` says, None for one validation an epoch.
    """
    import transformers

    if options.patience is None:
        return []
    often = options.steps_per_epoch(n_examples) / _steps_per_validation(options, n_examples) if n_examples else 1
    return [transformers.EarlyStoppingCallback(math.ceil(options.patience * often))]


def validated(trainer: Any, loss_of: Callable[[], float]) -> dict[str, float]:
    """Return the loss of the examples held out, as an evaluation of a trainer does, and let it know."""
    with trainer.compute_loss_context_manager():
        metrics = {"eval_loss": loss_of()}
    trainer.log(metrics)
    trainer.control = trainer.callback_handler.on_evaluate(trainer.args, trainer.state, trainer.control, metrics)
    return metrics


def _steps_per_log(steps_per_epoch: int) -> int:
    return max(1, steps_per_epoch // STEPS_PER_LOG)


def one_device(arguments: Any) -> Any:
    """Return the arguments of a trainer for one device in each process.

    With several GPUs in one process the library would make each batch as many times as large.
    """
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def guarded(trainer_class: type[Any]) -> type[Any]:
    """Return a trainer's class that ends where the loss is no number."""

    class Guarded(trainer_class):  # type: ignore[misc]  # the base is known when it runs
        def training_step(self, *args: Any, **kwargs: Any) -> Any:
            """Return the loss of a part of a batch. Raises UserError where it is NaN or infinite."""
            loss = super().training_step(*args, **kwargs)
            if not ranks.is_finite_everywhere(loss):
                state = self.state
                raise UserError(
                    f"the loss is {float(loss)} at step {state.global_step + 1} of {state.max_steps} "
                    f"(epoch {state.epoch or 0:.2f})",
                    f"use a smaller --learning_rate than {self.args.learning_rate:g}, a longer --warmup, or --dtype "
                    "fp32; the last checkpoint is kept, --overwrite begins anew",
                )
            return loss

    return Guarded


def _prepared(trainer: Any, folder: TrainingFolder) -> Any:
    """Return a trainer that shows its progress as the suite does, and prints nothing of its own."""
    import transformers

    class Progress(transformers.TrainerCallback):  # type: ignore[misc]
        """One bar over all steps."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.shown = bar(state.max_steps, f"training ({folder.path.name})", "steps", done=state.global_step)
            self.advance = self.shown.__enter__()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.advance(1)

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.shown.__exit__(None, None, None)

    trainer.remove_callback(transformers.PrinterCallback)
    trainer.add_callback(Progress())
    return trainer


def _decay_of(trainer: Any) -> float:
    """Return what weight decay has multiplied a weight without a gradient by, over all steps.

    AdamW multiplies by 1 - rate * decay in each step (Loshchilov and Hutter 2019); the rates are those of the
    schedule, so a training that was interrupted has the same product.
    """
    decay, schedule = trainer.args.weight_decay, trainer.lr_scheduler
    if not decay or schedule is None:
        return 1.0
    schedule = getattr(schedule, "scheduler", schedule)
    (base, *_), (rate_at, *_) = schedule.base_lrs, schedule.lr_lambdas
    steps = _steps_of_best(trainer)
    return float(math.prod(1.0 - base * rate_at(step) * decay for step in range(steps)))


def _steps_of_best(trainer: Any) -> int:
    """Return after how many steps the model was saved that the trainer has at its end."""
    best = trainer.state.best_model_checkpoint if trainer.args.load_best_model_at_end else None
    return step_of(best) if best else int(trainer.state.global_step)


def _trained_weights(model: Any) -> dict[str, Any]:
    """Return copies of the weights that are trained, in the memory of the processor."""
    return {name: part.detach().to("cpu", copy=True) for name, part in model.named_parameters() if part.requires_grad}


def _half(part: int, batch_size: int, error: BaseException) -> int:
    """Return half of a number of examples, or less so that it divides a batch, and say so.

    Raises UserError where it is one, or where other processes wait for this one.
    """
    if ranks.count() > 1:
        raise ranks.OwnError(
            f"process {ranks.rank()} of {ranks.count()}: out of memory with {part} examples at once",
            "use more processes, a smaller --batch_size or --max_length, or --lora; the last checkpoint is kept",
        ) from error
    if part == 1:
        raise UserError(
            "one example does not fit into the memory",
            "use a smaller --max_length, --lora, or --dtype bf16; the last checkpoint is kept",
        ) from error
    half = next(size for size in range(part // 2, 0, -1) if batch_size % size == 0)
    print(f"note: out of memory with {part} examples at once; going on with {half}", file=sys.stderr)
    return half


def _free() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
