"""Figures of matplotlib: fonts for all writing systems, and files that are reproducible to the byte."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "pdf", "svg")
BASE_FONT = "DejaVu Sans"  # shipped with matplotlib
BOXES = "Last Resort"  # shipped with matplotlib: a box for every character
# of several fonts that have a character, plain sans-serif ones are preferred
PREFERRED = ("Noto Sans CJK", "Noto Sans", "Noto")
DPI = 200  # of PNG files
# metadata that would differ in each run, such as the time
UNDATED: dict[str, dict[str, Any]] = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "text.parse_math": False,  # labels are plain text, dollar signs included
    "pdf.fonttype": 42,  # TrueType fonts, which many journals require
    "svg.fonttype": "path",  # text as outlines, so that an SVG does not depend on installed fonts
    "svg.hashsalt": "miners",
    "figure.constrained_layout.use": True,
}


@contextmanager
def drawing(texts: Iterable[str] = ()) -> Iterator[None]:
    """Use the suite's style, and fonts with the characters of `texts` as far as installed, within this context."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # which fonts_for tells
        mpl.rcParams["font.family"] = fonts_for(texts)
        yield


def braces(names: Sequence[str]) -> str:
    """Return names in the brace notation of shells."""
    return f"{{{','.join(names)}}}" if len(names) > 1 else names[0]


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure (inches), independent of pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, stem: Path, formats: Sequence[str] = FORMATS[:2], *, tight: bool = True) -> list[Path]:
    """Write `<stem>.<format>` for every format, atomically, and return the paths.

    `tight` crops the file to the figure's content. Call it within `drawing`. Raises UserError where the folder cannot
    be written.
    """
    import io

    from utils.files import write_output

    written = []
    for name in formats:
        content = io.BytesIO()
        figure.savefig(content, format=name, dpi=DPI, metadata=UNDATED[name], bbox_inches="tight" if tight else None)
        path = stem.with_name(f"{stem.name}.{name}")
        write_output(path, content.getvalue())
        written.append(path)
    return written


def fonts_for(texts: Iterable[str]) -> list[str]:
    """Return font families that cover the texts, in the order in which characters are looked up.

    Characters that no installed font has are named on standard error and drawn as boxes.
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
        print(f"note: no installed font has {shown}; install one that does, for example Noto", file=sys.stderr)
    return families


def _candidates() -> list[str]:
    """Return the installed font families, preferred ones first."""

    def place(name: str) -> tuple[bool, int, str]:
        kind = next((i for i, start in enumerate(PREFERRED) if name.startswith(start)), len(PREFERRED))
        return any(word in name for word in ("Serif", "Mono", "Display", "Emoji", "Symbols")), kind, name

    return sorted((name for name in _files() if name != BASE_FONT and not name.startswith(BOXES)), key=place)


@lru_cache
def _files() -> dict[str, str]:
    """Return the file of every installed family with a regular face, also of fonts newer than matplotlib's cache."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    for path in sorted(set(findSystemFonts()) - {entry.fname for entry in fontManager.ttflist}):
        with suppress(OSError, RuntimeError):  # a font format that matplotlib does not read
            fontManager.addfont(path)
    plain = (entry for entry in fontManager.ttflist if entry.style == "normal" and entry.weight in (400, "normal"))
    return {entry.name: entry.fname for entry in sorted(plain, key=lambda entry: entry.fname)}


@cache
def _characters(family: str) -> frozenset[int]:
    """Return the code points of a font family."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(_files()[family]).get_charmap())
    except (KeyError, OSError, RuntimeError):
        return frozenset()
