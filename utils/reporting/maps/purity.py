"""How many of each text's nearest neighbours, in the whole space, are of its kind: what a picture cannot tell; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from utils.retrieval.topk import topk

if TYPE_CHECKING:
    from utils.schema import Rows

NEAREST = 10


def nearest_others(rows: Rows, k: int, device: str = "cpu") -> npt.NDArray[np.int64]:
    """Return the k nearest other rows (n, k) of each row (n, d) by cosine, best first; k < n."""
    found = topk(rows, rows, k + 1, device=device).indices
    own = found == np.arange(len(rows))[:, None]
    own[~own.any(axis=1), -1] = True  # so many equal rows that it is not among them itself: the last one goes
    kept: npt.NDArray[np.int64] = found[~own].reshape(len(rows), k)
    return kept


def purity(neighbours: npt.NDArray[np.int64], values: Sequence[str | None]) -> dict[str, Any] | None:
    """Return the share of the neighbours (n, k) that have their text's value, and the share that chance would give.

    A text with fewer than k others of its value can reach 1 as well: it is measured on as many nearest as there are.
    Texts without a value or alone with it do not count; None where all are so. `chance` is the expected share with
    neighbours drawn at random.
    """
    names = {value: code for code, value in enumerate(dict.fromkeys(values))}
    codes = np.array([names[value] for value in values])
    others = np.bincount(codes)[codes] - 1  # (n,) texts of the same value
    counted = (others > 0) & np.array([value is not None for value in values])
    if not counted.any():
        return None
    n, k = neighbours.shape
    reach = np.minimum(others, k)
    within = np.arange(k)[None, :] < reach[:, None]
    hits = ((codes[neighbours] == codes[:, None]) & within).sum(axis=1)
    share, chance = hits[counted] / reach[counted], others[counted] / (n - 1)
    return {"share": round(float(share.mean()), 6), "chance": round(float(chance.mean()), 6), "n": int(counted.sum())}


def purities(rows: Rows, columns: Mapping[str, Sequence[str | None]], device: str = "cpu") -> dict[str, Any]:
    """Return `purity` of each column that has more than one value, and k: at most 10 nearest others."""
    k = min(NEAREST, len(rows) - 1)
    neighbours = nearest_others(rows, k, device)
    several = {name: values for name, values in columns.items() if len(set(values)) > 1}
    found = {name: purity(neighbours, values) for name, values in several.items()}
    return {"k": k, **{name: told for name, told in found.items() if told is not None}}
