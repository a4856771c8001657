"""The measures of `layers.py`, one row each: what they need, the figures of their rows, and what computes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LENS_FIGURES = ("acc", "p_right", "p_options", "p_own", "p_english", "rank_options", "rank_vocab", "entropy")
OWN = "own"  # the pooling that the checkpoint has


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measure of a model's layers.

    title: what it measures, for headings. needs: "pairs" (vectors of both sides of parallel texts), "labels" (vectors
    of labelled texts of all languages) or "prompts" (a causal model and the prompts of in-context learning).
    metric: the figure by which the best layer is chosen. figures: all figures of a row, by what they mean, in the order
    of the columns of the CSV file. poolings: those that are measured unless others are asked for.
    levels: figures that another one is seen against, such as the cosine of unrelated sentences, by that figure's name.
    panels: the figures that have a panel in the figure (default: all). logarithmic: those that span orders of
    magnitude. percent: whether the metric is shown as a percentage. with_intervals: the figures that have one.
    """

    name: str
    title: str
    needs: str
    metric: str
    figures: Mapping[str, str]
    poolings: tuple[str, ...] = (OWN,)
    levels: Mapping[str, str] = field(default_factory=dict)
    panels: tuple[str, ...] = ()
    logarithmic: tuple[str, ...] = ()
    percent: bool = True
    with_intervals: tuple[str, ...] = field(default=())

    @property
    def drawn(self) -> tuple[str, ...]:
        """The figures that have a panel of their own."""
        return self.panels or tuple(self.figures)

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
        Measure(
            name="similarity",
            title="likeness of parallel sentences by layer",
            needs="pairs",
            metric="centred",
            figures={
                "cosine": "mean cosine of a sentence and its translation",
                "unrelated": "mean cosine of a sentence and the translation of another one",
                "ratio": "cosine divided by unrelated, where that is above 0",
                "centred": "mean cosine after each language's mean vector has been subtracted",
                "common": "mean cosine after the mean vector of both languages has been subtracted",
                "neighbours": "share of a sentence's 10 nearest sentences that are those of its translation as well",
                "chance": "the share that random neighbours have in common",
                "cka": "linear centred kernel alignment",
                "cka_debiased": "the same, 0 on average for unrelated vectors",
            },
            with_intervals=(
                *("cosine", "unrelated", "ratio", "centred", "common", "neighbours", "cka", "cka_debiased"),
            ),
            levels={"cosine": "unrelated", "neighbours": "chance"},
            panels=("cosine", "ratio", "centred", "common", "neighbours", "cka_debiased"),
            percent=False,
        ),
        Measure(
            name="pca",
            title="what languages and classes explain by layer",
            needs="labels",
            metric="language_variance",
            figures={
                "language_variance": "share of the variance that lies between languages",
                "class_variance": "share of the variance that lies between classes",
                "language_probe": "accuracy of a linear probe for the language, cross-validated",
                "language_share": "share of the most frequent language",
                "class_probe": "accuracy of a linear probe for the class, cross-validated",
                "class_share": "share of the most frequent class",
                "component_1": "share of the variance along the first principal component",
                "component_2": "share of the variance along the second one",
            },
            with_intervals=("language_variance", "class_variance", "language_probe", "class_probe"),
            levels={"language_probe": "language_share", "class_probe": "class_share"},
            panels=("language_variance", "class_variance", "language_probe", "class_probe"),
        ),
        Measure(
            name="lens",
            title="answers by layer, read by the logit lens",
            needs="prompts",
            metric="acc",
            figures={
                "acc": "share of items whose right option is the most probable, by the first tokens of the options",
                "p_right": "probability of the first token of the right option",
                "p_options": "probability of the first tokens of all options of the prompt",
                "p_own": "probability of the first tokens of the answers in the language of the text",
                "p_english": "probability of the first tokens of the answers in English",
                "rank_options": "rank of the right option among the options",
                "rank_vocab": "rank of its first token in the vocabulary, a geometric mean",
                "entropy": "entropy of the next token, in nats",
            },
            with_intervals=LENS_FIGURES,
            poolings=(),
            panels=("acc", "p_own", "p_english", "p_right", "rank_vocab", "entropy"),
            logarithmic=("rank_vocab",),
        ),
    )
}
