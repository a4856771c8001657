"""Distinguishable colours and markers, also for colour-blind readers; names of one group share a hue.

Colours are defined in OKLCH, a perceptually uniform space (Ottosson 2020, "A perceptual color space for image
processing").
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# the set of Okabe and Ito for colour-blind readers, without black, the light yellow last
OKABE_ITO = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#f0e442")
OTHER = "#b3b3b3"  # of names without a colour
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")  # matplotlib's names
SHADES = (
    (0.62, 0.15),
    (0.45, 0.12),
    (0.76, 0.12),
    (0.53, 0.16),
    (0.69, 0.10),
)  # lightness and chroma; none is close to white or black
FIRST_HUE = 25.0  # degrees


@dataclass(frozen=True)
class Style:
    """The style of one name: a colour as #rrggbb and one of matplotlib's markers."""

    colour: str
    marker: str


def styles(names: Sequence[str], groups: Mapping[str, str] | None = None) -> dict[str, Style]:
    """Return a style for every name, the same for the same names in the same order.

    Up to seven names without `groups` get the colours of Okabe and Ito. More, or names with a group each (a language's
    family), get a hue by group, as wide an arc as the group has members, and lightness and markers within it.
    """
    distinct = list(dict.fromkeys(names))
    if groups is None and len(distinct) <= len(OKABE_ITO):
        return {name: Style(OKABE_ITO[i], MARKERS[i % len(MARKERS)]) for i, name in enumerate(distinct)}
    members: dict[str, list[str]] = {}
    for name in distinct:
        members.setdefault((groups or {}).get(name, "") if groups else name, []).append(name)
    return _by_group(members) if groups else _alone(distinct)


def _alone(names: Sequence[str]) -> dict[str, Style]:
    """Return hues around the whole circle; neighbours differ in lightness."""
    step = 360 / len(names)
    return {
        name: Style(oklch(*SHADES[i % len(SHADES)], FIRST_HUE + i * step), MARKERS[i % len(MARKERS)])
        for i, name in enumerate(names)
    }


def _by_group(members: Mapping[str, Sequence[str]]) -> dict[str, Style]:
    """Return styles with one arc of hues per group, the arcs separated by gaps."""
    widths = {group: math.sqrt(len(names)) for group, names in members.items()}
    scale = 360 / sum(widths.values())
    found: dict[str, Style] = {}
    start = FIRST_HUE
    for group, names in members.items():
        arc = widths[group] * scale
        for i, name in enumerate(names):
            hue = start + 0.7 * arc * (i + 0.5) / len(names)
            found[name] = Style(oklch(*SHADES[i % len(SHADES)], hue), MARKERS[i % len(MARKERS)])
        start += arc
    return found


def oklch(lightness: float, chroma: float, hue: float) -> str:
    """Return an OKLCH colour (lightness, chroma, hue in degrees) as #rrggbb, the chroma reduced to fit sRGB."""
    while chroma > 0:
        channels = _linear_rgb(lightness, chroma, hue)
        if all(-1e-4 <= channel <= 1 + 1e-4 for channel in channels):
            break
        chroma -= 0.005
    else:
        channels = _linear_rgb(lightness, 0.0, hue)
    return "#" + "".join(f"{round(255 * _gamma(min(max(channel, 0.0), 1.0))):02x}" for channel in channels)


def _linear_rgb(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _gamma(channel: float) -> float:
    return 12.92 * channel if channel <= 0.0031308 else 1.055 * channel ** (1 / 2.4) - 0.055
