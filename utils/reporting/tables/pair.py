"""What two models have on the items of one subset: values of the items, or the counts of a figure of a corpus."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from utils.evaluation import permutation, stats
from utils.evaluation.permutation import Counts
from utils.evaluation.translation import FIGURES, corpus_draws


@dataclass(frozen=True)
class Pair:
    """The item values (n,) of A and B on one subset; subsets with the same gold have the same `block`.

    metric, corpus: of a metric of a corpus its name, and the counts of each item (n, m) of A and of B; the item values
    are then those of each sentence by itself.
    """

    dataset: str
    subset: str
    block: Hashable
    a: stats.Values
    b: stats.Values
    metric: str = ""
    corpus: tuple[Counts, Counts] | None = None

    @property
    def figures(self) -> tuple[float, float]:
        """The figures of A and B on all items."""
        if self.corpus is None:
            return float(self.a.mean()), float(self.b.mean())
        of_a, of_b = (float(FIGURES[self.metric](side.sum(axis=0))) for side in self.corpus)
        return of_a, of_b

    def draws(self, seed: int) -> stats.Values:
        """Return A's figure minus B's in each resample of the items (RESAMPLES,)."""
        if self.corpus is None:
            return stats.mean_draws(self.a - self.b, seed)
        of_a, of_b = (corpus_draws(side, self.metric, seed) for side in self.corpus)
        return of_a - of_b

    def statistic(self, weight: float) -> permutation.Statistic:
        """Return how swapping items changes the weighted difference of the figures."""
        if self.corpus is None:
            return permutation.sum_of(weight * (self.a - self.b) / len(self.a))
        return permutation.corpus_of(self.corpus, FIGURES[self.metric], weight)
