"""The scores of labels as the cache of responses keeps them, and which of earlier versions are computed again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from utils.answers import LabelScores
from utils.generators.sampling import no_number
from utils.loaders import VLLM
from utils.schema import GeneratorSpec

EXACT = {"logits": "fp32"}  # of scores in half precision, whose logits earlier versions had rounded to it


def as_answers(spec: GeneratorSpec, found: Iterable[tuple[int, LabelScores]]) -> Iterator[tuple[int, Any]]:
    """Yield scores as the cache keeps them. Raises UserError for NaN."""
    for index, scores in found:
        if any(math.isnan(value) for row in scores.logprobs for value in row):
            raise no_number(spec, "a label")
        about = EXACT if may_be_rounded(spec) else {}
        yield index, {"tokens": scores.tokens, "logprobs": scores.logprobs, **about}


def as_scores(found: Mapping[str, Any]) -> LabelScores:
    """Return the scores that the cache has."""
    return LabelScores(tuple(map(tuple, found["tokens"])), tuple(map(tuple, found["logprobs"])))


def is_scores(answer: Any) -> bool:
    """Return whether an answer of the cache has the tokens of each label and log-probabilities that are numbers."""
    if not isinstance(answer, dict):
        return False
    tokens, logprobs = answer.get("tokens"), answer.get("logprobs")
    if not isinstance(tokens, list) or not isinstance(logprobs, list):
        return False
    rows = [*tokens, *logprobs]
    if not all(isinstance(row, list) for row in rows):
        return False
    numbers = all(isinstance(x, int | float) and not math.isnan(x) for row in rows for x in row)
    return numbers and [*map(len, tokens)] == [*map(len, logprobs)]


def may_be_rounded(spec: GeneratorSpec) -> bool:
    """Return whether earlier versions rounded the logits of a model to half precision."""
    return spec.dtype != "fp32" and spec.loader != VLLM


def is_rounded(answer: Mapping[str, Any]) -> bool:
    """Return whether an earlier version rounded the scores of two different labels to the same ones.

    Rounding keeps the order of all other labels that are single tokens.
    """
    if EXACT.items() <= answer.items():
        return False
    labels = {*zip(map(tuple, answer["tokens"]), map(tuple, answer["logprobs"]), strict=True)}
    return len({values for _, values in labels}) < len(labels)
