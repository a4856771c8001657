"""Steps over batches that are computed in parts, whose loss is one of the whole batch.

The texts of a batch are put into parts of like length, so that few tokens are padded. Where a batch does not fit into
memory, the gradients of its outputs are computed first, and the parts are computed again one after the other with them
(gradient caching, Gao et al. 2021, arXiv 2101.06983), so the loss of the batch stays the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from utils.encoders.batching import batches
from utils.training import ranks
from utils.training.loop import (
    Trained,
    arguments_of,
    early_stopping,
    guarded,
    one_device,
    train,
    validated,
    when_to_validate,
)
from utils.training.pair_examples import SeededBatches

if TYPE_CHECKING:
    import torch

    from utils.training.folder import TrainingFolder
    from utils.training.options import TrainingOptions
    from utils.training.token_batches import Ids

TOKENS = {"cpu": 512, "cuda": 65_536}  # of a part: more are padded more, and no faster on a few cores


class Work(Protocol):
    """What a trainer reads and computes: its rows by their place and the epoch, and the loss of a batch of them."""

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def __getitem__(self, place: tuple[int, int]) -> Any:
        """Return a row in an epoch."""
        ...

    def batch(self, rows: Sequence[Any]) -> Any:
        """Return a batch of rows."""
        ...

    def tokens(self, batch: Any) -> list[Any]:
        """Return the texts of a batch, each an array whose length is its number of tokens."""
        ...

    def forward(self, model: Any, tokens: Sequence[Any]) -> torch.Tensor:
        """Return an output for each of some texts (n, d), float32."""
        ...

    def loss(self, batch: Any, outputs: torch.Tensor) -> torch.Tensor:
        """Return the loss of a batch, given the output of each of its texts."""
        ...


def train_in_parts(
    model: Any,
    work: Work,
    options: TrainingOptions,
    folder: TrainingFolder,
    part: int | None,
    held_out: Work | None = None,
) -> Trained:
    """Train a model, whose weights are then the last ones, or those with the lowest loss of the rows held out.

    part: texts in memory with their gradients at once; None for those of a batch, while they fit.
    """
    whole = ranks.share_of(options.batch_size)

    def make(size: int) -> Any:
        trainer = _trainer(model, work, options, folder, held_out)
        trainer.part = None if part is None and size == whole else size
        return trainer

    return train(make, folder, options, part)


def _trainer(model: Any, work: Work, options: TrainingOptions, folder: TrainingFolder, held_out: Work | None) -> Any:
    import transformers

    settings = arguments_of(options, folder, options.batch_size, len(work)) | {"remove_unused_columns": False}
    settings["per_device_train_batch_size"] = options.batch_size  # of which several processes embed parts
    if held_out is not None:
        settings |= when_to_validate(options, len(work), has_rows=True)
    return guarded(_trainer_class())(
        model=model,
        args=one_device(transformers.TrainingArguments(**settings)),
        train_dataset=work,
        eval_dataset=held_out,
        callbacks=early_stopping(options, len(work)) if held_out is not None else [],
    )


def _trainer_class() -> type[Any]:
    """Return the class of the trainer, which is known when transformers is imported."""
    import transformers

    class PartedTrainer(transformers.Trainer):  # type: ignore[misc]
        """Computes a batch in parts of like length, all with their gradients, or again one after the other."""

        part: int | None

        def get_train_dataloader(self) -> Any:
            """Return the batches, whose rows are drawn anew in each epoch."""
            return _whole_batches(self)

        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **kwargs: Any) -> Any:
            """Return the loss of a batch; with gradient caching, the gradients are computed already."""
            return _loss_in_parts(self, model, inputs["batch"])

        def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
            """Write a checkpoint, in which a weight that several layers share stands once, as safetensors wants it."""
            if state_dict is None and not isinstance(self.model, transformers.PreTrainedModel):
                state_dict = _each_weight_once(self.model)
            super()._save(output_dir, state_dict)

        def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
            """Return the mean loss of the rows held out."""
            size = self.args.per_device_train_batch_size
            return validated(self, lambda: loss_of_rows(self.model, self.eval_dataset, size))

    return PartedTrainer


def _whole_batches(trainer: Any) -> Any:
    """Return a loader of a trainer's batches, all of which each process reads, as the loss is one of all rows."""
    import torch
    from accelerate.data_loader import prepare_data_loader

    work, args = trainer.train_dataset, trainer.args
    order = SeededBatches(len(work), args.per_device_train_batch_size, args.seed)
    loader = torch.utils.data.DataLoader(work, batch_sampler=order, collate_fn=lambda rows: {"batch": work.batch(rows)})
    return prepare_data_loader(loader, args.device, num_processes=1, process_index=0)


def _loss_in_parts(trainer: Any, model: Any, batch: Any) -> Any:
    """Return the loss of a batch whose texts are embedded in parts, of which each process has a share."""
    import torch

    work = trainer.train_dataset
    texts = work.tokens(batch)
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    shares = shares_of(lengths, TOKENS["cuda" if next(model.parameters()).is_cuda else "cpu"], trainer.part)
    counts = [sum(map(len, share)) for share in shares]
    back = torch.from_numpy(np.argsort(np.concatenate([part for share in shares for part in share])))
    # a process without a text embeds one for nothing, as all of them take part in each step
    own = shares[ranks.rank()] or [np.zeros(1, dtype=np.int64)]
    parts = [[texts[place] for place in some] for some in own]

    def loss(outputs: torch.Tensor) -> torch.Tensor:
        every = ranks.joined(outputs[: counts[ranks.rank()]], counts)
        return ranks.with_gradients_added(work.loss(batch, every[back]))

    if trainer.part is None:
        return loss(torch.cat([work.forward(model, part) for part in parts]))
    return cached_loss(trainer, model, parts, loss)


def _each_weight_once(model: Any) -> dict[str, Any]:
    """Return the weights of a model by name, without further names of a weight that several layers share."""
    names = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    again = names - {name for name, _ in model.named_parameters()}
    return {name: part for name, part in model.state_dict().items() if name not in again}


def loss_of_rows(model: Any, work: Work, batch_size: int) -> float:
    """Return the mean loss of rows in batches, in their order and as the first epoch draws them."""
    import torch

    was_training, total = model.training, 0.0
    model.eval()
    most_tokens = TOKENS["cuda" if next(model.parameters()).is_cuda else "cpu"]
    with torch.no_grad():
        for start in range(0, len(work), batch_size):
            rows = [work[place, 0] for place in range(start, min(start + batch_size, len(work)))]
            batch = work.batch(rows)
            texts = work.tokens(batch)
            places = batches(np.array([len(text) for text in texts], dtype=np.int64), most_tokens, None)
            outputs = torch.cat([work.forward(model, [texts[place] for place in part]) for part in places])
            back = torch.from_numpy(np.argsort(np.concatenate(places)))
            total += float(work.loss(batch, outputs[back])) * len(rows)
    model.train(was_training)
    return total / len(work)


def shares_of(lengths: Ids, most_tokens: int, most_texts: int | None) -> list[list[Ids]]:
    """Return the parts that each process embeds, as places of texts of like length.

    lengths: the texts' numbers of tokens (n,). A process has no part where there are fewer texts than processes.
    """
    n = ranks.count()
    if n > 1:
        most_texts = min(most_texts or len(lengths), max(1, len(lengths) // n))
    parts = batches(lengths, most_tokens, most_texts)
    return [parts[first::n] for first in range(n)]


def cached_loss(
    trainer: Any, model: Any, parts: Sequence[Sequence[Any]], loss_of: Callable[[torch.Tensor], torch.Tensor]
) -> Any:
    """Return the loss of a batch, after the gradients of all parts were added up one part after the other.

    loss_of: returns the loss of the batch, given the outputs of the parts.
    """
    import torch
    from sentence_transformers.base.losses.gradcache import RandContext

    work, found, states = trainer.train_dataset, [], []
    with torch.no_grad():
        for part in parts:
            states.append(RandContext(next(model.parameters())))
            found.append(work.forward(model, part))
    outputs = torch.cat(found).requires_grad_()
    loss = loss_of(outputs)
    (gradient_of_all,) = torch.autograd.grad(loss, outputs)
    gradients = torch.split(gradient_of_all, [len(part) for part in parts])
    for place, (part, state, gradient) in enumerate(zip(parts, states, gradients, strict=True)):
        is_last = place == len(parts) - 1
        with nullcontext() if is_last else trainer.accelerator.no_sync(model), state:
            trainer.accelerator.backward((work.forward(model, part) * gradient).sum())
    return loss.detach().requires_grad_()
