"""The value of each item under a metric, from a record's predictions, and resampled means of these values."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from utils.errors import UserError, counted
from utils.evaluation import stats
from utils.evaluation.metrics import item_scores, macro_labels
from utils.evaluation.translation import corpus_draws
from utils.records.reader import read_predictions, read_statistics, read_values
from utils.records.result import LoggedResult
from utils.task_spec import TaskSpec
from utils.tasks import TASKS


@lru_cache(maxsize=2048)  # a table reads the predictions of a column's best row once for each other row
def predictions_of(record: Path, direction: str = "") -> tuple[list[Any], list[Any]] | None:
    """Return gold and hyp (n,) of a record as `read_predictions` does; equal labels share one string in memory."""
    both = read_predictions(record, direction)
    if both is None:
        return None
    gold, hyp = ([sys.intern(item) if isinstance(item, str) else item for item in side] for side in both)
    return gold, hyp


def block_of(dataset: str, gold: Sequence[Any]) -> Hashable:
    """Return a key that subsets with the same gold share: their items may be translations of each other."""
    return dataset, tuple(gold)


def pool_of(result: LoggedResult) -> str:
    """Return what the questions of a record rank, such as `140 passages (eng spa)`; empty where it does not say so."""
    size, langs = result.run.get("n_passages"), result.run.get("passage_langs")
    if not isinstance(size, int) or not isinstance(langs, list):
        return ""
    return f"{counted(size, 'passage')} ({' '.join(map(str, langs))})"


def item_values(gold: Sequence[Any], hyp: Sequence[Any], metric: str) -> stats.Values:
    """Return the value of each item (n,), whose mean is the metric.

    Raises UserError for a metric whose values the predictions do not give.
    """
    if metric == "acc":
        return np.array([one == other for one, other in zip(gold, hyp, strict=True)], dtype=np.float64)
    indices = all(isinstance(answer, int) for answer in (*gold, *hyp))
    values = item_scores(np.asarray(gold, dtype=np.int64), np.asarray(hyp, dtype=np.int64)) if indices else {}
    if metric not in values:
        raise UserError(f"predictions do not give the {metric} of each item", "--metric acc compares right and wrong")
    return values[metric]


def values_of(result: LoggedResult, metric: str) -> stats.Values:
    """Return the value of each item (n,) of a record; of both directions the mean of the item's values in them.

    An item that the metric does not apply to has NaN. Raises UserError where there are no predictions, or they do not
    give the values.
    """
    if (own := read_values(result.path, metric)) is not None:
        return np.asarray(own, dtype=np.float64)
    directions = ("", "backward") if result.run.get("direction") == "both" else ("",)
    values = []
    for direction in directions:
        both = predictions_of(result.path, direction)
        if both is None:
            what = f"{result.path} has no predictions{' of the targets' if direction else ''} beside it"
            raise UserError(what, "run the script again with --overwrite")
        values.append(item_values(*both, metric))
    if len({len(each) for each in values}) > 1:
        raise UserError(f"{result.path}: the directions have different numbers of items", "compare one direction")
    return np.asarray(sum(values) / len(values), dtype=np.float64)


def is_stated(result: LoggedResult, metric: str) -> bool:
    """Return whether the predictions of a record state each item's value of a metric."""
    return read_values(result.path, metric) is not None


def statistics_of(result: LoggedResult, metric: str) -> npt.NDArray[np.int64]:
    """Return the counts (n, m) of which a metric of a corpus is made; raises UserError where there are none."""
    found = read_statistics(result.path, metric)
    if found is None:
        raise UserError(
            f"the predictions of {result.path} have no counts of {metric}", "run the script again with --overwrite"
        )
    return np.array(found, dtype=np.int64)


def mean_draws(found: Mapping[str, LoggedResult], task: str, metric: str) -> stats.Values | None:
    """Return resampled means (RESAMPLES,) of a metric over subsets, or None where the predictions do not give them."""
    spec = TASKS[task]
    if metric not in (*spec.item_metrics, *spec.label_metrics, *spec.corpus_metrics):
        return None
    places: dict[Hashable, int] = {}
    columns = []
    for result in found.values():
        both = predictions_of(result.path)
        if both is None:
            return None
        place = places.setdefault(block_of(result.dataset, both[0]), len(places))
        seed = zlib.crc32(result.dataset.encode()) + 1 + place  # each data set has its own draws
        try:
            columns.append(_draws(result, both, spec, metric, seed))
        except UserError:
            return None
    dataset = next(iter(found.values())).dataset
    return stats.over_languages(np.stack(columns, axis=1), zlib.crc32(dataset.encode()))


def _draws(
    result: LoggedResult, both: tuple[list[Any], list[Any]], spec: TaskSpec, metric: str, seed: int
) -> stats.Values:
    """Return the resampled metric (RESAMPLES,) of one subset."""
    if metric in spec.corpus_metrics:
        return corpus_draws(statistics_of(result, metric), metric, seed)
    if metric in spec.item_metrics or is_stated(result, metric):
        values = values_of(result, metric)
        return stats.mean_draws(values[~np.isnan(values)], seed)
    (gold, hyp), n_labels = label_indices(*both)
    kept = macro_labels(gold, hyp, n_labels, legacy=bool(result.run.get("legacy")))
    return stats.macro_draws(gold, hyp, kept, seed)[metric]


def label_indices(*sides: Sequence[str | None]) -> tuple[list[npt.NDArray[np.int64]], int]:
    """Return each side's labels as indices (n,), -1 for none, and how many labels there are."""
    names = sorted({label for labels in sides for label in labels if label is not None})
    number: dict[str | None, int] = {None: -1, **{name: index for index, name in enumerate(names)}}
    return [np.array([number[label] for label in labels], dtype=np.int64) for labels in sides], len(names)
