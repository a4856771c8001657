"""Measures of free answers and of judgements about them; pure.

Answers to one instruction are not independent, so a figure is a mean over instructions of the mean over its answers,
and intervals resample instructions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from utils.evaluation import stats
from utils.words import plain_words

NGRAM = 4
LEVELS = range(1, 7)  # of helpfulness
Values = npt.NDArray[np.float64]


def item_means(values: Sequence[Sequence[float | None]]) -> Values:
    """Return the mean of each item's values (n,), without those that are None; NaN for an item that has no other."""
    known = [[value for value in row if value is not None] for row in values]
    return np.array([float(np.mean(row)) if row else np.nan for row in known], dtype=np.float64)


def figure(values: Values, seed: int) -> tuple[float, tuple[float, float]] | None:
    """Return the mean of item values (n,) and its bootstrap interval over the items that are not NaN; None of none."""
    known = values[~np.isnan(values)]
    return (float(known.mean()), stats.bootstrap_mean(known, seed)) if len(known) else None


def repetition(text: str, n: int = NGRAM) -> float:
    """Return the share of the n-grams of a text's words that occurred before in it: 0 where none does.

    1 - distinct / all (seq-rep-n of Welleck et al. 2020, arXiv 1908.04319). A character is a word in scripts without
    spaces. A text of fewer than n words has no n-gram, and 0.
    """
    words = plain_words(text)
    grams = Counter(tuple(words[place : place + n]) for place in range(len(words) - n + 1))
    return 1 - len(grams) / sum(grams.values()) if grams else 0.0


def n_words(text: str) -> int:
    """Return the number of words of a text, characters in scripts without spaces."""
    return len(plain_words(text))


def as_share(level: float | None) -> float | None:
    """Return a level of helpfulness from 1 to 6 as a share of the scale: 0 for the lowest, 1 for the highest."""
    return None if level is None else (level - LEVELS[0]) / (LEVELS[-1] - LEVELS[0])


def weighted_kappa(first: Sequence[int], second: Sequence[int]) -> float | None:
    """Return Cohen's kappa of two judgements of the same answers (n,) with quadratic weights (Cohen 1968).

    1 - (observed disagreement) / (disagreement by chance); None where chance alone leaves none, as when both judges
    give all answers one level.
    """
    if not first:
        return None
    a, b = (np.asarray(side, dtype=np.float64) for side in (first, second))
    observed = float(((a - b) ** 2).mean())
    shares = [np.array([(side == level).mean() for level in LEVELS]) for side in (a, b)]
    gaps = np.subtract.outer(np.array(LEVELS), np.array(LEVELS)) ** 2
    by_chance = float(shares[0] @ gaps @ shares[1])
    return 1 - observed / by_chance if by_chance else None


def win_shares(verdicts: Sequence[tuple[str | None, str | None]]) -> list[float | None]:
    """Return how far A wins each pair of answers: 1, 0.5 for a tie, 0, and 0.25 or 0.75 where one order has a tie.

    verdicts: of each pair, which answer is better where A is shown first, and where B is: "1", "2" or "tie"; None where
    the judge said nothing that can be read. A pair with both unread has None, with one unread the other counts.
    """
    of_a = {"1": 1.0, "2": 0.0, "tie": 0.5}
    found: list[float | None] = []
    for a_first, b_first in verdicts:
        sides = [of_a[a_first]] if a_first else []
        sides += [1 - of_a[b_first]] if b_first else []
        found.append(sum(sides) / len(sides) if sides else None)
    return found


def position_bias(verdicts: Sequence[tuple[str | None, str | None]]) -> tuple[float, float] | None:
    """Return the share of judgements for the answer shown first minus that for the second, and that of changed minds.

    The latter is the share of pairs, judged in both orders, where another answer (or a tie) wins when the order is
    swapped. None without a pair that was judged in both orders.
    """
    both = [(one, other) for one, other in verdicts if one and other]
    if not both:
        return None
    said = [verdict for pair in both for verdict in pair]
    swapped = {"1": "2", "2": "1", "tie": "tie"}
    changed = sum(swapped[other] != one for one, other in both)
    return (said.count("1") - said.count("2")) / len(said), changed / len(both)
