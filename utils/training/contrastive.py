"""Contrastive training of an encoder on queries, positives and negatives.

The usual settings are those of FlagEmbedding (Xiao et al. 2023, arXiv 2309.07597): in-batch and drawn negatives, and
cross-entropy of cosines at the temperature 0.02.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from utils.training import losses
from utils.training.light_model import lighten
from utils.training.loop import Trained
from utils.training.losses import Sides
from utils.training.parts import train_in_parts

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    from utils.training.embedder import Embedder
    from utils.training.folder import TrainingFolder
    from utils.training.losses import Loss
    from utils.training.options import TrainingOptions
    from utils.training.pair_examples import DrawnBatch, DrawnRow, PairExamples
    from utils.training.token_batches import Ids


@dataclass(frozen=True)
class ContrastiveOptions:
    """What decides the loss.

    loss: one of LOSSES. margin: of triplets. max_negatives: negatives of a row in an epoch. symmetric: whether
    positives rank the queries as well. matryoshka: numbers of first dimensions that are trained beside all. prompt:
    put before every query; passage_prompt: before every document. teacher: the name and the digest of the encoder
    whose vectors are learnt.
    """

    loss: str = "ranking"
    temperature: float = 0.02
    margin: float = 0.1
    max_negatives: int = 7
    symmetric: bool = False
    matryoshka: tuple[int, ...] = ()
    prompt: str = ""
    passage_prompt: str = ""
    teacher: tuple[str, str] | None = None

    def identity(self) -> dict[str, Any]:
        """Return the settings by name."""
        return dataclasses.asdict(self)

    def make(self) -> Loss:
        """Return the loss of a batch."""
        if self.loss == "ranking":
            found: Loss = partial(losses.ranking, temperature=self.temperature, symmetric=self.symmetric)
        elif self.loss == "triplet":
            found = partial(losses.triplet, margin=self.margin)
        else:
            found = losses.distillation
        return losses.matryoshka(found, self.matryoshka) if self.matryoshka else found


def train_embedder(
    embedder: Embedder,
    examples: PairExamples,
    chosen: ContrastiveOptions,
    options: TrainingOptions,
    folder: TrainingFolder,
    *,
    part: int | None = None,
    teach: Callable[[Sequence[str]], npt.NDArray[np.float32]] | None = None,
    held_out: PairExamples | None = None,
) -> Trained:
    """Train an encoder. part: texts that are in memory with their gradients at once, by default those of a batch.

    teach: returns the teacher's vectors of queries (n_queries, d). held_out: rows whose loss chooses the checkpoint.
    """
    every = [rows for rows in (examples, held_out) if rows is not None]
    sides = [
        (embedder.tokens(rows.query_texts, chosen.prompt), embedder.tokens(rows.texts, chosen.passage_prompt))
        for rows in every
    ]
    special = embedder.model.tokenizer.all_special_ids
    texts = itertools.chain(*itertools.chain(*sides))
    light = lighten(embedder.transformer, options.lora, lambda: texts, special)
    embedder.transformer = light.model
    work = []
    for rows, (queries, documents) in zip(every, sides, strict=True):
        taught = teach(rows.query_texts) if teach else None
        work.append(_Work(embedder, rows, queries, documents, chosen, options.seed, taught))
    trained = train_in_parts(embedder.model, work[0], options, folder, part, *work[1:])
    embedder.transformer = light.whole(trained.decay)
    return trained


@dataclass(frozen=True)
class _Work:
    """What a trainer does with a batch (`utils/training/parts.py`); it has the tokens of each query and document."""

    embedder: Embedder
    examples: PairExamples
    queries: Sequence[Ids]
    documents: Sequence[Ids]
    chosen: ContrastiveOptions
    seed: int
    teachers: npt.NDArray[np.float32] | None

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, place: tuple[int, int]) -> DrawnRow:
        return self.examples.drawn(*place, self.seed, self.chosen.max_negatives)

    def batch(self, rows: Sequence[DrawnRow]) -> DrawnBatch:
        return self.examples.batch(rows)

    def tokens(self, batch: DrawnBatch) -> list[Ids]:
        """Return the tokens of the queries, then those of the documents."""
        return [self.queries[place] for place in batch.queries] + [self.documents[place] for place in batch.documents]

    def forward(self, model: Any, tokens: Sequence[Ids]) -> torch.Tensor:
        vectors: torch.Tensor = self.embedder.embed(model, tokens)
        return vectors

    def loss(self, batch: DrawnBatch, outputs: torch.Tensor) -> torch.Tensor:
        """Return the loss of the vectors (n + m, d) of a batch."""
        import torch

        n, device = len(batch.queries), outputs.device
        owners, allowed = (torch.from_numpy(values).to(device) for values in (batch.owners, batch.allowed))
        taught = None if self.teachers is None else torch.from_numpy(self.teachers[batch.queries]).to(device)
        return self.chosen.make()(Sides(outputs[:n], outputs[n:], owners, allowed, taught))
