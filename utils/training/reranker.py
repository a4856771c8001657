"""A cross-encoder with one score for a query and a document, trained on rows of positives and negatives.

In each epoch a row has one of its positives and some of its negatives, drawn by the seed; a row without negatives has
documents of other rows in their place, as far as they are no positives of its query.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.training.light_model import lighten
from utils.training.loop import Trained
from utils.training.pair_examples import documents_of
from utils.training.parts import train_in_parts
from utils.training.token_batches import padded, tokenise

if TYPE_CHECKING:
    import torch

    from utils.training.classification import Classifier
    from utils.training.folder import TrainingFolder
    from utils.training.options import TrainingOptions
    from utils.training.pair_examples import DrawnRow, PairExamples
    from utils.training.token_batches import Ids

RERANKER_LOSSES = ("binary", "ranking")


@dataclass(frozen=True)
class RerankerOptions:
    """What decides the loss.

    loss: `binary`, the mean binary cross-entropy of all pairs; or `ranking`, the cross-entropy of a row's positive
    among its own documents. max_negatives: negatives of a row in an epoch.
    """

    loss: str = "binary"
    max_negatives: int = 7

    def identity(self) -> dict[str, Any]:
        """Return the settings by name."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class PairBatch:
    """Pairs of a query and a document: their tokens and types (n_tokens, 2), and the row of each; positives first."""

    pairs: list[Ids]
    rows: Ids
    n_rows: int


def train_reranker(
    model: Classifier,
    examples: PairExamples,
    chosen: RerankerOptions,
    options: TrainingOptions,
    folder: TrainingFolder,
    *,
    part: int | None = None,
    held_out: PairExamples | None = None,
) -> Trained:
    """Train a model with one label. part: pairs in memory with their gradients at once, by default those of a batch.

    held_out: rows whose loss chooses the checkpoint.
    """
    every = [rows for rows in (examples, held_out) if rows is not None]

    def texts() -> list[Ids]:
        return tokenise(model.tokenizer, [text for rows in every for text in (*rows.query_texts, *rows.texts)], None)

    light = lighten(model.model, options.lora, texts, model.tokenizer.all_special_ids, "SEQ_CLS")
    model.model = light.model
    work = [_Work(model, rows, chosen, options.seed) for rows in every]
    trained = train_in_parts(model.model, work[0], options, folder, part, *work[1:])
    model.model = light.whole(trained.decay)
    return trained


def pair_loss(scores: torch.Tensor, rows: torch.Tensor, n_rows: int, kind: str) -> torch.Tensor:
    """Return the loss of the scores (n,) of pairs, of which the first n_rows are the positives of the rows."""
    import torch

    if kind == "binary":
        labels = (torch.arange(len(scores), device=scores.device) < n_rows).float()
        return torch.nn.functional.binary_cross_entropy_with_logits(scores, labels)
    own = rows[None, :] == torch.arange(n_rows, device=scores.device)[:, None]
    table = scores[None, :].expand(n_rows, -1).masked_fill(~own, -torch.inf)
    return torch.nn.functional.cross_entropy(table, torch.arange(n_rows, device=scores.device))


@dataclass(frozen=True)
class _Work:
    """What a trainer does with a batch (`utils/training/parts.py`)."""

    model: Classifier
    examples: PairExamples
    chosen: RerankerOptions
    seed: int

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, place: tuple[int, int]) -> DrawnRow:
        row = self.examples.drawn(*place, self.seed, self.chosen.max_negatives)
        if row.neg or not self.chosen.max_negatives:
            return row
        return dataclasses.replace(row, neg=self.examples.others(*place, self.seed, self.chosen.max_negatives))

    def batch(self, rows: Sequence[DrawnRow]) -> PairBatch:
        """Return the pairs of rows, tokenised together."""
        answers, owners = documents_of(rows)
        queries = [self.examples.query_texts[rows[owner].query] for owner in owners]
        documents = [self.examples.texts[place] for place in answers]
        return PairBatch(self._tokens(queries, documents), owners, len(rows))

    def _tokens(self, queries: list[str], documents: list[str]) -> list[Ids]:
        limit = self.model.max_length
        cut: dict[str, Any] = {"truncation": "longest_first", "max_length": limit} if limit else {"truncation": False}
        found = self.model.tokenizer(queries, documents, padding=False, return_token_type_ids=True, **cut)
        ids, types = (
            [np.asarray(numbers, dtype=np.int64) for numbers in found[name]] for name in ("input_ids", "token_type_ids")
        )
        return [np.stack(pair, axis=1) for pair in zip(ids, types, strict=True)]

    def tokens(self, batch: PairBatch) -> list[Ids]:
        return batch.pairs

    def forward(self, model: Any, tokens: Sequence[Ids]) -> torch.Tensor:
        """Return the score of each pair (n, 1)."""
        device = next(model.parameters()).device
        ids, mask = padded([pair[:, 0] for pair in tokens], self.model.tokenizer.pad_token_id)
        features = {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
        if "token_type_ids" in self.model.tokenizer.model_input_names:
            features["token_type_ids"] = padded([pair[:, 1] for pair in tokens], 0)[0].to(device)
        scores: torch.Tensor = model(**features).logits.float()
        return scores

    def loss(self, batch: PairBatch, outputs: torch.Tensor) -> torch.Tensor:
        import torch

        rows = torch.from_numpy(batch.rows).to(outputs.device)
        return pair_loss(outputs[:, 0], rows, batch.n_rows, self.chosen.loss)
