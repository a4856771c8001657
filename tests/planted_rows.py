"""Rows and texts for the tests of mining, and a script that kills itself in the middle of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from utils.mining.row_store import RowStore, packed

Rows = npt.NDArray[np.float32]
WORDS = "the cat dog sat mat house garden red blue green runs sleeps eats old new big small".split()
KILLED = """
import os, signal, sys
sys.path.insert(0, {root!r})
import utils.mining.{module} as module
write, left = module.{name}, [{after}]
def killing(*args, **more):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return write(*args, **more)
module.{name} = killing
import mine
mine.main({argv!r})
"""


def clustered(n: int, m: int, seed: int = 0) -> tuple[Rows, Rows]:
    """Return rows with a large common part, as E5's have, of which the first third are translations, and hubs."""
    draw = np.random.default_rng(seed)
    common = draw.normal(0, 1, 24)
    topics = draw.normal(0, 0.5, (12, 24))
    meanings = common + topics[draw.integers(0, 12, n + m)] + draw.normal(0, 0.25, (n + m, 24))
    source, target = meanings[:n].copy(), meanings[n:].copy()
    paired = min(n, m) // 3
    target[:paired] = source[:paired] + draw.normal(0, 0.1, (paired, 24))
    target[-3:] = common + topics.mean(axis=0)  # near to everything, and equal to each other
    return source.astype(np.float32), target.astype(np.float32)


def stored(folder: Path, rows: Rows, dtype: str, size: int) -> RowStore:
    folder.mkdir(parents=True)
    bounds = (*range(0, len(rows), size), len(rows))
    paths = [folder / f"{number}.npy" for number in range(len(bounds) - 1)]
    for number, path in enumerate(paths):
        np.save(path, packed(rows[bounds[number] : bounds[number + 1]], dtype))
    return RowStore(tuple(paths), bounds, dtype)
