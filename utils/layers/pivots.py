"""The pivots of parallel texts: which language others are compared with, and their rankings by it at each layer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.layers.ranking import Ranked, agreement, ranking
from utils.layers.rows import Row

Pair = tuple[str, str]  # the source and the target language
Place = tuple[int, str]  # a layer and a pooling
RANKED = ("centred", "cosine", "common", "neighbours")  # figures that are means over sentences, whose values are kept
OTHERS = ("ratio", "cka_debiased")  # figures without them: their order is compared with other numbers as well


@dataclass(frozen=True)
class Compared:
    """Languages that are compared with a pivot: rows of their records, and what is kept beside these, by language.

    Where the pivot is empty, they are pairs of languages, by the names of their subsets.
    """

    pivot: str
    rows: Mapping[str, Sequence[Row]]
    kept: Mapping[str, Mapping[str, Any]]

    def only(self, langs: Collection[str]) -> Compared:
        """Return the same of some of the languages."""
        chosen = [lang for lang in self.rows if lang in langs]
        return Compared(
            self.pivot, {lang: self.rows[lang] for lang in chosen}, {lang: self.kept[lang] for lang in chosen}
        )

    def rankings(self, seed: int) -> dict[Place, dict[str, list[Ranked]]]:
        """Return the ranking by each figure at each layer and pooling."""
        sentences = {lang: found["sentences"] for lang, found in self.kept.items()}
        found: dict[Place, dict[str, list[Ranked]]] = {}
        for number, row in enumerate(next(iter(self.rows.values()))):
            by_figure = found[row["layer"], row["pooling"]] = {}
            for name in RANKED:
                values = {lang: np.array(each["rows"][number][name]) for lang, each in self.kept.items()}
                by_figure[name] = ranking(values, sentences, seed)
        return found

    def agreements(self, others: Mapping[str, float], seed: int) -> list[list[Any]]:
        """Return layer, pooling, figure, the number of languages, and Spearman's correlation with its interval.

        It is a line for each figure at each place, with a correlation of None where it is not defined.
        """
        found: dict[tuple[int, str, str], dict[str, float]] = {}
        for lang, rows in self.rows.items():
            for row in rows:
                for name in (*RANKED, *OTHERS):
                    values = found.setdefault((row["layer"], row["pooling"], name), {})
                    if row.get(name) is not None and lang in others:
                        values[lang] = row[name]
        return [[*at, len(each), *(agreement(each, others, seed) or [None] * 3)] for at, each in found.items()]


def are_into_one(pairs: Collection[Pair]) -> bool:
    """Return whether the pairs of a data set lead from several languages into one, as those of Tatoeba do."""
    return len({target for _, target in pairs}) == 1 < len({source for source, _ in pairs})


def by_pivot(pairs: Mapping[str, Pair], *, into: bool) -> dict[str, dict[str, str]]:
    """Return the languages that are compared with each pivot, by their subsets.

    into: whether the pivot is the target of a pair; otherwise it is the source. Where two subsets of a pivot are in one
    language, they are called by their own names.
    """
    found: dict[str, dict[str, str]] = {}
    for subset, (source, target) in pairs.items():
        pivot, other = (target, source) if into else (source, target)
        found.setdefault(pivot, {})[subset] = other
    return {
        pivot: langs if len(set(langs.values())) == len(langs) else {subset: subset for subset in langs}
        for pivot, langs in found.items()
    }
