"""Searching around texts that have no vector (an API refused them); pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from utils.errors import UserError
from utils.schema import TopK

if TYPE_CHECKING:
    from utils.schema import Rows

    Members = Sequence[tuple[Rows, Rows]]

NOTHING = -1  # in place of a candidate's index


def without_gaps(members: Members, k: int, search: Callable[[Members, int], TopK]) -> TopK:
    """Search where a row of NaN means no vector: such a candidate is never found, such a query finds nothing (-1).

    members: queries (n, d_i) and candidates (m, d_i) of each encoder; a row that one lacks counts as lacking in all.
    """
    no_query, no_candidate = (_gaps(rows) for rows in zip(*members, strict=True))
    if not (no_query.any() or no_candidate.any()):
        return search(members, k)
    asking, there = np.flatnonzero(~no_query), np.flatnonzero(~no_candidate)
    if k > len(there):
        raise UserError(f"--k {k}, but only {len(there)} candidates have a vector", f"give 1 to {len(there)}")
    indices = np.full((len(no_query), k), NOTHING, dtype=np.int64)
    scores = np.zeros((len(no_query), k), dtype=np.float32)
    if len(asking):
        found = search([(queries[asking], candidates[there]) for queries, candidates in members], k)
        indices[asking], scores[asking] = there[found.indices], found.scores
    return TopK(indices, scores)


def _gaps(rows: Sequence[Rows]) -> npt.NDArray[np.bool_]:
    """Return which rows have no vector (n,): those whose first number is NaN, in any encoder."""
    gaps: npt.NDArray[np.bool_] = np.logical_or.reduce([np.isnan(one[:, 0]) for one in rows])
    return gaps
