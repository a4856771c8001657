"""From the log-probabilities of labels' tokens to one label; pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from utils.schema import LabelScores

Scores = npt.NDArray[np.float64]


def label_scores(scores: LabelScores, labels: Sequence[str], length_norm: str) -> Scores:
    """Return one score a label (labels,): the sum of its tokens' log-probabilities, normalised for length.

    token: the mean per token (the original's); byte: per UTF-8 byte of the label; sum and none: not at all.
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
