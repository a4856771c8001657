"""Mined translations: each text in one pair at most, counted against the alignment, and the order tells nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from utils.mining import translations
from utils.mining.neighbours import SearchPlace
from utils.mining.translations import mine_translations


def test_pairs_are_one_to_one_the_best_first() -> None:
    found = {(0, 0): 1.2, (0, 1): 1.3, (1, 1): 1.1, (2, 2): 0.9, (3, 3): 1.0}
    assert translations._one_to_one(found, 1.0) == ((0, 1, 1.3), (3, 3, 1.0))
    assert translations._counted({(0, 1), (3, 3)}) == {"pairs": 2, "right": 1, "precision": 0.5}
    assert translations._counted(set())["precision"] is None


class Planted:
    """An encoder under which a number and its name in the other language are near each other."""

    chunk, device = 64, "cpu"

    def __init__(self, n: int) -> None:
        self.rows = np.random.default_rng(0).normal(size=(n, 16)).astype(np.float32)

    def identity(self) -> dict[str, str]:
        return {"planted": "1"}

    def __call__(self, texts: list[str]) -> np.ndarray:
        numbers = [int(text.strip("abcdefghijklmnopqrstuvwxyz ")) for text in texts]
        return self.rows[numbers]


def test_what_the_encoder_knows_is_found_and_counted(tmp_path: Path) -> None:
    sources, targets = [f"one{n}" for n in range(20)], [f"zwei{n}" for n in range(20)]
    targets[3], targets[4] = targets[4], targets[3]  # two that the alignment has in another way
    place = SearchPlace("cpu", None, tmp_path)
    found = mine_translations(sources, targets, 1.0, 0, Planted(20), place)  # type: ignore[arg-type]
    assert found.about["words"] == 20 and found.about["pairs"] == 20 and found.about["right"] == 18
    assert found.about["precision"] == pytest.approx(0.9) and found.about["sentences"]["right"] == 18
    assert sorted(found.pairs)[3][:2] == (3, 4) and [score for *_, score in found.pairs] == sorted(
        (score for *_, score in found.pairs), reverse=True
    )
