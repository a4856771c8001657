"""Supervised fine-tuning of a causal language model, by the trainer of transformers.

The SFTTrainer of trl stands on the same trainer. It marks answers by tags that few chat templates have, or tokenises
prompt and answer apart, and computes the logits of all tokens; its steps, checkpoints and adapters are those of
transformers and peft. So answers are marked (`answer_tokens.py`) and their loss computed (`answer_loss.py`) here.

The usual settings are those of question translation (Zhang et al. 2024, arXiv 2405.13816): adapters on the projections
of queries and values, 3 epochs in batches of 16, 5e-5 with a cosine schedule and a tenth of warm-up, 2,048 tokens, a
twentieth of the rows held out, and the checkpoint with the best loss on these.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.generators.loading import context_of, open_trainable
from utils.training import ranks
from utils.training.answer_loss import AnswerBatches, answer_losses, mean_loss
from utils.training.answer_tokens import Encoded, Template, encode
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
from utils.training.lora import merged, with_adapter, with_saved_adapter
from utils.training.token_batches import Rows
from utils.training.vocabulary import check_texts

if TYPE_CHECKING:
    from utils.data.conversations import Conversation
    from utils.schema import GeneratorSpec
    from utils.training.folder import TrainingFolder
    from utils.training.options import TrainingOptions

ADAPTER = "adapter"  # the folder of an adapter within that of the checkpoints
POOLS = 50  # batches among which those of like lengths are formed


@dataclass
class CausalModel:
    """A causal model with its tokenizer. spec and path: what it was loaded from; `device` is cpu or a GPU."""

    spec: GeneratorSpec
    path: str
    device: str
    tokenizer: Any
    model: Any

    @property
    def padding(self) -> int:
        """The token behind the ends of texts, which the attention leaves out."""
        pad = self.tokenizer.pad_token_id
        return int(pad if pad is not None else self.tokenizer.eos_token_id or 0)

    @property
    def head(self) -> Any:
        """The layer that makes the logits."""
        return self.model.get_output_embeddings()

    def loss(self, rows: Sequence[Encoded]) -> float:
        """Return the mean cross-entropy of the rows' answers."""
        return mean_loss(self.model, self.head, rows, self.padding)

    def longest(self, asked: int | None) -> int | None:
        """Return how many tokens of a conversation are read, as far as the model takes them; None for all."""
        limits = [asked, context_of(self.model.config)]
        return min((limit for limit in limits if limit), default=None)


def load_causal(spec: GeneratorSpec, path: str, device: str) -> CausalModel:
    """Load a checkpoint in the precision, and with the quantisation, of its spec."""
    tokenizer, model = open_trainable(spec, path, device)
    return CausalModel(spec, path, device, tokenizer, model)


def encode_all(
    causal: CausalModel, template: str, rows: Sequence[Conversation], max_length: int | None
) -> tuple[list[Encoded], int, int]:
    """Return the tokens of rows, how many rows are left out as their answers are cut off, and how many are cut.

    Raises UserError where a row has a token without an embedding.
    """
    longest = causal.longest(max_length)
    whole = encode(rows, Template(template, causal.tokenizer, causal.spec.name))
    check_texts((row.ids for row in whole), causal.model)
    found, n_cut = [], 0
    for row in whole:
        n_cut += longest is not None and len(row.ids) > longest
        cut = Encoded(row.ids[:longest], row.labels[:longest])
        if (cut.labels >= 0).any():
            found.append(cut)
    return found, len(whole) - len(found), n_cut


def train_causal(
    causal: CausalModel,
    rows: Sequence[Encoded],
    held_out: Sequence[Encoded],
    options: TrainingOptions,
    folder: TrainingFolder,
) -> Trained:
    """Train a model, whose weights are then those with the best loss on the rows held out, or the last ones."""
    if options.lora is not None:
        causal.model = with_adapter(causal.model, options.lora, "CAUSAL_LM")
    return train(lambda part: _trainer(causal, rows, held_out, options, folder, part), folder, options)


def save_causal(causal: CausalModel, folder: Path, *, merge: bool) -> None:
    """Write the checkpoint into a folder: the weights with adapters merged into them, or the adapters alone.

    Adapters of quantised weights are merged into those of the checkpoint in full precision, which are loaded for it.
    """
    is_adapted = hasattr(causal.model, "merge_and_unload")
    if is_adapted and not merge:
        about, is_folder = causal.model.peft_config["default"], Path(causal.path).is_dir()
        about.base_model_name_or_path = str(Path(causal.path).resolve()) if is_folder else causal.path
        about.revision = None if is_folder else causal.spec.revision
        causal.model.save_pretrained(folder)
    elif is_adapted and causal.spec.quantization:
        causal.model.save_pretrained(folder / ADAPTER)
        plain = load_causal(dataclasses.replace(causal.spec, quantization=""), causal.path, causal.device)
        causal.model = merged(with_saved_adapter(plain.model, folder / ADAPTER))
        causal.model.save_pretrained(folder)
        shutil.rmtree(folder / ADAPTER)
    else:
        causal.model = merged(causal.model) if is_adapted else causal.model
        causal.model.save_pretrained(folder)
    causal.tokenizer.save_pretrained(folder)


class SeededOrder:
    """The places of rows in an order that the seed and the epoch decide, whatever was drawn before.

    Rows of like length are together in a batch, and in the parts of one that are in memory at once. It is an iterable
    of places; the trainer says which epoch it is, also when it goes on with one.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed, self.epoch = np.asarray(lengths), batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        """Yield the places."""
        draw, size = np.random.default_rng([self.seed, self.epoch]), self.batch_size
        order = draw.permutation(len(self))
        pools = [order[start : start + size * POOLS] for start in range(0, len(order), size * POOLS)]
        order = np.concatenate([pool[np.argsort(-self.lengths[pool], kind="stable")] for pool in pools])
        n_whole = len(order) // size
        for place in draw.permutation(n_whole).tolist():
            yield from order[place * size : (place + 1) * size].tolist()
        yield from order[n_whole * size :].tolist()


def _trainer(
    causal: CausalModel,
    rows: Sequence[Encoded],
    held_out: Sequence[Encoded],
    options: TrainingOptions,
    folder: TrainingFolder,
    part: int,
) -> Any:
    """Return a trainer that has `part` rows in memory at once; the loss is the mean over the answers of a batch."""
    import transformers

    settings = arguments_of(options, folder, part, len(rows)) | {"remove_unused_columns": False}
    settings |= when_to_validate(options, len(rows), has_rows=bool(held_out))
    trainer = guarded(_trainer_class())(
        model=causal.model,
        args=one_device(transformers.TrainingArguments(**settings)),
        data_collator=AnswerBatches(causal.padding),
        train_dataset=_rows(rows),
        eval_dataset=_rows(held_out) if held_out else None,
        callbacks=early_stopping(options, len(rows)) if held_out else [],
    )
    trainer.causal, trainer.held_out = causal, held_out
    trainer.order = SeededOrder([len(row.ids) for row in rows], options.batch_size, options.seed)
    return trainer


def _rows(rows: Sequence[Encoded]) -> Rows:
    return Rows({"input_ids": [row.ids for row in rows], "labels": [row.labels for row in rows]})


def _trainer_class() -> type[Any]:
    """Return the class of the trainer, which is known when transformers is imported."""
    import transformers

    class AnswerTrainer(transformers.Trainer):  # type: ignore[misc]
        """Learns answers only, and validates by the mean over all of their tokens."""

        causal: CausalModel
        held_out: Sequence[Encoded]
        order: SeededOrder

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.model_accepts_loss_kwargs = True  # so that the tokens of a batch are counted over its parts

        def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
            return self.order

        def compute_loss(
            self,
            model: Any,
            inputs: Any,
            return_outputs: bool = False,
            num_items_in_batch: Any = None,
            **kwargs: Any,
        ) -> Any:
            """Return the sum of the losses, divided by the number of learned tokens in the batch."""
            losses = answer_losses(model, self.causal.head, inputs)
            if num_items_in_batch is None:
                return losses.mean()
            return losses.sum() / num_items_in_batch * ranks.count()  # tokens of all processes, whose mean is taken

        def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
            """Return the mean loss of the rows held out."""
            return validated(self, lambda: self.causal.loss(self.held_out))

    return AnswerTrainer
