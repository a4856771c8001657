"""Every metric of one subset at one k, with its confidence interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from utils.evaluation import metrics, stats

PROPORTIONS = ("acc", "rec", "acc_dedup")  # metrics that get a Wilson interval; the others are bootstrapped


@dataclass(frozen=True)
class Figures:
    """Metrics as fractions, their 95 % intervals, the predictions (n,), and the item values (n,) of each metric."""

    metrics: dict[str, float]
    ci95: dict[str, tuple[float, float]]
    hyp: npt.NDArray[np.int64]
    items: dict[str, npt.NDArray[np.float64]]


def bitext_figures(
    gold: npt.NDArray[np.int64], retrieved: npt.NDArray[np.int64], ids: npt.NDArray[np.int64], k: int, seed: int
) -> Figures:
    """Return the metrics of one direction of one language pair at one k.

    gold (n,), retrieved (n, >= k) best first, ids (m,) from `metrics.text_ids` of the candidates. acc, prec, rec and
    f1 are defined as in MINERS (`metrics.predict_at_k`); mrr counts ranks up to k; acc_dedup counts a retrieved text
    that equals the gold text as correct; ceiling and ceiling_f1 are the upper bounds of acc and f1 for any encoder,
    which duplicates among the candidates lower (`metrics.ceiling_hyps`).
    """
    hyp = metrics.predict_at_k(gold, retrieved, k)
    items = metrics.item_scores(gold, hyp)
    items["mrr"] = metrics.reciprocal_ranks(gold, retrieved, k)
    items["acc_dedup"] = metrics.dedup_hits(gold, retrieved, ids, k).astype(np.float64)
    best = metrics.item_scores(gold, metrics.ceiling_hyps(gold, ids, k))
    values = {name: float(item.mean()) for name, item in items.items()}
    values |= {"ceiling": float(best["acc"].mean()), "ceiling_f1": float(best["f1"].mean())}
    return Figures(values, {name: _interval(name, item, seed) for name, item in items.items()}, hyp, items)


def _interval(name: str, item: npt.NDArray[np.float64], seed: int) -> tuple[float, float]:
    if name in PROPORTIONS:
        return stats.wilson(int(item.sum()), len(item))
    return stats.bootstrap_mean(item, seed)


def join_directions(
    by_direction: Mapping[str, Figures], seed: int
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Return the metrics and intervals of a record.

    One direction keeps its names. Of two, the forward one has the plain names, the backward one `<name>_backward`, and
    their mean `<name>_mean`.
    """
    if len(by_direction) == 1:
        (only,) = by_direction.values()
        return dict(only.metrics), dict(only.ci95)
    forward, backward = by_direction["forward"], by_direction["backward"]
    values, ci95 = dict(forward.metrics), dict(forward.ci95)
    values |= {f"{name}_backward": value for name, value in backward.metrics.items()}
    ci95 |= {f"{name}_backward": interval for name, interval in backward.ci95.items()}
    for name, item in forward.items.items():
        mean = (item + backward.items[name]) / 2
        values[f"{name}_mean"] = float(mean.mean())
        ci95[f"{name}_mean"] = stats.bootstrap_mean(mean, seed)
    return values, ci95


@dataclass(frozen=True)
class LabelFigures:
    """Metrics of a classification as fractions, their 95 % intervals, and details of each label."""

    metrics: dict[str, float]
    ci95: dict[str, tuple[float, float]]
    details: dict[str, Any]


def label_figures(
    gold: npt.NDArray[np.int64],
    hyp: npt.NDArray[np.int64],
    names: Sequence[str],
    train: npt.NDArray[np.int64],
    seed: int,
    *,
    legacy: bool = False,
    n_options: npt.NDArray[np.int64] | None = None,
) -> LabelFigures:
    """Return the metrics of predictions over a fixed set of labels.

    gold and hyp (n,) and train (m,), the training labels, are indices into names. acc is the accuracy; prec, rec and f1
    are macro means over the labels that the gold has. majority_* are the figures of always predicting the most
    frequent training label, random_* the expected ones of predicting every label with equal probability, of items with
    numbers of options of their own, n_options (n,), each of the first so many labels. `legacy` reproduces the set of
    labels over which MINERS' code averages (`metrics.macro_labels`).
    """
    n_labels = len(names)
    counts = metrics.confusion(gold, hyp, n_labels)
    by_label = metrics.label_scores(counts)
    kept = metrics.macro_labels(gold, hyp, n_labels, legacy=legacy)
    acc = float((gold == hyp).mean())
    values = {"acc": acc, **{name: float(item[kept].mean()) for name, item in by_label.items()}}
    values |= _baselines(gold, train, kept, np.full(len(gold), n_labels) if n_options is None else n_options)
    ci95 = {"acc": stats.wilson(int((gold == hyp).sum()), len(gold)), **stats.bootstrap_macro(gold, hyp, kept, seed)}
    per_label = {
        name: {
            **{metric: float(item[index]) for metric, item in by_label.items()},
            "support": int(counts[index].sum()),
            "predicted": int(counts[:, index].sum()),
        }
        for index, name in enumerate(names)
    }
    return LabelFigures(values, ci95, {"per_label": per_label, "confusion": counts.tolist(), "labels": list(names)})


def _baselines(
    gold: npt.NDArray[np.int64],
    train: npt.NDArray[np.int64],
    kept: npt.NDArray[np.bool_],
    n_options: npt.NDArray[np.int64],
) -> dict[str, float]:
    n_labels = len(kept)
    majority = np.full(len(gold), np.bincount(train, minlength=n_labels).argmax())
    majority_f1 = metrics.label_scores(metrics.confusion(gold, majority, n_labels))["f1"][kept].mean()
    chance = 1 / n_options
    support = np.bincount(gold, minlength=n_labels)
    right = np.bincount(gold, chance, minlength=n_labels)  # expected, by label
    drawn = np.array([chance[n_options > label].sum() for label in range(n_labels)])
    return {
        "majority_acc": float((gold == majority).mean()),
        "majority_f1": float(majority_f1),
        "random_acc": float(chance.mean()),
        "random_f1": float((2 * right / (support + drawn))[kept].mean()),
    }
