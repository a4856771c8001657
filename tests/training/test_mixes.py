"""Mixes of languages, and rows held out, against counts by hand."""

from __future__ import annotations

from collections import Counter

import pytest

from utils.data.conversations import question
from utils.errors import UserError
from utils.training.mixes import draw_mix, full_mix, hold_out

ROWS = [question(f"{lang} {number}", "a", lang, str(number)) for number in range(20) for lang in ("en", "es", "ru")]
ITEMS = [row.item for row in ROWS]


def test_what_is_left_of_the_total() -> None:
    assert full_mix({"en": None, "es": 800}, 3200) == {"en": 2400, "es": 800}
    assert full_mix({"en": None, "es": None, "ru": 100}, 1001) == {"en": 451, "es": 450, "ru": 100}
    assert full_mix({"en": 3200, "es": 800}, None) == {"en": 3200, "es": 800}
    for mix, total in (({"en": None}, None), ({"en": 5, "es": None}, 5), ({"en": 5}, 6), ({"en": 5}, 4)):
        with pytest.raises(UserError, match="--mix"):
            full_mix(mix, total)


def test_draws_are_seeded_and_nested() -> None:
    found = draw_mix(ROWS, {"es": 3, "en": 10}, seed=1)
    assert [row.lang for row in found] == ["es"] * 3 + ["en"] * 10
    assert len({row.texts for row in found}) == 13
    assert draw_mix(ROWS, {"en": 4}, seed=1) == found[3:7]
    assert draw_mix(ROWS, {"en": 4}, seed=2) != found[3:7]
    with pytest.raises(UserError, match="21 rows in en are asked for, but the data have 20"):
        draw_mix(ROWS, {"en": 21}, seed=1)
    with pytest.raises(UserError, match="no row is in de"):
        draw_mix(ROWS, {"de": 1}, seed=1)


def test_whole_items_are_held_out() -> None:
    train, held_out = hold_out(ROWS, ITEMS, 0.1, seed=3)
    assert (len(train), len(held_out)) == (54, 6)
    assert Counter(row.lang for row in held_out) == {"en": 2, "es": 2, "ru": 2}
    assert not {row.item for row in train} & {row.item for row in held_out}
    assert hold_out(ROWS, ITEMS, 0, seed=3) == (ROWS, [])
    assert len(hold_out(ROWS[:6], ITEMS[:6], 1.0, seed=3)[0]) == 3  # something is left to train on
    with pytest.raises(UserError, match="about one item"):
        hold_out(ROWS[:3], ITEMS[:3], 0.1, seed=3)
