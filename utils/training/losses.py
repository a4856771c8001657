"""Losses of contrastive training, computed from the vectors of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import torch

    Tensor: TypeAlias = torch.Tensor

LOSSES = ("ranking", "triplet", "distillation")


@dataclass(frozen=True)
class Sides:
    """The vectors of a batch and what is known of them.

    queries: (n, d). documents: (m, d), of which the first n are the positives. owners: the row of each document (m,).
    allowed: (n, m), whether a document counts for a query. teachers: (n, d), the vectors that a teacher gives to the
    queries, None without one.
    """

    queries: Tensor
    documents: Tensor
    owners: Tensor
    allowed: Tensor
    teachers: Tensor | None = None


Loss = Callable[[Sides], "Tensor"]


def ranking(sides: Sides, temperature: float, *, symmetric: bool = False) -> Tensor:
    """Return the mean cross-entropy of the positives among all documents that count, by cosine over temperature.

    It is the multiple-negatives ranking loss (Henderson et al. 2017, arXiv 1705.00652), or InfoNCE. symmetric: the
    mean of it and of the same loss of the positives, among the queries.
    """
    import torch

    n = len(sides.queries)
    scores = _unit(sides.queries) @ _unit(sides.documents).T / temperature
    scores = scores.masked_fill(~sides.allowed, -torch.inf)
    own = torch.arange(n, device=scores.device)
    loss = torch.nn.functional.cross_entropy(scores, own)
    return (loss + torch.nn.functional.cross_entropy(scores[:, :n].T, own)) / 2 if symmetric else loss


def triplet(sides: Sides, margin: float) -> Tensor:
    """Return the mean over a row's own negatives of max(0, cos(query, negative) - cos(query, positive) + margin)."""
    import torch

    n, queries, documents = len(sides.queries), _unit(sides.queries), _unit(sides.documents)
    owners = sides.owners[n:]
    near = (queries * documents[:n]).sum(dim=1)[owners]
    far = (queries[owners] * documents[n:]).sum(dim=1)
    counts = sides.allowed[owners, torch.arange(n, len(documents), device=owners.device)]
    return (torch.relu(far - near + margin) * counts).sum() / counts.sum().clamp(min=1)


def distillation(sides: Sides) -> Tensor:
    """Return the mean squared distance of queries and positives to the teacher's vectors of the queries.

    This makes a multilingual student of a teacher (Reimers and Gurevych 2020, arXiv 2004.09813).
    """
    import torch

    assert sides.teachers is not None
    n = len(sides.queries)
    student = torch.cat([sides.queries, sides.documents[:n]])
    return torch.nn.functional.mse_loss(student, sides.teachers.repeat(2, 1))


def matryoshka(loss: Loss, dimensions: Sequence[int]) -> Loss:
    """Return the sum of a loss over the first numbers of dimensions (Kusupati et al. 2022, arXiv 2205.13147)."""
    import dataclasses

    def summed(sides: Sides) -> Tensor:
        cut = [
            dataclasses.replace(sides, queries=sides.queries[:, :size], documents=sides.documents[:, :size])
            for size in dimensions
        ]
        total = loss(cut[0])
        for some in cut[1:]:
            total = total + loss(some)
        return total

    return summed


def _unit(vectors: Tensor) -> Tensor:
    import torch

    return torch.nn.functional.normalize(vectors, p=2, dim=1)
