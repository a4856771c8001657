"""The figures of the logit lens: from what the layers say behind each prompt to one row for each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from utils.evaluation.stats import bootstrap_mean

Values = npt.NDArray[np.float64]
LOGARITHMIC = ("rank_vocab",)  # figures that are geometric means over items


@dataclass(frozen=True)
class Options:
    """The options of an item as its prompt has them, with the place of the right one; and all answers by language.

    own and english are the answers in the language of the text and in English; empty where there are none.
    """

    asked: tuple[str, ...]
    right: int
    own: tuple[str, ...] = ()
    english: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """All words whose first tokens are looked up, each once; those of the prompt's options come first."""
        return tuple(dict.fromkeys((*self.asked, *self.own, *self.english)))


def item_values(readings: Sequence[Mapping[str, Any]], options: Sequence[Options]) -> dict[str, Values]:
    """Return the values of each item at each layer (n, 1 + layers), by the names of the figures.

    readings: what `Lens.read` yields for the words of each item. The probability of several answers is that of their
    distinct first tokens together. Options of equal probability share the mean of their ranks, and where they are the
    first, `acc` is 1 divided by their number. `p_own` and `p_english` are left out where an item has no such answers.
    """
    found: dict[str, list[Values]] = {}
    for reading, each in zip(readings, options, strict=True):
        place = {word: index for index, word in enumerate(each.words)}
        logprobs = np.array(reading["logprobs"], dtype=np.float64)  # (layers, words)
        asked = logprobs[:, [place[word] for word in each.asked]]
        right = logprobs[:, [place[each.asked[each.right]]]]
        greater, equal = (asked > right).sum(axis=1), (asked == right).sum(axis=1)
        values = {
            "acc": np.where(greater == 0, 1 / equal, 0.0),
            "p_right": np.exp(right[:, 0]),
            "p_options": _together(logprobs, reading["tokens"], [place[word] for word in each.asked]),
            "rank_options": 1 + greater + (equal - 1) / 2,
            "rank_vocab": np.array(reading["rank"], dtype=np.float64),
            "entropy": np.array(reading["entropy"], dtype=np.float64),
        }
        for name, words in (("p_own", each.own), ("p_english", each.english)):
            if words:
                values[name] = _together(logprobs, reading["tokens"], [place[word] for word in words])
        for name, of_layers in values.items():
            found.setdefault(name, []).append(of_layers)
    return {name: np.stack(rows) for name, rows in found.items() if len(rows) == len(readings)}


def _together(logprobs: Values, tokens: Sequence[int], places: Sequence[int]) -> Values:
    """Return the probability (layers,) of the distinct first tokens of some words."""
    first = {tokens[place]: place for place in places}
    total: Values = np.exp(logprobs[:, list(first.values())]).sum(axis=1)
    return total


def layer_figures(values: Mapping[str, Values], seed: int) -> list[dict[str, float]]:
    """Return the figures of each layer (1 + layers): means over items with the bounds of their intervals.

    The intervals are 95 % percentile bootstrap intervals over items. `rank_vocab` is a geometric mean, since the ranks
    of a vocabulary span five orders of magnitude.
    """
    n_layers = next(iter(values.values())).shape[1]
    rows: list[dict[str, float]] = [{} for _ in range(n_layers)]
    for name, of_items in values.items():
        is_log = name in LOGARITHMIC
        for layer, row in enumerate(rows):
            column = np.log(of_items[:, layer]) if is_log else of_items[:, layer]
            figures = [float(column.mean()), *bootstrap_mean(column, seed)]
            row[name], row[f"{name}_low"], row[f"{name}_high"] = np.exp(figures).tolist() if is_log else figures
    return rows


def sharing(readings: Sequence[Mapping[str, Any]], options: Sequence[Options]) -> dict[str, int]:
    """Return how many items have what makes their figures less than exact, without the counts that are 0.

    shared_first_tokens: two options begin with the same token, so that the lens cannot tell them apart.
    shared_languages: an answer in the language of the text begins as one in English does. apart: the prompt and the
    answers were tokenised apart, since an answer changes how the end of the prompt is tokenised.
    """
    counts = {"shared_first_tokens": 0, "shared_languages": 0, "apart": 0}
    for reading, each in zip(readings, options, strict=True):
        token = dict(zip(each.words, reading["tokens"], strict=True))
        asked = [token[word] for word in each.asked]
        counts["shared_first_tokens"] += len(set(asked)) < len(asked)
        if each.own != each.english:
            counts["shared_languages"] += bool({token[w] for w in each.own} & {token[w] for w in each.english})
        counts["apart"] += bool(reading["apart"])
    return {name: count for name, count in counts.items() if count}
