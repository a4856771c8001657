"""Steps over batches that are computed in parts, whose loss is one of the whole batch.

The texts of a batch are put into parts of like length, so that few tokens are padded. Where a batch does not fit into
memory, the gradients of its outputs are computed first, and the parts are computed again one after the other with them
(gradient caching, Gao et al. 2021, arXiv 2101.06983), so the loss of the batch stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from utils.encoders.batching import batches
from utils.training.loop import arguments_of, guarded
from utils.training.pair_examples import SeededBatches

if TYPE_CHECKING:
    import torch

    from utils.training.folder import TrainingFolder
    from utils.training.options import TrainingOptions

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


def parted_trainer(model: Any, work: Work, options: TrainingOptions, folder: TrainingFolder, part: int) -> Any:
    """Return a trainer of a model with `part` texts in memory with their gradients at once.

    Where `part` is a whole batch of rows, all texts of a batch are in memory, and nothing is computed twice.
    """
    import transformers

    settings = arguments_of(options, folder, options.batch_size, len(work))
    trainer = guarded(_trainer_class())(
        model=model,
        args=transformers.TrainingArguments(**settings | {"remove_unused_columns": False}),
        train_dataset=work,
    )
    trainer.part = part if part < options.batch_size else None
    return trainer


def _trainer_class() -> type[Any]:
    """Return the class of the trainer, which is known when transformers is imported."""
    import torch
    import transformers

    class PartedTrainer(transformers.Trainer):  # type: ignore[misc]
        """Computes a batch in parts of like length, all with their gradients, or again one after the other."""

        part: int | None

        def get_train_dataloader(self) -> Any:
            """Return the batches, whose rows are drawn anew in each epoch."""
            work, args = self.train_dataset, self.args
            order = SeededBatches(len(work), args.per_device_train_batch_size, args.seed)
            loader = torch.utils.data.DataLoader(
                work, batch_sampler=order, collate_fn=lambda rows: {"batch": work.batch(rows)}
            )
            return self.accelerator.prepare(loader)

        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **kwargs: Any) -> Any:
            """Return the loss of a batch; with gradient caching, the gradients are computed already."""
            work, batch = self.train_dataset, inputs["batch"]
            texts = work.tokens(batch)
            lengths = np.array([len(text) for text in texts], dtype=np.int64)
            device = "cuda" if next(model.parameters()).is_cuda else "cpu"
            places = batches(lengths, TOKENS[device], self.part)
            parts = [[texts[place] for place in some] for some in places]
            back = torch.from_numpy(np.argsort(np.concatenate(places)))
            if self.part is None:
                return work.loss(batch, torch.cat([work.forward(model, part) for part in parts])[back])
            return cached_loss(self, model, batch, parts, back)

    return PartedTrainer


def cached_loss(trainer: Any, model: Any, batch: Any, parts: Sequence[Sequence[Any]], back: torch.Tensor) -> Any:
    """Return the loss of a batch, after the gradients of all parts were added up one part after the other.

    back: the place of each text of the batch among those of the parts.
    """
    import torch
    from sentence_transformers.base.losses.gradcache import RandContext

    work, found, states = trainer.train_dataset, [], []
    with torch.no_grad():
        for part in parts:
            states.append(RandContext(next(model.parameters())))
            found.append(work.forward(model, part))
    outputs = torch.cat(found).requires_grad_()
    loss = work.loss(batch, outputs[back])
    (gradient_of_all,) = torch.autograd.grad(loss, outputs)
    gradients = torch.split(gradient_of_all, [len(part) for part in parts])
    for place, (part, state, gradient) in enumerate(zip(parts, states, gradients, strict=True)):
        is_last = place == len(parts) - 1
        with nullcontext() if is_last else trainer.accelerator.no_sync(model), state:
            trainer.accelerator.backward((work.forward(model, part) * gradient).sum())
    return loss.detach().requires_grad_()
