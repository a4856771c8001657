"""From the labels' log-probabilities to a label: length normalisation, calibration, constrained decoding; pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from utils.answers import LabelScores

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


def log_softmax(scores: Scores) -> Scores:
    """Return the logarithm of the softmax over the labels (..., labels)."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    logs: Scores = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logs


def calibrate(scores: Scores, content_free: Sequence[Scores]) -> Scores:
    """Return the log-probabilities of the labels (labels,) divided by the mean ones of content-free inputs.

    Contextual calibration with W = diag(p)^-1 and b = 0: Zhao et al. 2021, arXiv 2102.09690, section 5.
    """
    prior: Scores = np.exp(log_softmax(np.stack(content_free))).mean(axis=0)
    found: Scores = log_softmax(scores) - np.log(prior)
    return found


def constrained_choice(scores: LabelScores, temperature: float, rng: np.random.Generator) -> int:
    """Return the index of the label that decoding token by token within the labels' trie ends at.

    At each step only tokens that continue a label are allowed. The most probable one is taken (ties: of the first
    label), or one is sampled from their renormalised probabilities at this temperature.
    """
    left = list(range(len(scores.tokens)))
    for depth in range(max(map(len, scores.tokens))):
        if len(left) == 1:
            break
        branches: dict[int, float] = {}
        for index in left:
            if depth < len(scores.tokens[index]):
                branches.setdefault(scores.tokens[index][depth], scores.logprobs[index][depth])
        token = _pick(branches, temperature, rng)
        left = [index for index in left if depth < len(scores.tokens[index]) and scores.tokens[index][depth] == token]
    return left[0]


def _pick(branches: dict[int, float], temperature: float, rng: np.random.Generator) -> int:
    tokens, values = list(branches), np.array(list(branches.values()))
    if temperature == 0:
        return tokens[int(values.argmax())]
    return tokens[int(rng.choice(len(tokens), p=np.exp(log_softmax(values / temperature))))]
