"""Figures of matplotlib: fonts for every script, files that are the same each time; matplotlib inside its functions."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.files import write_output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "pdf", "svg")
BASE_FONT = "DejaVu Sans"  # comes with matplotlib
BOXES = "Last Resort"  # comes with it too: a box for every character
# which of several fonts that have a character is taken: a plain sans-serif one
PREFERRED = ("Noto Sans CJK", "Noto Sans", "Noto")
DPI = 200  # of PNG files
# without these keys a file would hold the time of its making; the same command gives the same bytes
UNDATED: dict[str, dict[str, Any]] = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "text.parse_math": False,  # a label is what it says, dollars too
    "pdf.fonttype": 42,  # fonts as outlines that stay text, which journals ask for
    "svg.fonttype": "path",  # an SVG looks the same where a font is not installed
    "svg.hashsalt": "miners",
    "figure.constrained_layout.use": True,
}


@contextmanager
def drawing(texts: Iterable[str] = ()) -> Iterator[None]:
    """Draw within this: the suite's style, and fonts that have the characters of `texts` as far as there are any."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        mpl.rcParams["font.family"] = fonts_for(texts)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure (inches) that no global state knows of."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, stem: Path, formats: Sequence[str] = FORMATS[:2], *, tight: bool = True) -> list[Path]:
    """Write `<stem>.<format>` for every format, atomically, and return the paths.

    `tight` cuts the paper to what is drawn, else it has the figure's size. Call it within `drawing`. Raises UserError
    where the folder cannot be written.
    """
    import io

    written = []
    for name in formats:
        content = io.BytesIO()
        figure.savefig(content, format=name, dpi=DPI, metadata=UNDATED[name], bbox_inches="tight" if tight else None)
        path = stem.with_name(f"{stem.name}.{name}")
        write_output(path, content.getvalue())
        written.append(path)
    return written


def fonts_for(texts: Iterable[str]) -> list[str]:
    """Return font families, in the order in which a character is looked for, that cover the texts.

    Characters that no installed font has are named on standard error; they are drawn as boxes.
    """
    covered = _characters(BASE_FONT)
    missing = {ord(char) for text in texts for char in text if not char.isspace()} - covered
    families = [BASE_FONT]
    for family in _candidates() if missing else ():
        found = missing & _characters(family)
        if found:
            families.append(family)
            missing -= found
        if not missing:
            break
    if missing:
        shown = " ".join(map(chr, sorted(missing)[:20]))
        print(f"note: no installed font has {shown}; install one, for example Noto, to see them", file=sys.stderr)
    return families


def _candidates() -> list[str]:
    """Return the installed families, preferred ones first."""

    def place(name: str) -> tuple[bool, int, str]:
        kind = next((i for i, start in enumerate(PREFERRED) if name.startswith(start)), len(PREFERRED))
        return any(word in name for word in ("Serif", "Mono", "Display", "Emoji", "Symbols")), kind, name

    return sorted((name for name in _files() if name != BASE_FONT and not name.startswith(BOXES)), key=place)


@lru_cache
def _files() -> dict[str, str]:
    """Return the file of every installed family with a plain face; also those newer than matplotlib's list of fonts."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    for path in sorted(set(findSystemFonts()) - {entry.fname for entry in fontManager.ttflist}):
        with suppress(OSError, RuntimeError):  # a format that it does not read
            fontManager.addfont(path)
    plain = (entry for entry in fontManager.ttflist if entry.style == "normal" and entry.weight in (400, "normal"))
    return {entry.name: entry.fname for entry in sorted(plain, key=lambda entry: entry.fname)}


@cache
def _characters(family: str) -> frozenset[int]:
    """Return the code points that a family has."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(_files()[family]).get_charmap())
    except (KeyError, OSError, RuntimeError):
        return frozenset()
