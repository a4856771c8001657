"""Colours: conversions by hand, styles that differ, families that share a hue."""

from __future__ import annotations

import colorsys

from utils.data.languages import SIB200_LANGS, family_and_script
from utils.reporting.palette import OKABE_ITO, oklch, styles


def hue(colour: str) -> float:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return 360 * colorsys.rgb_to_hls(red, green, blue)[0]


def test_oklch_of_known_colours() -> None:
    assert oklch(1.0, 0.0, 0.0) == "#ffffff"
    assert oklch(0.0, 0.0, 0.0) == "#000000"
    # sRGB's red is (0.62796, 0.25768, 29.23 degrees) in OKLCH
    assert oklch(0.62796, 0.25768, 29.234) == "#ff0000"


def test_a_colour_beyond_srgb_loses_chroma_not_lightness() -> None:
    assert oklch(0.6, 0.4, 30.0) == oklch(0.6, 0.24, 30.0)  # the widest that fits, in steps of 0.005


def test_few_names_get_the_colour_blind_safe_set_in_their_order() -> None:
    assert [styles(["b", "a", "b"])[name].colour for name in "ba"] == list(OKABE_ITO[:2])
    assert styles([]) == {}


def test_205_languages_all_differ_and_families_keep_to_their_arc() -> None:
    families = {lang: family_and_script(lang)[0] or "unknown" for lang in SIB200_LANGS}
    found = styles(SIB200_LANGS, families)
    assert len(found) == 205
    assert len({(style.colour, style.marker) for style in found.values()}) == 205
    dravidian = [hue(found[lang].colour) for lang in SIB200_LANGS if families[lang] == "Dravidian"]
    assert len(dravidian) == 4
    assert max(dravidian) - min(dravidian) < 25


def test_sixty_names_without_a_group_all_differ() -> None:
    names = [f"intent {i}" for i in range(60)]
    assert len({style.colour for style in styles(names).values()}) == 60
