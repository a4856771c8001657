"""Draw lines with 95 % intervals, one panel per data set."""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from utils.reporting.charts import drawing
from utils.reporting.tables.cells import Cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL = 2.1  # inches: the least width of a panel among several
STEP, SPREAD = 0.05, 0.2  # shift between neighbouring lines, and of all lines, as shares of the least gap of ticks
ROOM = 0.05  # at both ends of the x axis, as a share of it
INCOMPLETE = "hollow: some languages missing"
SHADED = "shaded: 95 % interval"

Series = Mapping[float, Cell]  # place on the x axis -> mean


@dataclass(frozen=True)
class Panel:
    """The lines of one data set by model, and horizontal reference lines."""

    title: str
    y_label: str
    lines: Mapping[str, Series]
    references: Mapping[str, Cell] = field(default_factory=dict)


@dataclass(frozen=True)
class Scale:
    """The x axis: its label, and the label of each tick."""

    label: str
    ticks: Mapping[float, str]

    @property
    def logarithmic(self) -> bool:
        """Whether the ticks are spaced too unevenly for a linear axis."""
        places = sorted(self.ticks)
        gaps = [second - first for first, second in itertools.pairwise(places)]
        return bool(gaps) and places[0] > 0 and min(gaps) < 0.06 * (places[-1] - places[0])

    def moved(self, place: float, line: int, n_lines: int) -> float:
        """Return the x position of a line's point, shifted so that the intervals of several lines do not overlap."""
        share = min(STEP, SPREAD / n_lines) * (line - (n_lines - 1) / 2)
        return place * math.exp(share * self.gap) if self.logarithmic else place + share * self.gap

    @property
    def places(self) -> list[float]:
        """The ticks' places on the axis, or their logarithms where it is logarithmic."""
        return sorted(map(math.log, self.ticks) if self.logarithmic else self.ticks)

    @property
    def gap(self) -> float:
        """The least distance of two ticks, 1 where there is one."""
        return min((second - first for first, second in itertools.pairwise(self.places)), default=1.0)

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the x axis: all ticks and all shifted points are between them, whichever lines have points."""
        first, *_, last = [*self.places, self.places[-1]]
        room = SPREAD / 2 * self.gap + ROOM * (last - first or 1.0)
        ends = first - room, last + room
        return (math.exp(ends[0]), math.exp(ends[1])) if self.logarithmic else ends


def draw(args: argparse.Namespace, panels: Sequence[Panel], scale: Scale) -> Figure:
    """Return the panels side by side, in several rows where they do not fit, with one legend below."""
    width = args.width or (drawing.SINGLE if len(panels) == 1 else drawing.DOUBLE)
    names = list(dict.fromkeys(name for panel in panels for name in (*panel.lines, *panel.references)))
    styles, shown = drawing.line_styles(names), drawing.short_names(names)
    handles, labels = _legend(panels, names, styles, shown)
    plan = drawing.plan_legend(labels, width)
    columns = max(1, min(len(panels), int(width / PANEL)))
    rows = math.ceil(len(panels) / columns)
    figure = drawing.new_figure(width, args.height or rows * 2.2 + plan.height + (0.3 if args.title else 0))
    for place, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, place + 1)
        if len(panels) > 1:
            axes.set_title(panel.title)
        draw_panel(axes, panel, scale, styles)
        axes.set_xlabel(drawing.wrap_to(scale.label, width / columns - 0.7, drawing.SIZE))
        axes.set_ylabel(panel.y_label)
        drawing.fit_ticks(axes, list(scale.ticks.values()), width / columns - 0.7)
    drawing.add_legend(figure, handles, plan)
    return figure


def draw_panel(axes: Axes, panel: Panel, scale: Scale, styles: Mapping[str, drawing.LineStyle]) -> None:
    """Draw the lines with their intervals, and the reference lines behind them."""
    if scale.logarithmic:
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.set_xticks(list(scale.ticks), list(scale.ticks.values()))
    drawing.grid(axes, "y")
    for name, cell in panel.references.items():
        axes.axhline(100 * cell.value, color=styles[name].colour, linestyle=styles[name].line, linewidth=1)
        if cell.ci95:
            axes.axhspan(100 * cell.ci95[0], 100 * cell.ci95[1], color=styles[name].colour, alpha=0.12, linewidth=0)
    for line, (name, series) in enumerate(panel.lines.items()):
        style = styles[name]
        points = {scale.moved(place, line, len(panel.lines)): cell for place, cell in sorted(series.items())}
        axes.plot(list(points), [100 * cell.value for cell in points.values()], style.line, color=style.colour)
        for place, cell in points.items():
            axes.errorbar(
                *([place], [100 * cell.value], _error(cell)),
                fmt=style.marker,
                color=style.colour,
                elinewidth=0.8,
                capsize=1.5,
                markerfacecolor=style.colour if cell.complete else "white",
            )
    axes.margins(y=0.06)
    axes.set_xlim(*scale.limits)


def _error(cell: Cell) -> Any:
    """Return the distances of the interval's bounds from the mean (2, 1) in percent."""
    if cell.ci95 is None:
        return None
    return [[max(100 * (cell.value - cell.ci95[0]), 0.0)], [max(100 * (cell.ci95[1] - cell.value), 0.0)]]


def _legend(
    panels: Sequence[Panel],
    names: Sequence[str],
    styles: Mapping[str, drawing.LineStyle],
    shown: Mapping[str, str],
) -> tuple[list[Any], list[str]]:
    """Return a handle and a label for each name, and for hollow points and shaded areas where there are any."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    level = {name for panel in panels for name in panel.references if name not in panel.lines}
    handles: list[Any] = [
        Line2D([], [], color=style.colour, linestyle=style.line, marker="" if name in level else style.marker)
        for name, style in ((name, styles[name]) for name in names)
    ]
    labels = [_label(panels, name, shown[name]) for name in names]
    cells = [cell for panel in panels for series in panel.lines.values() for cell in series.values()]
    if not all(cell.complete for cell in cells):
        handles.append(Line2D([], [], color="#666666", linestyle="", marker="o", markerfacecolor="white"))
        labels.append(INCOMPLETE)
    if any(cell.ci95 for panel in panels for cell in panel.references.values()):
        handles.append(Patch(color="#666666", alpha=0.2, linewidth=0))
        labels.append(SHADED)
    return handles, labels


def _label(panels: Sequence[Panel], name: str, shown: str) -> str:
    """Return a line's label; that of a reference line counts its languages where some are missing."""
    cells = {panel.title: panel.references[name] for panel in panels if name in panel.references}
    if len(panels) == 1:
        return next((drawing.with_gaps(shown, cell.n, cell.expected) for cell in cells.values()), shown)
    gaps = [f"{title} {cell.n}/{cell.expected}" for title, cell in cells.items() if not cell.complete]
    return f"{shown} ({', '.join(gaps)})" if gaps else shown
