"""Bitext retrieval at one layer: the figures of bitext.py for the vectors of that layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from utils.evaluation.metrics import text_ids
from utils.evaluation.scores import bitext_figures
from utils.layers.rows import ITEMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from utils.data.subsets import BitextSubset
    from utils.schema import TopK

DEPTH = 100  # targets among which a translation is looked for, for the mean reciprocal rank
OF_NEAREST = ("f1", "acc")


def bitext_at(data: BitextSubset, n: int, search: Callable[[int], TopK], seed: int) -> dict[str, Any]:
    """Return the figures of a row, with the bounds of their intervals, and the F1 of each source (n,) as its items.

    n: the sources that query. search: returns the nearest targets of each of them. The figures are those of
    `bitext_figures`: f1 and acc at k = 1, mrr among the first 100 targets, in which a translation that is not among
    them counts 0.
    """
    found = search(min(DEPTH, len(data.targets)))
    gold, ids = np.asarray(data.gold, dtype=np.int64)[:n], text_ids(data.targets)
    nearest = bitext_figures(gold, found.indices, ids, 1, seed)
    deep = bitext_figures(gold, found.indices, ids, found.indices.shape[1], seed)
    row: dict[str, Any] = {ITEMS: nearest.items["f1"]}
    for name in (*OF_NEAREST, "mrr"):
        of = nearest if name in OF_NEAREST else deep
        row[name] = of.metrics[name]
        row[f"{name}_low"], row[f"{name}_high"] = of.ci95[name]
    return row
