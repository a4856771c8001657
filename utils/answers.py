"""The dataclasses of what a generator is asked for, and of what it answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class GenerationSettings:
    """How text is generated: greedily at temperature 0, else sampled with the seed.

    top_p, top_k: only the most probable tokens that together reach this probability, and only so many of them, are
    sampled; None for all. stop: texts before which a base model's answer ends; None for the end of its line.
    schema: the JSON schema, as JSON, that a server is told to keep to where it can; local models are not held to it.
    """

    max_new_tokens: int = 32
    temperature: float = 0.0
    seed: int = 0
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] | None = None
    schema: str | None = None

    def identity(self) -> dict[str, Any]:
        """Return the settings by name, without those that are None, as earlier versions have them."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


def before_stop(text: str, stop: Sequence[str]) -> str:
    """Return what stands before the first of some texts in an answer, without blanks around it."""
    places = [place for each in stop if (place := text.find(each)) >= 0]
    return (text[: min(places)] if places else text).strip()


@dataclass(frozen=True)
class ScoreSettings:
    """How labels are scored: `terminated` with the end of the answer, `legacy` tokenised apart from the prompt."""

    terminated: bool = False
    legacy: bool = False


@dataclass(frozen=True)
class LabelScores:
    """The tokens of each label after one prompt, and their log-probabilities (natural logarithm).

    `tokens` is empty where a server returns no token ids.
    """

    tokens: tuple[tuple[int, ...], ...]
    logprobs: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Choice:
    """A label that was generated: its index (None where the text names none), its text, and all labels' scores.

    `scores` are log-likelihoods, empty where a server returns none.
    """

    index: int | None
    text: str
    scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class Failed:
    """An item that the provider will never answer, and the reason (filtered, too long)."""

    reason: str
