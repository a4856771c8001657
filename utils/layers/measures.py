"""The measures of `layers.py`, one row each: what they need, the figures of their rows, and what computes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

OWN = "own"  # the pooling that the checkpoint has


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measure of a model's layers.

    title: what it measures, for headings. needs: "pairs" (vectors of both sides of parallel texts), "labels" (vectors
    of labelled texts of all languages) or "prompts" (a causal model and the prompts of in-context learning).
    metric: the figure by which the best layer is chosen. figures: all figures of a row, by what they mean, in the order
    of the columns of the CSV file. poolings: those that are measured unless others are asked for.
    percent: whether the metric is shown as a percentage. with_intervals: the figures that have one.
    """

    name: str
    title: str
    needs: str
    metric: str
    figures: Mapping[str, str]
    poolings: tuple[str, ...] = (OWN,)
    percent: bool = True
    with_intervals: tuple[str, ...] = field(default=())

    @property
    def columns(self) -> list[str]:
        """The keys of a row behind layer, depth and pooling: each figure, and its interval where it has one."""
        ends = {name: ("", "_low", "_high") if name in self.with_intervals else ("",) for name in self.figures}
        return [f"{name}{end}" for name, each in ends.items() for end in each]


MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure(
            name="bitext",
            title="bitext retrieval by layer",
            needs="pairs",
            metric="f1",
            figures={
                "f1": "F1 of the nearest target, as bitext.py has it at k = 1",
                "acc": "share of sources whose nearest target is the translation",
                "mrr": "mean reciprocal rank of the translation among the first 100 targets",
            },
            with_intervals=("f1", "acc", "mrr"),
            poolings=("mean", "last", "cls"),
        ),
    )
}
