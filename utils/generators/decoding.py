"""From prompts to labels: by the labels' scores, by text that is generated and parsed, or by both at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from utils.generators.prompts import CONTENT_FREE, parse_label
from utils.schema import Failed, GenerationSettings, LabelScores, ScoreSettings

if TYPE_CHECKING:
    from utils.generators.cached import CachedGenerator

UNPARSED = -1


@dataclass(frozen=True)
class DecodeSettings:
    """How an answer becomes a label."""

    decode: str
    length_norm: str = "token"
    calibrate: bool = False
    legacy: bool = False
    max_new_tokens: int = 32
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Query:
    """One test text's prompt, and the same prompt with content-free inputs in the text's place (for calibration)."""

    prompt: str
    content_free: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answers:
    """One entry a prompt: the label's index (UNPARSED where none was found), its labels' scores or the text.

    `failures` says why a prompt has no answer, by its place.
    """

    hyp: list[int]
    scores: list[list[float]]
    outputs: list[str]
    failures: dict[int, str]


def answer(
    generator: CachedGenerator, queries: Sequence[Query], labels: Sequence[str], settings: DecodeSettings
) -> Answers:
    """Return a label for each prompt."""
    if settings.decode == "generate":
        return _by_generating(generator, queries, labels, settings)
    if settings.decode == "constrained" and generator.spec.provider:
        how = GenerationSettings(0, settings.temperature, settings.seed)
        return _parsed(generator.choose([query.prompt for query in queries], labels, how), labels)
    if settings.decode == "constrained":
        return _constrained(generator, queries, labels, settings)
    return _by_scores(generator, queries, labels, settings)


def _by_scores(
    generator: CachedGenerator, queries: Sequence[Query], labels: Sequence[str], settings: DecodeSettings
) -> Answers:
    prompts = [query.prompt for query in queries]
    how = ScoreSettings(legacy=settings.legacy)
    n_real = len(prompts)
    prompts += [prompt for query in queries for prompt in query.content_free]
    found = generator.score(prompts, labels, how)
    failures = {place: score.reason for place, score in enumerate(found[:n_real]) if isinstance(score, Failed)}
    values = [_values(score, labels, settings.length_norm) for score in found]
    scores = values[:n_real]
    if settings.calibrate:
        rest = iter(values[n_real:])
        scores = [calibrated(value, [next(rest) for _ in CONTENT_FREE]) for value in scores]
    hyp = [UNPARSED if np.isnan(value).any() else int(value.argmax()) for value in scores]
    return Answers(hyp, [[] if np.isnan(value).any() else value.tolist() for value in scores], [], failures)


def _values(scores: LabelScores | Failed, labels: Sequence[str], length_norm: str) -> Scores:
    """Return one score a label (labels,), NaN where the provider gives none."""
    if isinstance(scores, Failed):
        return np.full(len(labels), np.nan)
    return label_scores(scores, labels, length_norm)


def _constrained(
    generator: CachedGenerator, queries: Sequence[Query], labels: Sequence[str], settings: DecodeSettings
) -> Answers:
    scored = generator.score([query.prompt for query in queries], labels, ScoreSettings(True))
    found = [scores for scores in scored if isinstance(scores, LabelScores)]  # local models always give scores
    hyp = [
        constrained_choice(scores, settings.temperature, np.random.default_rng([settings.seed, place]))
        for place, scores in enumerate(found)
    ]
    values = [label_scores(scores, labels, "sum").tolist() for scores in found]
    return Answers(hyp, values, [labels[index] for index in hyp], {})


def _by_generating(
    generator: CachedGenerator, queries: Sequence[Query], labels: Sequence[str], settings: DecodeSettings
) -> Answers:
    how = GenerationSettings(settings.max_new_tokens, settings.temperature, settings.seed)
    return _parsed(generator.generate([query.prompt for query in queries], how), labels)


def _parsed(found: Sequence[str | Failed], labels: Sequence[str]) -> Answers:
    """Return the labels that texts name."""
    outputs = ["" if isinstance(output, Failed) else output for output in found]
    parsed = [parse_label(output, labels) for output in outputs]
    failures = {place: output.reason for place, output in enumerate(found) if isinstance(output, Failed)}
    return Answers([UNPARSED if index is None else index for index in parsed], [], outputs, failures)


Scores = npt.NDArray[np.float64]


def label_scores(scores: LabelScores, labels: Sequence[str], length_norm: str) -> Scores:
    """Return one score a label (labels,): the sum of its tokens' log-probabilities, normalised for length.

    token: the mean per token (the original's); byte: per UTF-8 byte of the label; sum: not at all.
    """
    totals: Scores = np.array([sum(values) for values in scores.logprobs])
    if length_norm == "token":
        totals = totals / np.array([len(values) for values in scores.logprobs])
    if length_norm == "byte":
        totals = totals / np.array([len(label.encode()) for label in labels])
    return totals


def normalized(scores: Scores) -> Scores:
    """Return log-probabilities over the labels (..., labels): softmax, in logarithms."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    logs: Scores = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logs


def calibrated(scores: Scores, content_free: Sequence[Scores]) -> Scores:
    """Return the scores (labels,) divided, as probabilities, by the mean of those of content-free inputs.

    Contextual calibration with W = diag(p)^-1 and b = 0: Zhao et al. 2021, arXiv 2102.09690, section 5.
    """
    prior: Scores = np.exp(normalized(np.stack(content_free))).mean(axis=0)
    found: Scores = normalized(scores) - np.log(prior)
    return found


def constrained_choice(scores: LabelScores, temperature: float, rng: np.random.Generator) -> int:
    """Return the label that decoding token by token within the labels' trie ends at: its index.

    At each token only those that go on towards a label are allowed; the likeliest is taken (ties: the first label),
    or one drawn from their renormalised probabilities at this temperature.
    """
    alive = list(range(len(scores.tokens)))
    for depth in range(max(map(len, scores.tokens))):
        if len(alive) == 1:
            break
        branches: dict[int, float] = {}
        for index in alive:
            if depth < len(scores.tokens[index]):
                branches.setdefault(scores.tokens[index][depth], scores.logprobs[index][depth])
        token = _pick(branches, temperature, rng)
        alive = [index for index in alive if depth < len(scores.tokens[index]) and scores.tokens[index][depth] == token]
    return alive[0]


def _pick(branches: dict[int, float], temperature: float, rng: np.random.Generator) -> int:
    tokens, values = list(branches), np.array(list(branches.values()))
    if temperature == 0:
        return tokens[int(values.argmax())]
    return tokens[int(rng.choice(len(tokens), p=np.exp(normalized(values / temperature))))]
