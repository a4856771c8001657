"""Whether a ranking prefers some languages, where a pool has passages in several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def language_bias(
    indices: Ints,
    queries: Sequence[str],
    passages: Sequence[str],
    langs: Sequence[str],
    judgements: Mapping[str, Mapping[str, int]],
    k: int,
) -> dict[str, dict[str, float]]:
    """Return figures of each language of a pool; `first_k` far from `answers` is a preference for or against it.

    indices (n, depth) of the passages ranked for each question, best first; passages and langs (m,) are the
    identifiers and the languages of the pool.

    first_k: share of the language among the k first passages of all questions.
    answers: its share of the answers (grades above 0).
    mean_rank: mean, over the answers in the language, of their rank in the ranking; an answer that is not among the
    first `depth` counts as depth + 1. rank_depth: the depth.
    """
    names = sorted(set(langs))
    number = {name: place for place, name in enumerate(names)}
    of_passage = np.array([number[lang] for lang in langs], dtype=np.int64)
    first = indices[:, :k]
    shown = np.bincount(of_passage[first[first >= 0]], minlength=len(names))
    depth, counts, ranks = indices.shape[1], np.zeros(len(names)), np.zeros(len(names))
    for index, rank in _ranks_of_answers(indices, queries, passages, judgements):
        counts[of_passage[index]] += 1
        ranks[of_passage[index]] += rank
    found = {}
    for name, row in number.items():
        found[name] = {
            "first_k": float(shown[row] / max(shown.sum(), 1)),
            "answers": float(counts[row] / counts.sum()),
            "rank_depth": depth,
        }
        if counts[row]:
            found[name]["mean_rank"] = float(ranks[row] / counts[row])
    return found


def _ranks_of_answers(
    indices: Ints, queries: Sequence[str], passages: Sequence[str], judgements: Mapping[str, Mapping[str, int]]
) -> Iterator[tuple[int, int]]:
    """Yield the place in the pool and the rank of each answer to each question, depth + 1 where it is not found."""
    place = {name: index for index, name in enumerate(passages)}
    for query, row in zip(queries, indices, strict=True):
        answers = [place[name] for name, grade in judgements[query].items() if grade > 0]
        at = {int(index): rank for rank, index in enumerate(row, start=1)} if answers else {}
        for index in answers:
            yield index, at.get(index, indices.shape[1] + 1)
