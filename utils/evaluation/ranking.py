"""Measures of rankings with graded judgements, computed by trec_eval's own code (pytrec_eval)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from utils.evaluation import stats

OF_TREC_EVAL = {"ndcg": "ndcg_cut", "recall": "recall", "map": "map_cut", "hit": "success"}
Values = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RankingFigures:
    """Measures as fractions, their 95 % intervals over questions, and each question's values (n,) by measure."""

    metrics: dict[str, float]
    ci95: dict[str, tuple[float, float]]
    items: dict[str, Values]


def ranking_figures(
    indices: Ints,
    scores: npt.NDArray[np.float32],
    queries: Sequence[str],
    passages: Sequence[str],
    judgements: Mapping[str, Mapping[str, int]],
    k: int,
    seed: int,
) -> RankingFigures:
    """Return the measures of the k first passages of each question.

    indices and scores (n, >= k), best first; an index of -1 is no passage. queries (n,) and passages (m,) are
    identifiers. ndcg has the grades as gains (Jarvelin and Kekalainen 2002), recall and map are shares of all answers
    (grades above 0), mrr is 1 / rank of the first answer, hit says whether there is one; all count the k first
    passages. ceiling_recall is the recall of a perfect ranking, below 1 where a question has more than k answers.
    Equal scores are ordered as trec_eval does: by identifier, the last first.
    """
    items = item_measures(indices, scores, queries, passages, judgements, k)
    n_answers = np.array([sum(grade > 0 for grade in judgements[name].values()) for name in queries])
    metrics = {name: float(values.mean()) for name, values in items.items()}
    metrics["ceiling_recall"] = float((np.minimum(k, n_answers) / np.maximum(n_answers, 1)).mean())
    hits = items["hit"]
    ci95 = {name: stats.bootstrap_mean(values, seed) for name, values in items.items() if name != "hit"}
    return RankingFigures(metrics, {**ci95, "hit": stats.wilson(int(hits.sum()), len(hits))}, items)


def item_measures(
    indices: Ints,
    scores: npt.NDArray[np.float32],
    queries: Sequence[str],
    passages: Sequence[str],
    judgements: Mapping[str, Mapping[str, int]],
    k: int,
) -> dict[str, Values]:
    """Return each question's measures (n,), by name; a question without a single passage has 0."""
    from pytrec_eval import RelevanceEvaluator

    run = {
        name: {passages[index]: float(score) for index, score in zip(row[:k], values[:k], strict=True) if index >= 0}
        for name, row, values in zip(queries, indices, scores, strict=True)
    }
    wanted = {f"{measure}.{k}" for measure in OF_TREC_EVAL.values()} | {"recip_rank"}
    judged = {name: dict(judgements[name]) for name in queries}
    found = RelevanceEvaluator(judged, wanted).evaluate({name: ranked for name, ranked in run.items() if ranked})
    keys = {**{name: f"{measure}_{k}" for name, measure in OF_TREC_EVAL.items()}, "mrr": "recip_rank"}
    return {
        name: np.array([found[query][key] if query in found else 0.0 for query in queries], dtype=np.float64)
        for name, key in keys.items()
    }
