"""The kinds of rows that are searched: for each text a dense vector, a sparse one, or several; numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from utils.errors import UserError
from utils.retrieval.rows import Ints, first_of_equals
from utils.retrieval.token_rows import TokenRows


def is_sparse(rows: Any) -> bool:
    """Return whether rows are a sparse matrix or array of scipy."""
    return hasattr(rows, "tocsr") and hasattr(rows, "nnz")


def is_dense(queries: Any, candidates: Any) -> bool:
    """Return whether both sides have one vector for each text. Raises UserError for sides of different kinds."""
    kinds = {"sparse" if is_sparse(rows) else type(rows) is TokenRows for rows in (queries, candidates)}
    if len(kinds) > 1:
        raise UserError("queries and candidates are vectors of different kinds", "encode both with the same encoder")
    return kinds == {False}


def check_max_sim(similarity: str) -> None:
    """Raise UserError for a similarity that vectors of several for a text do not have."""
    if similarity == "euclidean":
        raise UserError(
            "Euclidean distances of a multi-vector encoder", "its texts are compared by MaxSim: leave the distance out"
        )


def refuse_others(members: Sequence[Any], what: str) -> None:
    """Raise UserError for sparse rows and rows of several vectors."""
    if any(is_sparse(rows) or isinstance(rows, TokenRows) for rows in members):
        raise UserError(
            f"{what} computed of encoders with one dense vector for each text only",
            "leave it out, or choose such an encoder",
        )


def first_of_equal_texts(rows: Any) -> Ints | None:
    """Return for each text the index of the first one with identical vectors (n,), or None if all differ.

    Also None for rows of which identical ones have identical scores anyway: sparse ones, and tensors.
    """
    if isinstance(rows, np.ndarray):
        return first_of_equals(rows)
    if not isinstance(rows, TokenRows):
        return None
    seen: dict[bytes, int] = {}
    first = [seen.setdefault(array.tobytes(), index) for index, array in enumerate(rows.arrays())]
    return None if len(seen) == len(first) else np.asarray(first, dtype=np.int64)
