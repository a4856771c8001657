"""New rankings from the scores of a reranker; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from utils.schema import TopK

if TYPE_CHECKING:
    from utils.schema import Rows

STEP = 1.0  # between the scores of candidates that were not scored


def reorder(found: TopK, scores: Rows) -> TopK:
    """Return the rankings with the first candidates of each query ordered by new scores, ties to the lower index.

    found: (n, k) rankings of a first stage. scores: (n, depth <= k) of their first candidates; NaN where a pair has
    none. Candidates without a new score follow in their old order, with scores that fall by 1 from the lowest new one,
    so that any order by scores is this one. A query none of whose pairs has a score keeps its ranking and its scores.
    """
    indices, values = found.indices.copy(), found.scores.copy()
    depth = scores.shape[1]
    for row, new in enumerate(scores.astype(np.float32)):
        has_score = np.isfinite(new)
        if not has_score.any():
            continue
        head, old = new[has_score], found.indices[row]
        order = np.lexsort((old[:depth][has_score], -head))
        rest = np.concatenate([old[:depth][~has_score], old[depth:]])
        indices[row] = np.concatenate([old[:depth][has_score][order], rest])
        values[row] = np.concatenate([head[order], _below(head.min(), len(rest))])
    return TopK(indices, values)


def _below(lowest: np.float32, n: int) -> npt.NDArray[np.float32]:
    """Return n falling scores (n,) below the lowest one, all different also where float32 is coarse."""
    step = max(STEP, 4.0 * float(np.spacing(np.abs(lowest) + np.float32(n))))
    return (float(lowest) - step * np.arange(1, n + 1)).astype(np.float32)
