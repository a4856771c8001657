"""How scores follow from products of rows, for a scan that compares products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from utils.retrieval.rows import U32
from utils.retrieval.torch_kernels import RATIO, Terms

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Form:
    """How scores in scan space follow from products p of scaled rows; what a scan needs that compares products.

    LINEAR, and PRODUCT where there is no offset: scale * (p - offset / 2) - shift. RATIO: p / ((shift + offset) / 2),
    with shift + offset > 0. offset (m,) float32 is of the candidates, shift (n,) float32 of the queries.
    """

    kind: int
    scale: float = 1.0
    shift: Tensor | None = None
    offset: Tensor | None = None

    def bar(self, scores: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return what p + slope * offset reaches if and only if the scores (q,) are reached: bar and slope (q,)."""
        import torch

        if self.kind == RATIO:
            assert self.shift is not None
            return scores * self.shift[rows] / 2, -scores / 2
        shifted = scores if self.shift is None else scores + self.shift[rows]
        return shifted / self.scale, torch.full_like(scores, -0.5)

    def terms(self, rows: Tensor, centring: Tensor, step: int) -> Terms:
        """Return the terms of every step-th candidate, for products from which centring (q,) was taken."""
        offset = None if self.offset is None else self.offset[::step].contiguous()
        if self.kind != RATIO:
            return Terms(self.kind, offset=offset)
        assert self.shift is not None
        return Terms(self.kind, centring, self.shift[rows].contiguous(), offset)

    def score(self, values: Tensor, error: Tensor, centring: Tensor, rows: Tensor) -> Tensor:
        """Return scores (q,) that candidates are certain to reach whose values by `terms` are these (q,).

        Products are off by at most `error` (q,).
        """
        if self.kind == RATIO:
            assert self.shift is not None and self.offset is not None
            return values - error * 2 / (self.shift[rows] + self.offset.min()) - 8 * U32 * values.abs()
        scores = self.scale * (values + centring - error)
        return scores if self.shift is None else scores - self.shift[rows]
