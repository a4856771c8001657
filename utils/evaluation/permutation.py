"""A paired permutation test of any figure of two models, which swaps their predictions item by item."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from utils.evaluation.stats import BLOCK, PERMUTATIONS, Values

Ints = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int64]  # (n, m)
Swapped = npt.NDArray[np.bool_]  # (patterns, n): whether an item's predictions are swapped
Statistic = Callable[[Swapped], Values]  # A's figure minus B's (patterns,)


def p_of_swaps(blocks: Sequence[tuple[int, Sequence[Statistic]]], seed: int) -> float:
    """Return the two-sided p-value of a sum of statistics being 0, by approximate randomisation (Noreen 1989).

    A block is a number of items and the statistics over them; all statistics of a block see the same swaps. 10,000
    patterns are drawn, and the observed one is counted among them, so p is never 0.
    """
    rng = np.random.default_rng(seed)
    none = [np.zeros((1, n), dtype=np.bool_) for n, _ in blocks]
    observed = abs(float(_sum(blocks, none)[0])) - 1e-9  # the same sum in another order differs by rounding
    as_large = 0
    for start in range(0, PERMUTATIONS, BLOCK):
        rows = min(BLOCK, PERMUTATIONS - start)
        drawn = [rng.integers(0, 2, (rows, n), dtype=np.int8).astype(np.bool_) for n, _ in blocks]
        as_large += int((np.abs(_sum(blocks, drawn)) >= observed).sum())
    return (as_large + 1) / (PERMUTATIONS + 1)


def _sum(blocks: Sequence[tuple[int, Sequence[Statistic]]], swapped: Sequence[Swapped]) -> Values:
    total: Values = np.zeros(len(swapped[0]))
    for (_, statistics), pattern in zip(blocks, swapped, strict=True):
        for statistic in statistics:
            total = total + statistic(pattern)
    return total


def sum_of(differences: Values) -> Statistic:
    """Return the statistic of a sum of differences of item values, A's minus B's (n,)."""
    return lambda swapped: (1.0 - 2.0 * swapped) @ differences


def corpus_of(sides: tuple[Counts, Counts], figure: Callable[[Values], Values], weight: float = 1.0) -> Statistic:
    """Return the statistic of a figure of a corpus: A's minus B's, times a weight.

    sides: the statistics of each item (n, m) of A and of B. figure: from summed statistics (patterns, m) to the figure
    (patterns,), which is taken anew for every pattern (Riezler and Maxwell 2005).
    """
    of_a, of_b = (side.astype(np.float64) for side in sides)
    moves = of_b - of_a

    def difference(swapped: Swapped) -> Values:
        moved = swapped.astype(np.float64) @ moves
        return weight * (figure(of_a.sum(axis=0) + moved) - figure(of_b.sum(axis=0) - moved))

    return difference


def macro_of(
    gold: Ints, hyps: tuple[Ints, Ints], n_labels: int, metric: str, weight: float, *, legacy: bool = False
) -> Statistic:
    """Return the statistic of a macro prec, rec or f1: A's minus B's, times a weight.

    gold and both of hyps (n,) are indices of labels, -1 for none. The confusion counts are taken anew for every
    pattern. The mean is over the labels that the gold has; `legacy` adds the predicted ones, as MINERS' code does
    (metrics.macro_labels).
    """
    of_gold = np.eye(n_labels)[gold]
    of_a, of_b = (np.eye(n_labels + 1, n_labels)[hyp] for hyp in hyps)  # -1: a row of zeros
    moving = np.flatnonzero(hyps[0] != hyps[1])
    moves = (of_b - of_a)[moving]
    hit_moves = moves * of_gold[moving]
    support = of_gold.sum(axis=0)

    def figure(hits: Values, predicted: Values) -> Values:
        scores = {"prec": (hits, predicted), "rec": (hits, support), "f1": (2 * hits, support + predicted)}
        above, below = scores[metric]
        kept = np.broadcast_to((support > 0) | (legacy & (predicted > 0)), predicted.shape)
        values: Values = (above / np.maximum(below, 1) * kept).sum(axis=1) / kept.sum(axis=1)
        return values

    def difference(swapped: Swapped) -> Values:
        pattern = swapped[:, moving].astype(np.float64)
        hits, predicted = pattern @ hit_moves, pattern @ moves
        of_one = figure((of_a * of_gold).sum(axis=0) + hits, of_a.sum(axis=0) + predicted)
        of_other = figure((of_b * of_gold).sum(axis=0) - hits, of_b.sum(axis=0) - predicted)
        return weight * (of_one - of_other)

    return difference
