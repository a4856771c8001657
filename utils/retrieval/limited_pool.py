"""Rankings in which a question has passages of its own: those that it must not find, or the only ones it may; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from utils.errors import UserError
from utils.retrieval.aligned import aligned_scores, without_own
from utils.retrieval.missing_vectors import NOT_FOUND, n_present
from utils.schema import TopK

if TYPE_CHECKING:
    from utils.retrieval.ensemble import Ensemble, Members


def ranked_without_own(ensemble: Ensemble, members: Members, own: Sequence[int], k: int) -> TopK:
    """Return the k nearest candidates of each query without the candidate own[i]; a negative one is none."""
    found = ensemble.search(members, min(k + 1, n_present(members)))
    return without_own(found, np.asarray(own))


def ranked_among(ensemble: Ensemble, members: Members, candidates: Sequence[Sequence[int]], k: int) -> TopK:
    """Return the k nearest of candidates[i] for each query i, equal scores by index; -1 where it has fewer.

    The scores are those of a search. A candidate without a vector is not ranked. Raises UserError for ensembles that
    are combined by what a search of the whole pool gives.
    """
    if len(members) > 1 and (ensemble.fuse != "score" or ensemble.normalize != "none"):
        raise UserError(
            "--fuse or --normalize with a task in which each question has candidates of its own",
            "the members' scores are averaged: leave --fuse and --normalize out",
        )
    sizes = [len(of_query) for of_query in candidates]
    left = np.repeat(np.arange(len(candidates)), sizes)
    right = np.array([index for of_query in candidates for index in of_query], dtype=np.int64)
    weights = ensemble.weights if len(members) > 1 else [1.0]
    scores = aligned_scores(members, weights, left, right, similarity=ensemble.similarity, device=ensemble.device)
    depth = min(k, max(sizes))
    found = TopK(
        np.full((len(candidates), depth), NOT_FOUND, dtype=np.int64),
        np.zeros((len(candidates), depth), dtype=np.float32),
    )
    ends = np.cumsum(sizes)
    for row, (end, size) in enumerate(zip(ends, sizes, strict=True)):
        indices, values = right[end - size : end], scores[end - size : end]
        order = np.lexsort((indices, -values))[:depth]
        order = order[~np.isnan(values[order])]
        found.indices[row, : len(order)], found.scores[row, : len(order)] = indices[order], values[order]
    return found
