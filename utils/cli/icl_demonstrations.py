"""The demonstrations of each test item, as the settings of in-context learning choose them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from utils.generators import demonstrations as ways

if TYPE_CHECKING:
    from utils.cli.run import Run
    from utils.data.train_test import TrainTest
    from utils.schema import TopK
    from utils.settings.icl import IclSettings

Ints = npt.NDArray[np.int64]
Sides = tuple[Sequence[str], Sequence[str]]  # the texts that are encoded: of the test, and of the training split


def demonstrations_of(run: Run, settings: IclSettings, data: TrainTest, k: int, sides: Sides) -> list[Ints]:
    """Return the indices of each test text's demonstrations, in the order of the prompt."""
    n_train = len(data.train.texts)
    if k == 0:
        return [np.zeros(0, dtype=np.int64) for _ in data.queries]
    if settings.demonstrations == "random":
        found = ways.at_random(len(data.queries), n_train, k, settings.seed)
    elif settings.demonstrations == "bm25":
        found = ways.by_bm25(data.queries, data.train.texts, k)
    elif settings.demonstrations == "fixed":
        found = ways.fixed(len(data.queries), data.train.labels, k, in_turn=settings.demonstrations_file is None)
    else:
        found = retrieved(run, settings, data, k, sides)
    return [indices[::-1] for indices in found] if settings.order == "nearest_last" else found


def retrieved(run: Run, settings: IclSettings, data: TrainTest, k: int, sides: Sides) -> list[Ints]:
    """Return the indices of the demonstrations that the encoder retrieves, nearest first."""
    ensemble, n_train = run.ensemble, len(data.train.texts)
    members = ensemble.embed(*sides)

    def search(candidates: Ints, k: int, queries: slice) -> TopK:
        whole = len(candidates) == n_train
        return ensemble.search([(q[queries], t if whole else t[candidates]) for q, t in members], k)

    if settings.balance:
        found = ways.balanced(search, data.indices(data.train.labels), len(data.names), k)
    elif settings.min_percentile is not None and settings.max_percentile is not None:
        low, high = settings.min_percentile, settings.max_percentile
        found = ways.rank_band(search, len(data.queries), n_train, k, low, high)
    elif settings.demonstrations == "diverse":
        found = ways.diverse(search, ensemble.pairwise_cosines([t for _, t in members]), n_train, k)
    else:
        found = ways.nearest(search, n_train, k)
    return [indices[indices >= 0] for indices in found]  # a text without a vector is shown none
