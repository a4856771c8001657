"""Assign colours and markers to points, and the order and headings of their legend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from utils.data.languages import family_and_script
from utils.data.points import FIELDS, Points, seeded
from utils.errors import UserError
from utils.reporting.palette import MARKERS, OKABE_ITO, OTHER, Style, styles

UNKNOWN = "not known"
SAMPLES = 10  # samples with a colour, unless --num_color gives a number
LONGEST = 60  # characters of a sample's text in the legend


@dataclass(frozen=True)
class Coloring:
    """The colours of n points by one field.

    codes: (n,) indices into names. names: the values; the first `n_colored` have a colour, the others are grey.
    shown: the legend's text for each name. groups: the legend's heading above each name, "" for none.
    """

    field: str
    codes: tuple[int, ...]
    names: tuple[str, ...]
    shown: tuple[str, ...]
    groups: tuple[str, ...]
    styles: tuple[Style, ...]
    counts: tuple[int, ...]
    n_colored: int


def chosen_fields(points: Points, asked: Sequence[str] | None) -> list[str]:
    """Return the fields to colour by: those asked for, or all with more than one value.

    Raises UserError where the data do not have a field that was asked for.
    """
    columns = points.columns()
    if asked is None:
        return [name for name in FIELDS if len(set(columns[name])) > 1] or ["language"]
    for name in asked:
        if why := points.missing(name):
            able = [other for other in FIELDS if not points.missing(other)]
            raise UserError(f"--color {name}: {why}", f"choose from: {', '.join(able)}")
    return list(dict.fromkeys(asked))


def coloring(points: Points, field: str, num_color: int | None, seed: int, pivot: str | None = None) -> Coloring:
    """Return the colours by one field; `num_color` names get one: the most frequent, or samples drawn by the seed.

    Languages of one family share a hue, as do classes that begin with the same word where there are many. A sample is
    shown as its text in the language `pivot`, or its first text.
    """
    values = [UNKNOWN if value is None else value for value in points.columns()[field]]
    counts = Counter(values)
    usual = SAMPLES if field == "sample" else len(counts)
    ranked = sorted(counts, key=lambda name: (-counts[name], seeded(name, seed) if field == "sample" else b""))
    colored = set(ranked[: num_color or usual])
    groups = _groups(field, list(counts))
    order = _order(field, ranked, colored, groups)
    drawn = [name for name in order if name in colored]
    own = _styles(drawn, groups if groups and len(drawn) > len(OKABE_ITO) else None)
    place = {name: code for code, name in enumerate(order)}
    return Coloring(
        field,
        tuple(place[value] for value in values),
        tuple(order),
        tuple(_sentences(points, order, pivot) if field == "sample" else order),
        tuple((groups or {}).get(name, "") for name in order),
        tuple(own.get(name, Style(OTHER, "o")) for name in order),
        tuple(counts[name] for name in order),
        len(drawn),
    )


def _styles(names: Sequence[str], groups: dict[str, str] | None) -> dict[str, Style]:
    """Return the palette's styles; each group's markers start one later, so that groups of one name differ as well."""
    own = styles(names, groups)
    if groups is None:
        return own
    place = {group: i for i, group in enumerate(dict.fromkeys(groups[name] for name in names))}
    return {
        name: Style(style.colour, MARKERS[(MARKERS.index(style.marker) + place[groups[name]]) % len(MARKERS)])
        for name, style in own.items()
    }


def _order(field: str, ranked: Sequence[str], colored: set[str], groups: dict[str, str] | None) -> list[str]:
    """Return the names in order: those with colours first, groups by size, names alphabetically, unknown ones last."""
    if field == "sample":
        return list(ranked)
    sizes = Counter((groups or {}).values())

    def place(name: str) -> tuple[bool, bool, int, str, str]:
        group = (groups or {}).get(name, "")
        return name not in colored, UNKNOWN in (name, group), -sizes[group], group, name

    return sorted(ranked, key=place)


def _groups(field: str, names: Sequence[str]) -> dict[str, str] | None:
    """Return each name's heading: a language's family, or the first word where 12 or more classes share few."""
    if field == "language":
        return {name: family_and_script(name)[0] or UNKNOWN for name in names}
    first = {name: name.replace("_", " ").split()[0] if name.split() else name for name in names}
    if field == "class" and len(names) >= 12 and 2 <= len(set(first.values())) <= len(names) / 2:
        return first
    return None


def _sentences(points: Points, samples: Sequence[str], pivot: str | None) -> list[str]:
    """Return the text of each sample in the language `pivot`, else its first text, cut to one line."""
    found: dict[str, str] = {}
    for name, lang, text in zip(points.samples, points.langs, points.texts, strict=True):
        if lang == pivot or name not in found:
            found[name or UNKNOWN] = text
    lines = {name: " ".join(text.split()) for name, text in found.items()}
    return [lines[name] if len(lines[name]) <= LONGEST else f"{lines[name][: LONGEST - 1]}…" for name in samples]
