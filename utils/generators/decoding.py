"""From prompts to labels: by the labels' scores, by generated text that is parsed, or by constrained generation."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.answers import Choice, Failed, GenerationSettings, LabelScores, ScoreSettings, before_stop
from utils.errors import counted
from utils.generators.label_choice import Scores, calibrate, label_scores
from utils.generators.letters import are_letters
from utils.generators.prompts import CONTENT_FREE, parse_label
from utils.generators.reasoning import behind_reasoning
from utils.protocols import Generator

UNPARSED = -1
SHARE_TOLD = 20  # ties are told where one answer in so many has one


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
    """The prompt of one test item, and what its labels are compared by.

    content_free: the same prompt with content-free inputs instead of its texts (calibration). alone: the prompt without
    its question, whose scores are subtracted; None to subtract nothing. labels: what is scored or chosen after the
    prompt, where that differs between prompts; empty for the label set.
    """

    prompt: str
    content_free: tuple[str, ...] = ()
    alone: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answers:
    """One entry per prompt: the label's index (UNPARSED where there is none), the labels' scores or the text.

    `failures` has the reason for each prompt without an answer, by its index. n_tied: prompts whose best score several
    labels have, of which the first one is taken.
    """

    hyp: list[int]
    scores: list[list[float]]
    outputs: list[str]
    failures: dict[int, str]
    n_tied: int = 0


def answer(generator: Generator, queries: Sequence[Query], labels: Sequence[str], settings: DecodeSettings) -> Answers:
    """Return a label for each prompt."""
    if settings.decode == "generate":
        return _by_generating(generator, queries, labels, settings)
    if settings.decode == "constrained":
        return _by_choosing(generator, queries, labels, settings)
    return _by_scores(generator, queries, labels, settings)


def _by_scores(
    generator: Generator, queries: Sequence[Query], labels: Sequence[str], settings: DecodeSettings
) -> Answers:
    asked, n_real = asked_of(queries, labels), len(queries)
    found = _scored(generator, asked, ScoreSettings(legacy=settings.legacy))
    failures = {place: score.reason for place, score in enumerate(found[:n_real]) if isinstance(score, Failed)}
    values = [_values(score, of_each, settings.length_norm) for score, (_, of_each) in zip(found, asked, strict=True)]
    scores, rest = values[:n_real], iter(values[n_real:])
    if settings.calibrate:
        scores = [calibrate(value, [next(rest) for _ in CONTENT_FREE]) for value in scores]
    scores = [
        value - next(rest) if query.alone is not None else value for query, value in zip(queries, scores, strict=True)
    ]
    hyp = [UNPARSED if np.isnan(value).any() else int(value.argmax()) for value in scores]
    n_tied = sum(int((value == value.max()).sum()) > 1 for value in scores)
    return Answers(hyp, [[] if np.isnan(value).any() else value.tolist() for value in scores], [], failures, n_tied)


def asked_of(queries: Sequence[Query], labels: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Return every prompt of the queries with what is scored after it: the prompts themselves, then the others."""
    of_each = [query.labels or tuple(labels) for query in queries]
    asked = [(query.prompt, each) for query, each in zip(queries, of_each, strict=True)]
    for query, each in zip(queries, of_each, strict=True):
        asked += [(prompt, each) for prompt in query.content_free]
    return asked + [
        (query.alone, each) for query, each in zip(queries, of_each, strict=True) if query.alone is not None
    ]


def _scored(
    generator: Generator, asked: Sequence[tuple[str, tuple[str, ...]]], how: ScoreSettings
) -> list[LabelScores | Failed]:
    """Return the labels' scores after each prompt; prompts that all have the same labels are scored together."""
    prompts, of_each = [prompt for prompt, _ in asked], [labels for _, labels in asked]
    if len(set(of_each)) == 1:
        return generator.score(prompts, of_each[0], how)
    return generator.score_each(prompts, of_each, how)


def _values(scores: LabelScores | Failed, labels: Sequence[str], length_norm: str) -> Scores:
    """Return one score per label (labels,), NaN where the provider returns none."""
    if isinstance(scores, Failed):
        return np.full(len(labels), np.nan)
    return label_scores(scores, labels, length_norm)


def _by_choosing(
    generator: Generator, queries: Sequence[Query], labels: Sequence[str], settings: DecodeSettings
) -> Answers:
    how = GenerationSettings(0, settings.temperature, settings.seed)  # a label has a length of its own
    places: dict[tuple[str, ...], list[int]] = {}
    for place, query in enumerate(queries):
        places.setdefault(query.labels or tuple(labels), []).append(place)
    found: list[Choice | Failed] = [Choice(None, "")] * len(queries)
    for of_each, alike in places.items():
        chosen = generator.choose([queries[place].prompt for place in alike], of_each, how)
        for place, choice in zip(alike, chosen, strict=True):
            found[place] = choice
    choices = [Choice(None, "") if isinstance(choice, Failed) else choice for choice in found]
    return Answers(
        [UNPARSED if choice.index is None else choice.index for choice in choices],
        [list(choice.scores) for choice in choices if choice.scores],
        [choice.text for choice in choices],
        _reasons(found),
    )


def _by_generating(
    generator: Generator, queries: Sequence[Query], labels: Sequence[str], settings: DecodeSettings
) -> Answers:
    how = GenerationSettings(settings.max_new_tokens, settings.temperature, settings.seed)
    found = generator.generate([query.prompt for query in queries], how)
    outputs = ["" if isinstance(output, Failed) else output for output in found]
    of_line = generator.spec.kind == "base"  # which goes on with a question of its own
    parsed = [
        _named(behind_reasoning(output) or "", query.labels or labels, of_line=of_line)
        for query, output in zip(queries, outputs, strict=True)
    ]
    return Answers([UNPARSED if index is None else index for index in parsed], [], outputs, _reasons(found))


def _named(answer: str, labels: Sequence[str], *, of_line: bool) -> int | None:
    """Return the index of the label that an answer names; of letters it is that of the first line of a base model."""
    cut = of_line and are_letters(labels)
    return parse_label(before_stop(answer.lstrip(), ("\n",)) if cut else answer, labels)


def write(
    generator: Generator, queries: Sequence[Query], ends: Sequence[str], settings: DecodeSettings
) -> tuple[Answers, list[str]]:
    """Return what the generator writes after each prompt, and the texts of the answers by themselves.

    ends: before which an answer of a base model ends. An answer has the index 0, an empty one UNPARSED.
    """
    is_base = generator.spec.kind == "base"
    stop = tuple(ends) if is_base and tuple(ends) != ("\n",) else None
    how = GenerationSettings(settings.max_new_tokens, settings.temperature, settings.seed, stop=stop)
    found = generator.generate([query.prompt for query in queries], how)
    outputs = ["" if isinstance(output, Failed) else output for output in found]
    texts = [before_stop((behind_reasoning(output) or "").lstrip(), ends if is_base else ()) for output in outputs]
    return Answers([0 if text else UNPARSED for text in texts], [], outputs, _reasons(found)), texts


def _reasons(found: Sequence[object]) -> dict[int, str]:
    """Return why prompts failed, by their indices."""
    return {place: item.reason for place, item in enumerate(found) if isinstance(item, Failed)}


def warn_of_failures(lang: str, answers: Answers, lost_is: str = "name no label") -> None:
    """Say how many texts have no answer or an unfinished one, and where most answers name no label, or are empty."""
    if answers.failures:
        first = next(iter(answers.failures.values()))
        n = len(answers.failures)
        print(f"warning: {lang}: {counted(n, 'text')} without an answer, counted as wrong: {first}", file=sys.stderr)
    if SHARE_TOLD * answers.n_tied >= max(1, len(answers.hyp)):
        share = 100 * answers.n_tied / len(answers.hyp)
        print(
            f"note: {lang}: in {share:.0f} % of the answers the best labels tie, and the first counts", file=sys.stderr
        )
    lost = [place for place, index in enumerate(answers.hyp) if index < 0 and place not in answers.failures]
    unfinished = sum(behind_reasoning(text) is None for text in answers.outputs)
    if unfinished:
        hint = "give a larger --max_new_tokens"
        print(
            f"warning: {lang}: {counted(unfinished, 'answer')} cut off within the model's reasoning: {hint}",
            file=sys.stderr,
        )
    if 2 * len(lost) > len(answers.hyp):
        shown = answers.outputs[lost[0]][:60] if answers.outputs else ""
        share = 100 * len(lost) / len(answers.hyp)
        print(f"warning: {lang}: {share:.0f} % of the answers {lost_is}, the first is {shown!r}", file=sys.stderr)
