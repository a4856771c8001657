"""What a figure is seen against: the ceiling that duplicates set, and what chance and the most frequent label give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from utils.task_spec import TaskSpec
from utils.tasks import BEFORE, REGRESSION


def bounds_of(metrics: Mapping[str, float], metric: str, spec: TaskSpec) -> dict[str, float]:
    """Return the bounds of a record's metric by their names, as fractions; a ceiling of 1 bounds nothing.

    metrics: those of the record. Of both directions a bound is the mean over them.
    """
    name = metric.removesuffix("_mean")
    directions = ("", "_backward") if f"{name}_mean" in metrics else ("",)
    found = {}
    for label, key in spec.bounds.get(name, ()):
        values = [metrics[key + direction] for direction in directions if key + direction in metrics]
        if len(values) == len(directions):
            found[label] = sum(values) / len(values)
    return found


def mean_bounds(bounds: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the means of bounds over records that all have them, without ceilings that bound none of the records.

    The figures before reranking and of mteb's logistic regression are no bounds, and stand there whatever they are.
    """
    found = list(bounds)
    labels = [label for label in (found[0] if found else ()) if all(label in each for each in found)]
    means = {label: sum(each[label] for each in found) / len(found) for label in labels}
    return {label: value for label, value in means.items() if value < 1 or label in (BEFORE, REGRESSION)}
