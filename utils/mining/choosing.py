"""Positives and negatives of a text among its neighbours: by rank, by score, and by margin to the positives.

The margins are those of `mine_hard_negatives` of sentence-transformers: with the lowest cosine p of the positives of a
row, a negative has at most p - |p| relative_margin, or at most p - absolute_margin (NV-Retriever: Moreira et al. 2024,
arXiv 2407.15831).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from utils.mining.ranking import Ranked
    from utils.mining.relations import Relations
    from utils.mining.settings import PairsSettings

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]
    Bools = npt.NDArray[np.bool_]

SAMPLINGS = ("top", "random")


@dataclass(frozen=True)
class Thresholds:
    """The bounds of cosines when percentiles have become numbers; None is no bound."""

    pos_min: float | None
    neg_max: float | None


@dataclass(frozen=True)
class PairRow:
    """A text with its positives (p,) and negatives (q,), the nearest first, mates before others, and their cosines."""

    query: int
    pos: Ints
    neg: Ints
    pos_scores: Floats
    neg_scores: Floats


@dataclass(frozen=True)
class Mates:
    """The mates of some texts: pairs (s,), sorted by the text, and their cosines (s,); no near-duplicates."""

    texts: Ints
    mates: Ints
    scores: Floats

    def of(self, text: int) -> tuple[Ints, Floats]:
        """Return the mates of a text and their cosines, the nearest first."""
        part = slice(*np.searchsorted(self.texts, [text, text + 1]))
        order = np.lexsort((self.mates[part], -self.scores[part]))
        return self.mates[part][order], self.scores[part][order]


def masks(some: Ranked, settings: PairsSettings, bounds: Thresholds) -> tuple[Bools, Bools]:
    """Return which neighbours can be positives and which negatives (b, depth), before margins are applied."""
    negative = some.within(settings.neg_ranks, settings.neg_min, bounds.neg_max)
    if not settings.has_positive_rule:
        return np.zeros_like(negative), negative
    positive = some.within(settings.pos_ranks, bounds.pos_min, settings.pos_max)
    return positive, negative & ~positive


def choose_rows(
    some: Ranked,
    mates: Mates,
    relations: Relations,
    settings: PairsSettings,
    bounds: Thresholds,
    counts: Counter[str],
) -> Iterator[PairRow]:
    """Yield the rows of some texts, and count them; a text without a positive or a negative has none.

    A negative is no mate of the text or of a positive, and a near-duplicate of none of them; the texts of a row are no
    near-duplicates of each other.
    """
    positive, negative = masks(some, settings, bounds)
    for place, text in enumerate(range(some.start, some.stop)):
        draw = np.random.default_rng((settings.seed, text)) if settings.sampling == "random" else None
        indices, scores = some.indices[place], some.scores[place].astype(np.float64)
        own, own_scores = mates.of(text)
        others, other_scores = indices[positive[place]], scores[positive[place]]
        pos = _pick(own, relations.near, settings.max_pos, draw)
        near = relations.near[np.append(own[pos], text)]
        more = np.flatnonzero(~np.isin(relations.near[others], near))
        more = more[_pick(others[more], relations.near, settings.max_pos - len(pos), draw)]
        chosen = np.concatenate([own[pos], others[more]])
        chosen_scores = np.concatenate([own_scores[pos], other_scores[more]])
        if not len(chosen):
            counts["texts_without_positive"] += 1
            continue
        allowed = np.flatnonzero(negative[place] & (scores <= _highest(chosen_scores.min(), settings)))
        all_positive = np.concatenate([[text], own, others])
        related = relations.mates(all_positive.tolist())
        near = relations.near[np.concatenate([all_positive, related])]
        allowed = allowed[~np.isin(indices[allowed], related) & ~np.isin(relations.near[indices[allowed]], near)]
        neg = allowed[_pick(indices[allowed], relations.near, settings.max_neg, draw)]
        if not len(neg) and settings.max_neg:
            counts["texts_without_negative"] += 1
            continue
        counts.update(rows=1, positives=len(chosen), positives_of_groups=len(pos), negatives=len(neg))
        yield PairRow(text, chosen, indices[neg], chosen_scores, scores[neg])


def _highest(lowest_positive: float, settings: PairsSettings) -> float:
    """Return the highest cosine that the margins allow to a negative."""
    highest = np.inf
    if settings.relative_margin is not None:
        highest = lowest_positive - abs(lowest_positive) * settings.relative_margin
    if settings.absolute_margin is not None:
        highest = min(highest, lowest_positive - settings.absolute_margin)
    return float(highest)


def _pick(texts: Ints, near: Ints, most: int, draw: np.random.Generator | None) -> Ints:
    """Return the places of at most `most` of the texts, of near-duplicates one, in their order.

    The first ones are taken, or random ones with a generator.
    """
    order = np.arange(len(texts)) if draw is None else draw.permutation(len(texts))
    _, first = np.unique(near[texts[order]], return_index=True)
    return np.sort(order[np.sort(first)[: max(most, 0)]])
