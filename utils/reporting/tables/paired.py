"""Compare two models on the same items: pair the values of their items, and test the differences."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.errors import UserError, counted
from utils.evaluation import permutation, stats
from utils.evaluation.translation import FIGURES
from utils.records.paths import predictions_path
from utils.records.result import LoggedResult
from utils.reporting.tables.items import block_of, pool_of, predictions_of, statistics_of, values_of
from utils.reporting.tables.pair import Pair
from utils.reporting.tables.select import note

SIGNIFICANT = 0.05
SHOWN = 8  # subsets named before "..."
ROUNDING = 1e-6  # a logged figure may differ by this much from the one computed from its predictions

Place = tuple[str, str]  # data set, subset
Side = Mapping[Place, LoggedResult]  # one model's results


@dataclass(frozen=True)
class Line:
    """The comparison on one subset, or of the mean over several; fractions, None where a value does not apply.

    interval: the 95 % interval of the difference. p_holm: p after Holm's correction over the subsets. only_a, only_b:
    items that only one model has right. smallest: the smallest difference that so many items can show. Of a mean, p is
    that of swapping items, and p_subsets that of swapping whole subsets.
    """

    dataset: str
    subset: str
    n: int
    a: float
    b: float
    interval: tuple[float, float]
    p: float
    p_holm: float | None = None
    only_a: int | None = None
    only_b: int | None = None
    odds_ratio: float | None = None
    smallest: float | None = None
    p_subsets: float | None = None

    @property
    def difference(self) -> float:
        """A's figure minus B's."""
        return self.a - self.b

    @property
    def significant(self) -> bool:
        """Whether p, after Holm, is below 0.05."""
        return self.p_holm is not None and self.p_holm < SIGNIFICANT


def pair_up(sides: Mapping[str, Side], metric: str) -> list[Pair]:
    """Return the subsets that both A and B have, with the values of their items; the others are named.

    Raises UserError where there is none, where predictions are missing, and where the data differ.
    """
    side_a, side_b = sides["A"], sides["B"]
    common = sorted(side_a.keys() & side_b.keys())
    if not common:
        raise UserError("A and B have no subset in common", f"A has {_places(side_a)}; B has {_places(side_b)}")
    _require_predictions([side[place] for side in (side_a, side_b) for place in common])
    for name, side in sides.items():
        if alone := sorted(side.keys() - set(common)):
            note(f"note: only {name} has {_places(alone)}")
    return [pair(side_a[place], side_b[place], metric) for place in common]


def _places(places: Side | Sequence[Place]) -> str:
    by_dataset: dict[str, list[str]] = {}
    for dataset, subset in places:
        by_dataset.setdefault(dataset, []).append(subset)
    return ", ".join(
        f"{dataset} ({', '.join(subsets[:SHOWN])}{', ...' if len(subsets) > SHOWN else ''})"
        for dataset, subsets in by_dataset.items()
    )


def _require_predictions(results: Sequence[LoggedResult]) -> None:
    without = [result for result in results if not predictions_path(result.path).is_file()]
    if without:
        raise UserError(
            f"{len(without)} of {len(results)} records have no predictions beside them, such as {without[0].path}",
            f"there should be {predictions_path(without[0].path).name}; run the script again with --overwrite",
        )


def pair(of_a: LoggedResult, of_b: LoggedResult, metric: str) -> Pair:
    """Return the values of the items of one subset, those to which the metric applies in both records.

    Raises UserError where the two cannot be paired.
    """
    gold, *_ = same_items(of_a, of_b)
    if metric in FIGURES:
        sides = (statistics_of(of_a, metric), statistics_of(of_b, metric))
        if sides[0].shape != sides[1].shape:
            raise UserError(f"{of_a.dataset} {of_a.subset}: A and B have other counts", "run both again")
        for result, side in zip((of_a, of_b), sides, strict=True):
            check(result, metric, float(FIGURES[metric](side.sum(axis=0))))
        a, b = (FIGURES[metric](side) for side in sides)
        return Pair(of_a.dataset, of_a.subset, block_of(of_a.dataset, gold), a, b, metric, sides)
    values = [values_of(result, metric) for result in (of_a, of_b)]
    for result, value in zip((of_a, of_b), values, strict=True):
        check(result, metric, float(np.nanmean(value)))
    block, there = block_of(of_a.dataset, gold), ~np.isnan(values[0] + values[1])
    if not there.all():
        place = f"{of_a.dataset} {of_a.subset}"
        if not there.any():
            raise UserError(f"{place}: no item has a {metric} in both A and B", "compare another --metric")
        n_without = int((~there).sum())
        note(f"note: {place}: {counted(n_without, 'item')} without a {metric} in A or B left out")
        block = (block, there.tobytes())
    return Pair(of_a.dataset, of_a.subset, block, values[0][there], values[1][there])


def same_items(of_a: LoggedResult, of_b: LoggedResult) -> tuple[list[Any], list[Any], list[Any]]:
    """Return gold and both predictions (n,) of a subset.

    Raises UserError where predictions are missing, or the data or the pools that questions rank differ.
    """
    place = f"{of_a.dataset} {of_a.subset}"
    (gold, hyp_a), (gold_b, hyp_b) = _predictions(of_a), _predictions(of_b)
    pools = [pool_of(result) for result in (of_a, of_b)]
    if all(pools) and pools[0] != pools[1]:
        raise UserError(
            f"{place}: A and B rank different pools: A {pools[0]}, B {pools[1]}",
            "run both with the same --pool and --langs",
        )
    if len(gold) != len(gold_b):
        raise _different(place, f"A has {len(gold)} items, B has {len(gold_b)}")
    if gold != gold_b:
        first = next(index for index, pair in enumerate(zip(gold, gold_b, strict=True)) if pair[0] != pair[1])
        raise _different(place, f"item {first} has the gold {gold[first]!r} and {gold_b[first]!r}")
    sources = [result.run.get("source") for result in (of_a, of_b)]
    if None not in sources and sources[0] != sources[1]:
        raise _different(place, f"A is from {sources[0]}, B from {sources[1]}")
    return gold, hyp_a, hyp_b


def _different(place: str, how: str) -> UserError:
    return UserError(
        f"{place}: A and B were run on different data: {how}", "run both again on the same data, without --limit"
    )


def _predictions(result: LoggedResult) -> tuple[list[Any], list[Any]]:
    path = predictions_path(result.path)
    found = predictions_of(result.path)
    if found is None:
        raise UserError(
            f"{path} does not have as many `hyp` as `gold`, all labels or all indices"
            if path.is_file()
            else f"there is no {path}",
            "run the script again with --overwrite",
        )
    return found


def check(result: LoggedResult, metric: str, value: float) -> None:
    """Raise UserError where the figure computed from the predictions is not the logged one."""
    logged = result.metrics.get(metric)
    if logged is not None and abs(logged - value) > ROUNDING:
        raise UserError(
            f"{result.path} has {metric} {logged:.4f}, but its predictions give {value:.4f}",
            "the files are not from one run: run the script again with --overwrite",
        )


def lines_of(pairs: Sequence[Pair], seed: int) -> list[Line]:
    """Return one line per subset, p adjusted over all of them (Holm)."""
    tests = [
        _corpus(pair, seed) if pair.corpus else _correctness(pair) if _is_binary(pair) else _values(pair, seed)
        for pair in pairs
    ]
    adjusted = stats.holm([test["p"] for test in tests])
    return [
        Line(pair.dataset, pair.subset, len(pair.a), *pair.figures, p_holm=p, **test)
        for pair, test, p in zip(pairs, tests, adjusted, strict=True)
    ]


def _is_binary(pair: Pair) -> bool:
    return bool(np.isin(pair.a, (0, 1)).all() and np.isin(pair.b, (0, 1)).all())


def _correctness(pair: Pair) -> dict[str, Any]:
    """Return the tests of items that are right or wrong: McNemar's, with its interval and odds ratio."""
    right_a, right_b = pair.a == 1, pair.b == 1
    both, neither = int((right_a & right_b).sum()), int((~right_a & ~right_b).sum())
    only_a, only_b = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    n = len(pair.a)
    return {
        "interval": stats.paired_difference(both, only_a, only_b, neither),
        "p": stats.mcnemar(only_a, only_b),
        "only_a": only_a,
        "only_b": only_b,
        "odds_ratio": stats.odds_ratio(only_a, only_b),
        "smallest": stats.smallest_difference(n, (only_a + only_b) / n),
    }


def _values(pair: Pair, seed: int) -> dict[str, Any]:
    """Return the tests of items with values between 0 and 1: a permutation test and a bootstrap interval."""
    differences = pair.a - pair.b
    return {
        "interval": stats.bootstrap_mean(differences, seed),
        "p": stats.paired_permutation(differences, seed),
    }


def _corpus(pair: Pair, seed: int) -> dict[str, Any]:
    """Return the tests of a figure of a corpus: sentences are swapped, and resampled, and it is computed anew."""
    return {
        "interval": stats.percentiles(pair.draws(seed)),
        "p": permutation.p_of_swaps([(len(pair.a), [pair.statistic(1.0)])], seed),
    }


def swapped_together(pairs: Sequence[Pair], weights: Sequence[float]) -> stats.Values:
    """Return the units of a permutation test.

    Items at the same index of subsets with the same gold are one unit: their weighted differences are added.
    """
    blocks: dict[Hashable, stats.Values] = {}
    for pair, weight in zip(pairs, weights, strict=True):
        items = weight * (pair.a - pair.b) / len(pair.a)
        blocks[pair.block] = blocks.get(pair.block, np.zeros(len(items))) + items
    return np.concatenate(list(blocks.values()))


def mean_line(pairs: Sequence[Pair], seed: int, dataset: str) -> Line:
    """Return the mean over subsets, all of equal weight.

    Items at the same index of subsets with the same gold are resampled and swapped together, since they may be
    translations of each other; the test is also valid if they are not.
    """
    if any(pair.corpus for pair in pairs):
        return _mean_of_corpora(pairs, seed, dataset)
    differences = [pair.a - pair.b for pair in pairs]
    units = swapped_together(pairs, [1.0] * len(pairs))
    return Line(
        dataset,
        "mean",
        sum(len(pair.a) for pair in pairs),
        float(np.mean([pair.a.mean() for pair in pairs])),
        float(np.mean([pair.b.mean() for pair in pairs])),
        stats.hierarchical_mean(differences, seed, [pair.block for pair in pairs]),
        stats.paired_permutation(units, seed),
        p_subsets=stats.paired_permutation(np.array([items.mean() for items in differences]), seed),
    )


def _mean_of_corpora(pairs: Sequence[Pair], seed: int, dataset: str) -> Line:
    """Return the mean over subsets of a figure of a corpus; items are resampled and swapped as in `mean_line`."""
    places = {block: place for place, block in enumerate(dict.fromkeys(pair.block for pair in pairs))}
    draws = np.stack([pair.draws(seed + 1 + places[pair.block]) for pair in pairs], axis=1)
    figures = np.array([pair.figures for pair in pairs])
    blocks: dict[Hashable, list[permutation.Statistic]] = {}
    for pair in pairs:
        blocks.setdefault(pair.block, []).append(pair.statistic(1 / len(pairs)))
    sizes = {pair.block: len(pair.a) for pair in pairs}
    return Line(
        dataset,
        "mean",
        sum(len(pair.a) for pair in pairs),
        float(figures[:, 0].mean()),
        float(figures[:, 1].mean()),
        stats.percentiles(stats.over_languages(draws, seed)),
        permutation.p_of_swaps([(sizes[block], found) for block, found in blocks.items()], seed),
        p_subsets=stats.paired_permutation(figures[:, 0] - figures[:, 1], seed),
    )


def means_of(pairs: Sequence[Pair], seed: int) -> list[Line]:
    """Return the mean over each data set's subsets if there are several data sets, then the mean over all subsets."""
    datasets = list(dict.fromkeys(pair.dataset for pair in pairs))
    each = [
        mean_line([pair for pair in pairs if pair.dataset == dataset], seed, dataset)
        for dataset in (datasets if len(datasets) > 1 else [])
    ]
    return [*each, mean_line(pairs, seed, "all" if each else datasets[0])]
