"""The main scores of mteb's result files, subset by subset, as reference figures of the data sets `mteb:TASK`.

A file does not say of which type its task is, or which measure its main score is. Both follow from the names and values
of its scores, so that mteb is not needed: the first of the suite's measures that equals the main score is taken.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from utils.data.mteb_rows import PREFIX, SAME_METRIC
from utils.reporting.tables.mteb_figures import REGRESSION_SCORES

Scores = Mapping[str, Any]
AT_K = re.compile(r"(ndcg|map|mrr|recall|hit_rate)_at_([0-9]+)")
TYPES = (  # the registry of a type of tasks, and scores that its results have; the first that fits is taken
    ("sts", {"cosine_spearman", "cosine_pearson"}),
    ("classification", {"accuracy", "f1", "scores_per_experiment"}),
    ("bitext", {"accuracy", "f1", "precision", "recall"}),
    ("classification", {"accuracy", "f1"}),  # as this suite writes them
)


class Measure(NamedTuple):
    """A measure of the suite: the task of its records, its name there, its k, and mteb's name."""

    task: str
    metric: str
    k: int | None
    theirs: str


def main_scores(content: Mapping[str, Any]) -> Iterator[tuple[Measure, str, float]]:
    """Yield the measure, the name (`en-de.test`) and the main score of each subset, where the suite has the measure."""
    splits = content.get("scores")
    for split, entries in splits.items() if isinstance(splits, dict) else ():
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and (measure := _measure(entry)) is not None:
                yield measure, subset_name(entry.get("hf_subset"), split), float(entry[measure.theirs])


def subset_name(subset: object, split: object) -> str:
    """Return the name of a subset of a split, as the lines of a reference have it."""
    return f"{subset}.{split}"


def lines_of(source: str, model: str, content: Mapping[str, Any], of_type: str | None) -> list[list[str]]:
    """Return a line of the reference, with its subset and the revision of the data, for each main score of a file.

    of_type: the registry that the task belongs to, None where it is not known.
    """
    revision = content.get("dataset_revision")
    lines = []
    for (task, metric, k, _), subset, value in main_scores(content):
        place = [task, "" if k is None else str(k), model, f"{PREFIX}{content['task_name']}", metric]
        if of_type in (None, task):
            lines.append([source, *place, f"{100 * value:.6f}", subset, str(revision or "")])
    return lines


def _measure(entry: Scores) -> Measure | None:
    """Return the measure that the main score of a subset is; None where it is none of the suite's."""
    there = {name: value for name, value in entry.items() if _is_fraction(value)}
    main = there.get("main_score")
    fitting = (one for one in _measures(entry) if one.theirs in there and there[one.theirs] == main)
    return next(fitting, None) if main is not None else None


def _measures(entry: Scores) -> Iterator[Measure]:
    """Yield the measures that a subset's scores can be, the usual main scores first."""
    task = next((task for task, names in TYPES if names <= set(entry)), None)
    if task is not None:
        known = REGRESSION_SCORES if task == "classification" else SAME_METRIC[task]
        k = 1 if task in ("bitext", "sts") else None
        yield from (Measure(task, ours, k, theirs) for theirs, ours in known.items())
        return
    found = sorted(set(entry), key=lambda name: (name not in ("ndcg_at_10", "map_at_1000"), name))
    for match in filter(None, map(AT_K.fullmatch, found)):
        yield Measure("retrieval", SAME_METRIC["retrieval"][match[1]], int(match[2]), match[0])


def _is_fraction(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(float(value)) and -1 <= float(value) <= 1  # type: ignore[arg-type]
