"""Translations: BLEU and chrF++ of a corpus, from the statistics of its sentences, which sacrebleu counts.

Post 2018, arXiv 1804.08771; spBLEU is BLEU over the pieces of a SentencePiece model (Goyal et al. 2022, arXiv
2106.03193), chrF++ is chrF with words and pairs of words (Popović 2017, doi 10.18653/v1/W17-4770).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt

from utils.evaluation import stats

Values = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

BLEU_ORDER = 4
CHRF_BETA = 2


def bleu_of(sums: npt.NDArray[Any]) -> Values:
    """Return BLEU as a fraction (...) from summed statistics (..., 10), as sacrebleu computes it with its defaults.

    The statistics are the lengths of answers and references, then the n-grams that match and all n-grams of the
    answers, for n from 1 to 4. Orders without a match are smoothed exponentially.
    """
    sums = np.asarray(sums, dtype=np.float64)
    length, wanted = sums[..., 0], sums[..., 1]
    right, all_of = sums[..., 2 : 2 + BLEU_ORDER], sums[..., 2 + BLEU_ORDER :]
    halvings = np.cumsum(right == 0, axis=-1)
    shares = np.where(right > 0, right, 0.5**halvings) / np.maximum(all_of, 1)
    with np.errstate(divide="ignore"):
        short = np.exp(np.minimum(0, 1 - wanted / np.where(length > 0, length, np.nan)))
    found = np.nan_to_num(short) * np.exp(np.log(shares).mean(axis=-1))
    defined = (right > 0).any(axis=-1) & (all_of > 0).all(axis=-1)
    values: Values = np.where(defined, found, 0.0)
    return values


def chrf_of(sums: npt.NDArray[Any]) -> Values:
    """Return chrF as a fraction (...) from summed statistics (..., 3 orders), as sacrebleu computes it.

    The statistics of an order are the n-grams of the answers, those of the references, and those that both have.
    Precision and recall are means over the orders that both sides have.
    """
    sums = np.asarray(sums, dtype=np.float64)
    of_answers, of_references, shared = (sums[..., place::3] for place in range(3))
    there = (of_answers > 0) & (of_references > 0)
    orders = np.maximum(there.sum(axis=-1), 1)
    precision, recall = (
        np.where(there, shared / np.maximum(side, 1), 0.0).sum(axis=-1) / orders for side in (of_answers, of_references)
    )
    factor = CHRF_BETA**2
    below = factor * precision + recall
    values: Values = (1 + factor) * precision * recall / np.where(below > 0, below, 1.0)
    return values


FIGURES: dict[str, Callable[[npt.NDArray[Any]], Values]] = {"spbleu": bleu_of, "bleu": bleu_of, "chrf": chrf_of}


@dataclass(frozen=True)
class Translated:
    """How translations compare with their references: figures as fractions, their intervals, what they are made of.

    statistics: counts of each sentence (n, m) by the name of a measure; signatures: those of sacrebleu.
    """

    metrics: dict[str, float]
    ci95: dict[str, tuple[float, float]]
    statistics: dict[str, Counts]
    signatures: dict[str, str]


def translation_figures(
    answers: Sequence[str], references: Sequence[Sequence[str]], measures: Mapping[str, Any], seed: int
) -> Translated:
    """Return BLEU and chrF++ of answers (n,), each with one or more references, and bootstrap 95 % intervals.

    measures: sacrebleu's metric by the name of each figure. Sentences are resampled and the figure of the corpus is
    computed anew in each resample (Koehn 2004). Sentences may have different numbers of references.
    """
    streams = [list(stream) for stream in zip_longest(*references)]  # None stands for one that a sentence lacks
    metrics, ci95, statistics, signatures = {}, {}, {}, {}
    for name, measure in measures.items():
        counts = np.array(measure._extract_corpus_statistics(list(answers), streams), dtype=np.int64)
        metrics[name] = float(FIGURES[name](counts.sum(axis=0)))
        ci95[name] = stats.percentiles(corpus_draws(counts, name, seed))
        statistics[name], signatures[name] = counts, f"{measure.get_signature()}"
    return Translated(metrics, ci95, statistics, signatures)


def corpus_draws(statistics: Counts, name: str, seed: int) -> Values:
    """Return a figure of the corpus in each resample of its sentences (RESAMPLES,), from their statistics (n, m)."""
    sums = stats.resample_counts(len(statistics), seed).astype(np.float64) @ statistics
    return FIGURES[name](sums)
