"""What is measured of a model's answers to the instructions of one language, and of the judgements about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.data.language_id import Told, identified_as, told_by
from utils.data.refusals import is_refusal
from utils.errors import note
from utils.evaluation import chat

if TYPE_CHECKING:
    from utils.data.instructions import Instructions
    from utils.generators.judging import Said

Rows = Sequence[Sequence[str]]  # (n, answers): texts by instruction


@dataclass
class Measured:
    """The figures of a subset, as a record has them; `values` has those of the instructions (n,), None without one."""

    metrics: dict[str, float] = field(default_factory=dict)
    ci95: dict[str, tuple[float, float]] = field(default_factory=dict)
    values: dict[str, list[float | None]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, values: chat.Values, seed: int) -> None:
        """Add the mean of a metric over instructions, its interval and its values; nothing where all are NaN."""
        found = chat.figure(values, seed)
        if found is not None:
            self.metrics[name], self.ci95[name] = found
            self.values[name] = [None if np.isnan(value) else float(value) for value in values]


def measured(answers: Rows, lang: str, told: Sequence[Sequence[Told]], seed: int) -> Measured:
    """Return the language fidelity, repetition, refusals and lengths of answers in a language.

    Fidelity is the share of answers in the language that was asked for, of those that are long enough to tell. An
    answer whose language the identifier is not sure of counts as one in another language, and is counted apart too.
    """
    found, expected = Measured(), identified_as(lang)
    if expected:
        in_language = [[None if one.too_short else float(one.lang == expected) for one in row] for row in told]
        found.add("fidelity", chat.item_means(in_language), seed)
    for name, rate in (("repetition", chat.repetition), ("refused", lambda text: float(is_refusal(text, lang)))):
        found.add(name, chat.item_means([[rate(text) for text in row] for row in answers]), seed)
    every = [one for row in told for one in row]
    found.metrics["too_short"] = sum(one.too_short for one in every) / len(every)
    found.metrics["undecided"] = sum(not one.lang and not one.too_short for one in every) / len(every)
    found.details["lengths"] = _lengths(answers, seed)
    found.details["answered_in"] = dict(Counter(one.lang or _unknown(one) for one in every).most_common())
    return found


def _unknown(told: Told) -> str:
    return "too short" if told.too_short else "undecided"


def _lengths(answers: Rows, seed: int) -> dict[str, Any]:
    """Return the mean numbers of characters and words of an answer, with their intervals over instructions."""
    found: dict[str, Any] = {}
    for name, count in (("characters", len), ("words", chat.n_words)):
        values = chat.item_means([[float(count(text)) for text in row] for row in answers])
        mean, interval = chat.figure(values, seed) or (0.0, (0.0, 0.0))
        found |= {name: mean, f"{name}_ci95": list(interval)}
    return found


def identifier_error(data: Instructions) -> tuple[float, int] | None:
    """Return the share of reference texts that the identifier finds in another language or is not sure of.

    They are the instructions and the reference answers that are long enough; also returns their number. None where
    there are none, or the identifier does not know the language.
    """
    expected = identified_as(data.lang)
    told = [told_by(text) for text in (*data.texts, *filter(None, data.references))]
    known = [one for one in told if not one.too_short]
    if not expected or not known:
        return None
    return sum(one.lang != expected for one in known) / len(known), len(known)


def most_told(row: Sequence[Told], lang: str) -> str | None:
    """Return the language of most answers to an instruction, of several the first; None where no answer tells one.

    The language that was asked for has the name that the data set gives it, others their ISO 639-3 code.
    """
    known = Counter(one.lang for one in row if one.lang)
    if not known:
        return None
    most = known.most_common(1)[0][0]
    return lang if most == identified_as(lang) else most


def add_judgements(
    found: Measured, said: Sequence[Sequence[Said[int]]], seed: int, *, name: str, unread: str, about: str
) -> None:
    """Add the helpfulness of answers, as a share of the scale, the share of unread judgements, and their counts."""
    found.add(name, chat.item_means([[chat.as_share(one.value) for one in row] for row in said]), seed)
    every = [one for row in said for one in row]
    levels = [one.value for one in every if one.value is not None]
    n_held = sum(one.held for one in every)
    found.metrics[unread] = sum(one.value is None for one in every) / len(every)
    found.details[about] = {
        "mean_level": float(np.mean(levels)) if levels else None,
        "levels": [levels.count(level) for level in chat.LEVELS],
        "asked_again": sum(one.again for one in every),
        **({"held": n_held} if n_held else {}),
        "unread": len(every) - len(levels),
    }


def tell_held(lang: str, n_held: int, n: int, so: str) -> None:
    """Say what follows where most judgements of a language cannot be read, and are held to the form."""
    if 2 * n_held > n:
        note(f"{lang}: the judge could not be read in {n_held} of {n} judgements: {so}")


def add_agreement(found: Measured, first: Sequence[Sequence[Said[int]]], second: Sequence[Sequence[Said[int]]]) -> None:
    """Add how the judge agrees with itself: weighted kappa, and the share of equal levels."""
    both = [
        (one.value, other.value)
        for row, others in zip(first, second, strict=True)
        for one, other in zip(row, others, strict=True)
        if one.value is not None and other.value is not None
    ]
    sides = [one for one, _ in both], [other for _, other in both]
    kappa = chat.weighted_kappa(*sides)
    equal = sum(one == other for one, other in both) / len(both) if both else None
    found.details["judge_agreement"] = {"n": len(both), "weighted_kappa": kappa, "equal": equal}


def shown_columns(body: Mapping[str, Any]) -> dict[str, float | None]:
    """Return what is printed of a record beside its main metric, by the heading of its column."""
    lengths, judged = body.get("lengths") or {}, body.get("judge_levels") or {}
    kappa = (body.get("judge_agreement") or {}).get("weighted_kappa")
    percent = {"repeated": "repetition", "refused": "refused", "too short": "too_short", "undecided": "undecided"}
    percent |= {"identifier's error": "lid_error", "failed": "failed", "unread": "unread"}
    shown = {name: 100 * body[key] if key in body else None for name, key in percent.items()}
    shown |= {"characters": lengths.get("characters"), "words": lengths.get("words")}
    return {**shown, "level": judged.get("mean_level"), "kappa": kappa}
