"""The look of figures: sizes for print, short names, legends, and styles that also differ in greyscale."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from utils.reporting import palette
from utils.reporting.figures import new_figure as new_figure
from utils.tasks import TASKS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

SINGLE, DOUBLE = 3.3, 6.9  # inches: a column of a paper, and two
SIZE, SMALL = 8.0, 7.0  # points: labels; ticks and legends
POINT = 1 / 72  # inches
RULER_DPI = 100
EDGE = 0.03  # inches between the content of a figure and its edge
TRIMS = 3  # a colour bar's distance follows the height, so one is not enough
LINE = 1.3  # height of a line of text in font sizes
PAPER: Any = {
    "font.size": SIZE,
    "axes.titlesize": SIZE,
    "axes.labelsize": SIZE,
    "figure.titlesize": SIZE + 1,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.0,
    "legend.handlelength": 2.4,
    "legend.columnspacing": 1.4,
}
HANDLE = (2.4 + 0.8 + 1.4) * SMALL * POINT  # inches: a legend's column without its text
LINE_STYLES = ("-", "--", "-.", ":")
METRICS = {
    "acc": "Accuracy",
    "prec": "Precision",
    "rec": "Recall",
    "f1": "F1",
    "mrr": "Mean reciprocal rank",
    "acc_dedup": "Accuracy, equal texts joined",
}


@dataclass(frozen=True)
class LineStyle:
    """The style of one line; up to 48 lines have different styles in greyscale."""

    colour: str
    marker: str
    line: Any  # a line style of matplotlib


@contextmanager
def paper() -> Iterator[None]:
    """Use sizes for print within this context."""
    import matplotlib as mpl

    with mpl.rc_context(PAPER):
        yield


def line_styles(names: Sequence[str]) -> dict[str, LineStyle]:
    """Return a style for each name, the same for the same names."""
    n_markers, n_lines = len(palette.MARKERS), len(LINE_STYLES)
    return {
        name: LineStyle(style.colour, style.marker, LINE_STYLES[(place + place // n_markers) % n_lines])
        for place, (name, style) in enumerate(palette.styles(names).items())
    }


def metric_label(metric: str, task: str, k: int | None = None) -> str:
    """Return the label of an axis with this metric, with its unit."""
    name = METRICS.get(metric, metric.replace("_", " "))
    spec = TASKS[task]
    name = f"Macro {name}" if metric in spec.label_metrics else name
    at = "" if k is None else f" at {k}" if spec.at_k else f", k = {k}"
    return f"{name}{at} (%)"


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return each name without the part before its last `/`; names that would then be equal stay whole."""
    distinct = list(dict.fromkeys(names))
    cut = {name: re.sub(r"[^\s/]+/", "", name) for name in distinct}
    uses = Counter(cut.values())
    return {name: short if uses[short] == 1 else name for name, short in cut.items()}


def with_gaps(label: str, n: int, expected: int) -> str:
    """Return a legend's label, followed by (n/N) where languages are missing, as in the tables."""
    return label if n >= expected else f"{label} ({n}/{expected})"


@lru_cache(maxsize=4096)
def text_width(text: str, size: float) -> float:
    """Return the width of a text's widest line in inches."""
    from matplotlib.font_manager import FontProperties

    measure, font = _ruler().get_text_width_height_descent, FontProperties(size=size)
    return max((float(measure(line, font, False)[0]) for line in text.split("\n") if line), default=0.0) / RULER_DPI


@lru_cache
def _ruler() -> Any:
    from matplotlib.backends import backend_agg

    untyped: Any = backend_agg
    return untyped.RendererAgg(1, 1, RULER_DPI)


def wrap_to(text: str, width: float, size: float) -> str:
    """Return the text in lines of at most `width` inches, broken after spaces and the separators in names.

    Lines are not broken at a no-break space.
    """
    lines = [""]
    for piece in re.findall(r"[^ \n_/+-]*(?:[ \n_/+-]+|$)", text):
        if lines[-1] and text_width((lines[-1] + piece).rstrip(), size) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines if line.strip())


@dataclass(frozen=True)
class Legend:
    """The layout of a legend: its labels, broken to fit, the number of columns, and the height in inches."""

    labels: list[str]
    columns: int
    height: float


def plan_legend(labels: Sequence[str], width: float) -> Legend:
    """Return the layout of a legend of these labels below a figure of this width (inches)."""
    room = width - 0.15
    fitted = [wrap_to(label, room - HANDLE, SMALL) for label in labels]
    column = max((text_width(label, SMALL) for label in fitted), default=0.0) + HANDLE
    most = max(1, min(len(fitted), int(room / column)))
    rows = math.ceil(len(fitted) / most)
    columns = math.ceil(len(fitted) / rows) if fitted else 1
    of_row = [fitted[row::rows] for row in range(rows)]  # matplotlib fills column by column
    n_lines = sum(max(label.count("\n") + 1 for label in row) for row in of_row)
    return Legend(fitted, columns, (n_lines * LINE + rows * 0.4 + 1.2) * SMALL * POINT)


def add_legend(figure: Figure, handles: Sequence[Any], plan: Legend) -> None:
    """Add the legend below everything else."""
    figure.legend(handles, plan.labels, loc="outside lower center", ncols=plan.columns)


def colour_bar(figure: Figure, colours: Any, panels: Sequence[Axes]) -> Any:
    """Return a colour bar below the panels, of the same thickness whatever the figure's height."""
    height = figure.get_figheight()
    return figure.colorbar(colours, ax=panels, location="bottom", fraction=0.12 / height, pad=0.1 / height, aspect=40)


def fit_ticks(axes: Axes, labels: Sequence[str], width: float) -> None:
    """Rotate the labels of the x axis where they would overlap within `width` inches."""
    widest = max((text_width(label, SMALL) for label in labels), default=0.0)
    if widest * 1.15 > width / max(len(labels), 1):
        axes.tick_params(axis="x", labelrotation=90)


def grid(axes: Axes, axis: Any) -> None:
    """Draw grid lines behind the data."""
    axes.grid(visible=True, axis=axis, color="#d9d9d9", linewidth=0.5)
    axes.set_axisbelow(True)


@lru_cache
def ramp() -> Colormap:
    """Return colours from white to dark blue in equal steps of lightness."""
    from matplotlib.colors import LinearSegmentedColormap

    steps = [palette.oklch(1 - 0.65 * place / 16, 0.16 * min(1.0, place / 8), 255.0) for place in range(17)]
    return LinearSegmentedColormap.from_list("ramp", steps)


def ink(colour: Sequence[float]) -> str:
    """Return black or white, whichever has more contrast with a colour (WCAG's relative luminance)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if luminance > 0.179 else "white"


def write_in(axes: Axes, place: tuple[float, float], text: str, size: float, colour: Sequence[float]) -> None:
    """Write a value into the middle of a cell of this colour, without an effect on the layout."""
    looks: Any = {"ha": "center", "va": "center_baseline", "size": size, "color": ink(colour)}
    axes.text(*place, text, **looks).set_in_layout(False)


def trim_top(figure: Figure, spare: float) -> None:
    """Reduce the height of a figure whose panels have square cells by the blank strip on top, except `spare` inches.

    Such panels are as high as their width allows, whatever the height of the figure.
    """
    for _ in range(TRIMS):
        figure.draw_without_rendering()
        blank = figure.get_figheight() - float(figure.get_tightbbox().y1) - spare - EDGE
        if blank <= EDGE:
            return
        figure.set_figheight(figure.get_figheight() - blank)


def overhang(figure: Figure) -> float:
    """Lay the figure out and return by how many inches its content exceeds its edge."""
    figure.draw_without_rendering()
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    return max(-float(box.x0), -float(box.y0), float(box.x1) - float(width), float(box.y1) - float(height), 0.0)
