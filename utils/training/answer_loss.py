"""The loss of answers: the cross-entropy of their tokens, with logits for these tokens only.

The logits of a large vocabulary are most of the memory of a step: 262,144 numbers for each token of a batch, prompts
and padding among them. The head of the model gets the states before learned tokens alone, whatever the model does with
the logits after that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.encoders.batching import batches
from utils.training.answer_tokens import IGNORED, Encoded
from utils.training.token_batches import padded

if TYPE_CHECKING:
    import torch

TOKENS = {"cpu": 2048, "cuda": 16_384}  # of a batch that is only measured


@dataclass(frozen=True)
class AnswerBatches:
    """Puts tokenised conversations together: right of their tokens they are padded."""

    padding: int

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Return `input_ids`, `attention_mask` and `labels` (n, longest), -100 where nothing is learned."""
        ids, mask = padded([row["input_ids"] for row in rows], self.padding)
        labels, _ = padded([row["labels"] for row in rows], IGNORED)
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def answer_losses(model: Any, head: Any, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the cross-entropy of each learned token of a batch (n,), float32, rows after rows.

    model: a causal model, also one within wrappers. head: the layer that makes its logits, None where it has none.
    """
    from torch.nn import functional

    labels = batch["labels"]
    learned = labels[:, 1:] != IGNORED  # a state predicts the next token
    is_cut = False

    def cut(_: Any, states: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        nonlocal is_cut
        is_cut = True
        return (states[0][:, :-1][learned][None], *states[1:])

    hook = head.register_forward_pre_hook(cut) if head is not None else None
    try:
        ids, mask = batch["input_ids"], batch["attention_mask"]
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    finally:
        if hook is not None:
            hook.remove()
    found = logits[0] if is_cut else logits[:, :-1][learned]
    return functional.cross_entropy(found.float(), labels[:, 1:][learned].to(found.device), reduction="none")


def mean_loss(model: Any, head: Any, rows: Sequence[Encoded], padding: int) -> float:
    """Return the mean cross-entropy over all learned tokens of the rows; the model is left in its mode."""
    import torch

    together, was_training = AnswerBatches(padding), model.training
    lengths = np.array([len(row.ids) for row in rows], dtype=np.int64)
    device = next(model.parameters()).device
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for part in batches(lengths, TOKENS["cuda" if device.type == "cuda" else "cpu"], None):
            chosen = [rows[place] for place in part.tolist()]
            batch = together([{"input_ids": row.ids, "labels": row.labels} for row in chosen])
            losses = answer_losses(model, head, {name: value.to(device) for name, value in batch.items()})
            total, count = total + float(losses.double().sum()), count + len(losses)
    model.train(was_training)
    return total / count
