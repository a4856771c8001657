"""Neighbour purity: the share of each text's nearest neighbours in the original space that have its value."""

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
    own[~own.any(axis=1), -1] = True  # among many equal rows a row may not find itself: drop the last one
    kept: npt.NDArray[np.int64] = found[~own].reshape(len(rows), k)
    return kept


def neighbour_purity(neighbours: npt.NDArray[np.int64], values: Sequence[str | None]) -> dict[str, Any] | None:
    """Return the share of the neighbours (n, k) that have their text's value, and the share expected by chance.

    A text with fewer than k others of its value is measured on that many neighbours, so that it can reach 1 as well.
    Texts without a value, or whose value no other text has, do not count; None where no text counts. `chance` is the
    expected share for neighbours drawn at random.
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


def neighbour_purities(rows: Rows, columns: Mapping[str, Sequence[str | None]], device: str = "cpu") -> dict[str, Any]:
    """Return the neighbour purity of each column with more than one value, and k, at most 10 neighbours."""
    k = min(NEAREST, len(rows) - 1)
    neighbours = nearest_others(rows, k, device)
    several = {name: values for name, values in columns.items() if len(set(values)) > 1}
    found = {name: neighbour_purity(neighbours, values) for name, values in several.items()}
    return {"k": k, **{name: shares for name, shares in found.items() if shares is not None}}
