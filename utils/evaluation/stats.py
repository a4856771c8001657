"""Confidence intervals and paired tests. Every function is pure; those that draw take a seed."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

RESAMPLES = 1000
PERMUTATIONS = 10_000
POWER, ALPHA = 0.8, 0.05  # of the smallest difference that is told
ENUMERATED = 16  # up to this number of non-zero differences, all sign patterns (65,536) are enumerated, not drawn
BLOCK = 256  # sign patterns drawn at once
Z95 = 1.959963984540054  # the standard normal quantile of 0.975
ONE_THREAD = 9000  # products up to this size use one thread of OpenBLAS: starting more takes longer than they save
Values = npt.NDArray[np.float64]


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % score interval of a proportion (Wilson 1927).

    The formula is the one of Newcombe (1998), evaluated in the order in which scipy.stats.binomtest evaluates it, so
    both return the same floats. scipy itself is not imported, because that takes longer than scoring a data set.
    """
    share = hits / n
    denominator = 2 * (n + Z95**2)
    centre = (2 * n * share + Z95**2) / denominator
    half = Z95 / denominator * math.sqrt(4 * n * share * (1 - share) + Z95**2)
    return 0.0 if hits == 0 else centre - half, 1.0 if hits == n else centre + half


def bootstrap_mean(values: Values, seed: int) -> tuple[float, float]:
    """Return the percentile bootstrap 95 % interval of the mean of item values (n,) (Efron 1979).

    1,000 resamples of the items with replacement; they depend on n and the seed only, so every metric and every k of
    a subset uses the same ones. A class's F1 is held at its value on the whole set: in bitext retrieval every class
    has one sentence, so counting predictions anew in each resample would remove the collisions that F1 penalises, and
    the interval would not contain the figure.
    """
    return percentiles(mean_draws(values, seed))


def mean_draws(values: Values, seed: int) -> Values:
    """Return the mean of item values (n,) in each resample: (RESAMPLES,)."""
    n = len(values)
    counts = resample_counts(n, seed)
    step = ONE_THREAD // n // 4 * 4  # BLAS sums four rows at a time: multiples of four leave every last bit as it is
    if not step:
        means: Values = counts @ values / n
        return means
    return np.concatenate([counts[start : start + step] @ values for start in range(0, RESAMPLES, step)]) / n


def percentiles(draws: Values) -> tuple[float, float]:
    """Return the 95 % percentile interval of resampled figures (RESAMPLES,)."""
    low, high = np.percentile(draws, (2.5, 97.5))
    return float(low), float(high)


@lru_cache(maxsize=2)
def resample_counts(n: int, seed: int) -> npt.NDArray[np.float32]:
    """Return how often each of n items is drawn in each resample: (RESAMPLES, n), rows summing to n."""
    rng = np.random.default_rng(seed)
    counts = np.empty((RESAMPLES, n), dtype=np.float32)
    for row in range(RESAMPLES):
        counts[row] = np.bincount(rng.integers(0, n, n), minlength=n)
    return counts


def bootstrap_macro(
    gold: npt.NDArray[np.int64], hyp: npt.NDArray[np.int64], kept: npt.NDArray[np.bool_], seed: int
) -> dict[str, tuple[float, float]]:
    """Return percentile bootstrap 95 % intervals of macro prec, rec and f1 over the kept labels (labels,)."""
    return {name: percentiles(draws) for name, draws in macro_draws(gold, hyp, kept, seed).items()}


def macro_draws(
    gold: npt.NDArray[np.int64], hyp: npt.NDArray[np.int64], kept: npt.NDArray[np.bool_], seed: int
) -> dict[str, Values]:
    """Return macro prec, rec and f1 over the kept labels (labels,) in each resample: (RESAMPLES,) each.

    gold and hyp (n,). 1,000 resamples of the items with replacement (Efron 1979); the confusion counts are taken anew
    in each resample.
    """
    n_labels = len(kept)
    weights = resample_counts(len(gold), seed)  # (RESAMPLES, n)
    of_gold = np.eye(n_labels, dtype=np.float32)[gold]  # (n, labels)
    of_hyp = np.eye(n_labels + 1, n_labels, dtype=np.float32)[hyp]  # -1: a row of zeros
    support, predicted = weights @ of_gold, weights @ of_hyp  # (RESAMPLES, labels)
    hits = weights @ (of_gold * of_hyp)
    scores = {
        "prec": hits / np.maximum(predicted, 1),
        "rec": hits / np.maximum(support, 1),
        "f1": 2 * hits / np.maximum(support + predicted, 1),
    }
    return {name: values[:, kept].mean(axis=1) for name, values in scores.items()}


def hierarchical_mean(
    values: Sequence[Values], seed: int, shared: Sequence[Hashable] | None = None
) -> tuple[float, float]:
    """Return the 95 % percentile interval of a mean over languages; both languages and items are resampled.

    values: the item values (n_l,) of each language. The estimate is the mean of the languages' means. Each of 1,000
    resamples draws items with replacement, then languages (Davison and Hinkley 1997, section 3.8). Languages with the
    same key in `shared` have parallel items and draw the same positions (the pigeonhole bootstrap, Owen 2007), so that
    a sentence that is hard in one language counts as often in the others. The languages' means contain the noise of
    their items, so the interval is conservative. With one language it is the bootstrap of its items.
    """
    keys = list(range(len(values))) if shared is None else list(shared)
    places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    draws = [mean_draws(items, seed + 1 + places[key]) for key, items in zip(keys, values, strict=True)]
    return percentiles(over_languages(np.stack(draws, axis=1), seed))


def over_languages(draws: Values, seed: int) -> Values:
    """Return the mean over resampled languages (RESAMPLES,).

    draws (RESAMPLES, languages): the resampled figures of each language, one column per language.
    """
    means: Values = (resample_counts(draws.shape[1], seed) * draws).mean(axis=1)
    return means


def paired_difference(both: int, only_a: int, only_b: int, neither: int) -> tuple[float, float]:
    """Return the 95 % interval of A's accuracy minus B's on the same items (Newcombe 1998, method 10).

    The arguments count the items that both, only A, only B and neither have right. The method combines the Wilson
    intervals of the two proportions with their correlation. Unlike a bootstrap interval, it has a positive width even
    if A and B agree on all items.
    """
    n = both + only_a + only_b + neither
    right_a, right_b = both + only_a, both + only_b
    share_a, share_b = right_a / n, right_b / n
    (low_a, high_a), (low_b, high_b) = wilson(right_a, n), wilson(right_b, n)
    phi = _correlation(both, only_a, only_b, neither)

    def reach(of_a: float, of_b: float) -> float:
        return math.sqrt(max(of_a**2 - 2 * phi * of_a * of_b + of_b**2, 0.0))

    difference = share_a - share_b
    return difference - reach(share_a - low_a, high_b - share_b), difference + reach(high_a - share_a, share_b - low_b)


def _correlation(both: int, only_a: int, only_b: int, neither: int) -> float:
    """Return the phi coefficient of the two, with Newcombe's continuity correction if it is positive."""
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    if margins == 0:
        return 0.0
    product = float(both * neither - only_a * only_b)
    if product > 0:
        product = max(product - (both + only_a + only_b + neither) / 2, 0.0)
    return product / math.sqrt(margins)


def mcnemar(only_a: int, only_b: int) -> float:
    """Return the exact two-sided p-value of McNemar's test (1947).

    The arguments count the items that only A, and only B, has right. Under the null hypothesis each discordant item
    favours A with probability 1/2, so p is twice the binomial tail, at most 1.
    """
    from scipy.stats import binomtest

    n = only_a + only_b
    return float(binomtest(only_a, n, 0.5).pvalue) if n else 1.0


def odds_ratio(only_a: int, only_b: int) -> float:
    """Return the matched odds ratio: items that only A has right, divided by items that only B has right.

    Half an item is added to both (Haldane 1956), so that the ratio is finite if one of them is 0.
    """
    return (only_a + 0.5) / (only_b + 0.5)


def paired_permutation(differences: Values, seed: int) -> float:
    """Return the two-sided p-value of the sum of paired differences (n,) being 0, by flipping signs (Fisher 1935).

    With at most 16 non-zero differences all sign patterns are enumerated. Otherwise 10,000 are drawn, and the observed
    one is counted among them (Phipson and Smyth 2010), so p is never 0.
    """
    moving = differences[differences != 0]  # flipping a 0 changes nothing
    rounding = 1e-9 * float(np.abs(moving).sum())  # the same sum in another order differs by rounding
    observed = abs(float(moving.sum())) - rounding
    if len(moving) <= ENUMERATED:
        patterns = np.arange(2 ** len(moving))[:, None] >> np.arange(len(moving)) & 1
        return float((np.abs((1 - 2 * patterns) @ moving) >= observed).mean())
    rng = np.random.default_rng(seed)
    as_large = 0
    for start in range(0, PERMUTATIONS, BLOCK):
        flips = rng.integers(0, 2, (min(BLOCK, PERMUTATIONS - start), len(moving)), dtype=np.int8)
        as_large += int((np.abs((1.0 - 2.0 * flips) @ moving) >= observed).sum())
    return (as_large + 1) / (PERMUTATIONS + 1)


def holm(ps: Sequence[float]) -> list[float]:
    """Return the p-values of n tests, adjusted for multiple testing (Holm 1979), in the order given."""
    order = np.argsort(ps, kind="stable")
    raised = np.asarray(ps, dtype=np.float64)[order] * np.arange(len(ps), 0, -1)
    adjusted = np.empty(len(ps))
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return [float(p) for p in adjusted]


def smallest_difference(n: int, discordant: float) -> float | None:
    """Return the smallest difference of paired proportions that n items detect with POWER at the two-sided ALPHA.

    This is Connor's sample size for McNemar's test (1987), solved for the difference at the given share of discordant
    items. The share cannot be smaller than the difference; if the solution would need that, all discordant items are
    assumed to favour one side. None if n items cannot detect any difference.
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    z_alpha, z_power = float(norm.ppf(1 - ALPHA / 2)), float(norm.ppf(POWER))
    room = n + z_power**2 - z_alpha**2
    if room < 0 or n <= z_alpha**2:
        return None
    at_share = math.sqrt(discordant) * (z_alpha * math.sqrt(n) + z_power * math.sqrt(room)) / (n + z_power**2)
    if at_share <= discordant and discordant > 0:
        return at_share
    return float(brentq(lambda share: share * n - (z_alpha + z_power * math.sqrt(1 - share)) ** 2, 0.0, 1.0))
