"""Search when some texts have no vector, because an API rejected them; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from utils.errors import UserError
from utils.retrieval.mapped_rows import blocks
from utils.schema import TopK

if TYPE_CHECKING:
    from utils.schema import Vectors

    Members = Sequence[tuple[Vectors, Vectors]]

NOT_FOUND = -1  # instead of the index of a candidate


def search_around_missing(members: Members, k: int, search: Callable[[Members, int], TopK]) -> TopK:
    """Search with the rows that have a vector; a row of NaN means that a text has none.

    members: queries (n, d_i) and candidates (m, d_i) of each encoder. A text is left out if any encoder has no vector
    for it: such a candidate is never retrieved, and such a query gets the index -1 and the score 0 at every rank.
    Raises UserError if fewer than k candidates have a vector.
    """
    no_query, no_candidate = (_are_missing(rows) for rows in zip(*members, strict=True))
    if not (no_query.any() or no_candidate.any()):
        return search(members, k)
    present_queries, present = np.flatnonzero(~no_query), np.flatnonzero(~no_candidate)
    if k > len(present):
        raise UserError(f"--k {k}, but only {len(present)} candidates have a vector", f"give 1 to {len(present)}")
    indices = np.full((len(no_query), k), NOT_FOUND, dtype=np.int64)
    scores = np.zeros((len(no_query), k), dtype=np.float32)
    if len(present_queries):
        found = search([(queries[present_queries], candidates[present]) for queries, candidates in members], k)
        indices[present_queries], scores[present_queries] = present[found.indices], found.scores
    return TopK(indices, scores)


def n_present(members: Members) -> int:
    """Return the number of candidates that have a vector in every encoder."""
    missing = _are_missing([candidates for _, candidates in members])
    return int(len(missing) - missing.sum())


def _are_missing(rows: Sequence[Vectors]) -> npt.NDArray[np.bool_]:
    """Return which texts have no vector (n,): those whose first number is NaN in any encoder's rows.

    Rows of another kind than arrays are of local encoders, which have vectors of all texts.
    """
    missing = np.zeros(rows[0].shape[0], dtype=np.bool_)
    for one in rows:
        if isinstance(one, np.ndarray):
            for part in blocks(one):
                missing[part] |= np.isnan(one[part, 0])
    return missing
