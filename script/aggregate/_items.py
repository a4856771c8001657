"""The value of each item under a metric, read off the predictions beside a record, and resamples of a mean of them."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from utils import stats
from utils.metrics import item_scores, macro_labels
from utils.runlog import LoggedResult, read_predictions

METRICS = {"bitext": ("acc", "prec", "f1"), "classification": ("acc",), "icl": ("acc",)}  # means over items
MACRO = ("prec", "rec", "f1")  # of labels: means over labels, not items


def block_of(dataset: str, gold: Sequence[Any]) -> Hashable:
    """Return what subsets with the same gold share: their items may be translations of each other."""
    return dataset, tuple(gold)


def item_values(gold: Sequence[Any], hyp: Sequence[Any], metric: str) -> stats.Values:
    """Return the value of each item (n,), whose mean is the metric."""
    if metric == "acc":
        return np.array([one == other for one, other in zip(gold, hyp, strict=True)], dtype=np.float64)
    return item_scores(np.asarray(gold, dtype=np.int64), np.asarray(hyp, dtype=np.int64))[metric]


def mean_draws(found: Mapping[str, LoggedResult], task: str, metric: str) -> stats.Values | None:
    """Return resampled means (RESAMPLES,) of a metric over subsets, or None where the predictions do not tell it."""
    if metric not in (*METRICS[task], *(MACRO if task != "bitext" else ())):
        return None
    places: dict[Hashable, int] = {}
    columns = []
    for result in found.values():
        both = read_predictions(result.path)
        if both is None:
            return None
        place = places.setdefault(block_of(result.dataset, both[0]), len(places))
        seed = zlib.crc32(result.dataset.encode()) + 1 + place  # data sets have draws of their own
        columns.append(_draws(result, both, task, metric, seed))
    dataset = next(iter(found.values())).dataset
    return stats.over_languages(np.stack(columns, axis=1), zlib.crc32(dataset.encode()))


def _draws(result: LoggedResult, both: tuple[list[Any], list[Any]], task: str, metric: str, seed: int) -> stats.Values:
    """Return the resampled metric (RESAMPLES,) of one subset."""
    if metric in METRICS[task]:
        return stats.mean_draws(item_values(*both, metric), seed)
    names = sorted({label for label in (*both[0], *both[1]) if label is not None})
    number: dict[str | None, int] = {None: -1, **{name: index for index, name in enumerate(names)}}
    gold, hyp = (np.array([number[label] for label in labels], dtype=np.int64) for labels in both)
    kept = macro_labels(gold, hyp, len(names), legacy=bool(result.run.get("legacy")))
    return stats.macro_draws(gold, hyp, kept, seed)[metric]
