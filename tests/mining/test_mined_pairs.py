"""Mined pairs against a brute-force search in numpy: all margins, directions, types of stored rows and shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from planted_rows import clustered, stored

from utils.mining.margins import MINED_MARGINS, Best, MarginSearch
from utils.mining.neighbours import SearchPlace, nearest_both_ways
from utils.mining.pairing import MINED_DIRECTIONS, SIDES_OF, pair_up
from utils.mining.row_store import STORE_DTYPES, RowStore, packed, unpacked
from utils.mining.work import Advance, Desk, Here

Rows = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


def brute_force(source: Rows, target: Rows, margin: str, k: int) -> Floats:
    """Return the margins of all pairs (n, m) by their definitions, in float64 from float64 cosines."""
    q, c = (
        rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1)[:, None] for rows in (source, target)
    )
    cosines = q @ c.T
    r_q = -np.sort(-cosines, axis=1)[:, :k].mean(axis=1)[:, None]
    r_c = -np.sort(-cosines, axis=0)[:k].mean(axis=0)[None]
    return {
        "ratio": cosines / ((r_q + r_c) / 2),
        "distance": cosines - (r_q + r_c) / 2,
        "absolute": cosines,
        "csls": 2 * cosines - r_q - r_c,
    }[margin]


def by_hand(scores: Floats, direction: str) -> list[tuple[int, int]]:
    """Return the pairs of a direction, as LASER's mine_bitexts chooses them from the best of rows and columns."""
    forward = [(x, int(y)) for x, y in enumerate(scores.argmax(axis=1))]
    backward = [(int(x), y) for y, x in enumerate(scores.argmax(axis=0))]
    some = {
        "forward": forward,
        "backward": backward,
        "intersection": sorted(set(forward) & set(backward)),
        "union": sorted({*forward, *backward}),
    }[direction]
    some = sorted(some, key=lambda pair: (-np.float32(scores[pair]), pair))
    if direction != "union":
        return some
    kept: list[tuple[int, int]] = []
    for x, y in some:
        if all(x != other[0] and y != other[1] for other in kept):
            kept.append((x, y))
    return kept


@pytest.fixture
def mined(tmp_path: Path) -> Callable[..., dict[int, Best]]:
    def run(
        source: RowStore, target: RowStore, margin: str, k: int, sides: Sequence[int], **more: float
    ) -> dict[int, Best]:
        place = SearchPlace("cpu", None, tmp_path)
        lists = nearest_both_ways(source, target, 6, place, block_bytes=4 * 24 * 130)
        return MarginSearch((source, target), lists, margin, k).best(sides, place, **more)

    return run


@pytest.mark.parametrize("dtype", STORE_DTYPES)
@pytest.mark.parametrize("margin", MINED_MARGINS)
def test_pairs_are_those_of_a_brute_force_search(
    tmp_path: Path, mined: Callable[..., dict[int, Best]], margin: str, dtype: str
) -> None:
    rows = clustered(420, 300)
    stores = [stored(tmp_path / name, some, dtype, 64) for name, some in zip("ab", rows, strict=True)]
    scores = brute_force(*(unpacked(packed(some, dtype), dtype) for some in rows), margin, 4)
    best = mined(*stores, margin, 4, (0, 1))
    for direction in MINED_DIRECTIONS:
        pairs = pair_up({side: best[side] for side in SIDES_OF[direction]}, direction)
        found = list(zip(pairs.sources.tolist(), pairs.targets.tolist(), strict=True))
        expected = by_hand(scores, direction)
        assert len(found) == len(expected)
        np.testing.assert_allclose(pairs.scores, [scores[pair] for pair in expected], atol=2e-7)
        hubs = {pair for pair in {*found} ^ {*expected} if pair[1] < 297}  # three targets are equal
        assert hubs == set()


def test_few_texts_need_a_search_by_margin_and_a_threshold_spares_it(
    tmp_path: Path, mined: Callable[..., dict[int, Best]]
) -> None:
    rows = clustered(420, 300)
    stores = [stored(tmp_path / name, some, "float32", 100) for name, some in zip("ab", rows, strict=True)]
    best = mined(*stores, "ratio", 4, (0, 1))
    assert 0 < best[0].n_searched < 420
    fewer = mined(*stores, "ratio", 4, (0, 1), threshold=1.0)
    assert fewer[0].n_searched == fewer[1].n_searched == 0
    for side in (0, 1):
        above = best[side].score >= 1.0
        assert above.any() and not (fewer[side].score[~above] >= 1.0).any()
        assert (fewer[side].index[above] == best[side].index[above]).all()
        assert (fewer[side].score[above] == best[side].score[above]).all()


class Stopping(Here):
    """Computes so many tasks in this process and is then interrupted; counts those that it was given."""

    def __init__(self, n: int) -> None:
        super().__init__(Desk())
        self.left, self.given = n, list[int]()

    def run(self, tasks: Sequence[Any], advance: Advance) -> Iterator[Any]:
        self.given.append(len(tasks))
        for found in super().run(tasks, advance):
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            yield found


def test_an_interrupted_search_by_margin_goes_on_at_the_pair_of_blocks_in_hand(tmp_path: Path) -> None:
    rows = clustered(420, 300)
    stores = [stored(tmp_path / name, some, "float32", 100) for name, some in zip("ab", rows, strict=True)]
    places = [SearchPlace("cpu", None, tmp_path / name) for name in ("whole", "stopped")]
    lists = [nearest_both_ways(stores[0], stores[1], 6, place, block_bytes=4 * 24 * 130) for place in places]
    whole = MarginSearch((stores[0], stores[1]), lists[0], "ratio", 4).best((0, 1), places[0])
    by_margin = MarginSearch((stores[0], stores[1]), lists[1], "ratio", 4)
    first, second, third = Stopping(7), Stopping(99), Stopping(99)
    with pytest.raises(KeyboardInterrupt):
        by_margin.best((0, 1), replace(places[1], workers=first))
    found = by_margin.best((0, 1), replace(places[1], workers=second))
    assert (first.given, second.given) == ([9], [2, 8])  # blocks with texts in doubt against all of the other side
    for side in (0, 1):
        assert found[side].n_searched == whole[side].n_searched > 0
        np.testing.assert_array_equal(found[side].index, whole[side].index)
        np.testing.assert_array_equal(found[side].score, whole[side].score)
    by_margin.best((0, 1), replace(places[1], workers=third))
    assert third.given == []
    MarginSearch((stores[0], stores[1]), lists[1], "csls", 4).best((0,), replace(places[1], workers=third))
    assert len(third.given) == 1 and third.given[0] > 0  # another margin has lists of its own
