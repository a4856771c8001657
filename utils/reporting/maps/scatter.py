"""Draw projected texts with matplotlib, and a legend with room for 205 languages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from utils.reporting.figures import new_figure
from utils.reporting.maps.coloring import Coloring
from utils.reporting.palette import OTHER, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Line = tuple[str, Style | None]  # a line of the legend: its text, and its marker unless it is a heading

SIDE = 6.2  # inches: the side of the square plot
WIDE = 9.0  # inches: the side where a long or wide legend is below the plot
LINE = 0.155  # inches: the height of a line of the legend
FONT = 7.5  # points: font size of the legend
INDENT = 0.16  # inches: from a marker to its name
FEWEST, BESIDE = 20, 34  # number of lines of a legend beside the plot; shorter and longer ones are below it
RASTER = 4000  # with more points PDF and SVG contain a raster image, since many shapes open slowly
LINKED = 40  # names with more points are not joined by lines, which would cover the picture
LAYERS = 6  # the points are drawn in so many layers, so that no language covers the others


def draw(
    xy: npt.NDArray[np.float32], colors: Coloring, title: str, axis_names: Sequence[str], links: bool, seed: int
) -> Figure:
    """Return a scatter plot of points (n, 2) with its legend; `links` joins the points of each coloured name.

    Call it within `figures.drawing`, and write it with `figures.save`, which cuts the figure to what is drawn.
    """
    lines = legend_lines(colors)
    width = widest(lines)
    beside = FEWEST <= len(lines) <= BESIDE and width <= SIDE / 3
    side = SIDE if beside or (len(lines) < FEWEST and 2 * width <= SIDE) else WIDE
    columns = 1 if beside else max(1, int(side // width))
    rows = len(lines) if beside else rows_needed(lines, columns)
    if not beside:  # the columns share the width
        width = side / len(in_columns(lines, rows))
    below = 0.0 if beside else rows * LINE + 0.45
    size = (side + (width + 0.3 if beside else 0.0), side + below)
    figure = new_figure(*size)
    figure.set_layout_engine("none")  # the legend's size is computed below
    plot = figure.add_axes((0, below / size[1], side / size[0], side / size[1]))
    draw_points(plot, xy, colors, (side / SIDE) ** 2, links, seed)
    plot.set_title(title)
    plot.set_xlabel(axis_names[0])
    plot.set_ylabel(axis_names[1])
    plot.set_xticks([])
    plot.set_yticks([])
    height = side if beside else rows * LINE
    left = (side + 0.25) / size[0] if beside else 0.0
    legend = figure.add_axes((left, (size[1] - height) / size[1] if beside else 0, 1 - left, height / size[1]))
    draw_legend(legend, lines, rows, width, (size[0] * (1 - left), height))
    return figure


def legend_lines(colors: Coloring) -> list[Line]:
    """Return the lines of the legend: headings and names in order, then the number of grey names."""
    lines: list[Line] = []
    heading = ""
    for place in range(colors.n_colored):
        if colors.groups[place] != heading:
            heading = colors.groups[place]
            lines.append((heading, None))
        lines.append((colors.shown[place], colors.styles[place]))
    grey = len(colors.names) - colors.n_colored
    return [*lines, (f"{grey} other", Style(OTHER, "o"))] if grey else lines


def in_columns(lines: Sequence[Line], rows: int) -> list[list[Line]]:
    """Return the lines in columns of at most `rows` lines, without a heading at the end of a column."""
    columns: list[list[Line]] = [[]]
    for place, line in enumerate(lines):
        ends = len(columns[-1]) == rows - 1 and line[1] is None and place + 1 < len(lines)
        if len(columns[-1]) == rows or ends:
            columns.append([])
        columns[-1].append(line)
    return columns


def rows_needed(lines: Sequence[Line], columns: int) -> int:
    """Return the number of rows that fits the lines into this number of columns."""
    rows = max(2, math.ceil(len(lines) / columns))
    while len(in_columns(lines, rows)) > columns:
        rows += 1
    return rows


def widest(lines: Sequence[Line]) -> float:
    """Return the width in inches of the widest line with the gap after it."""
    scratch = new_figure(1, 1)
    renderer: Any = scratch.canvas.get_renderer()  # type: ignore[attr-defined]
    drawn = (scratch.text(0, 0, text, fontsize=FONT) for text, _ in lines)
    widths = [one.get_window_extent(renderer).width / scratch.dpi for one in drawn]
    return max(widths, default=0.0) + INDENT + 0.25


def draw_legend(axes: Axes, lines: Sequence[Line], rows: int, width: float, size: tuple[float, float]) -> None:
    """Draw the lines of a legend, so many in a column of this width, into axes of this size (inches)."""
    axes.set_axis_off()
    axes.set_xlim(0, size[0])
    axes.set_ylim(-size[1], 0)
    for column, held in enumerate(in_columns(lines, rows)):
        for row, (text, style) in enumerate(held):
            x, y = column * width, -(row + 0.5) * LINE
            if style is None:
                axes.text(x, y, text, fontsize=FONT, fontweight="bold", va="center")
                continue
            axes.plot(x + 0.06, y, style.marker, color=style.colour, markersize=4.5, markeredgewidth=0, clip_on=False)
            axes.text(x + INDENT, y, text, fontsize=FONT, va="center")


def draw_points(
    axes: Axes, xy: npt.NDArray[np.float32], colors: Coloring, enlarged: float, links: bool, seed: int
) -> None:
    """Draw points (n, 2) in their colours; `enlarged` is the area of the plot, as a multiple of the usual one."""
    codes = np.array(colors.codes)
    grey = codes >= colors.n_colored
    area, alpha = _look(int((~grey).sum()))
    area *= enlarged
    usual: dict[str, Any] = {"linewidths": 0, "rasterized": len(xy) > RASTER}
    small = min(area, _look(len(xy))[0])
    axes.scatter(xy[grey, 0], xy[grey, 1], s=small, c=OTHER, alpha=0.35, zorder=1, **usual)
    if links and max(colors.counts) <= LINKED:
        _draw_links(axes, xy, codes, colors)
    colours = np.array([style.colour for style in colors.styles])[codes]
    markers = np.array([style.marker for style in colors.styles])[codes]
    order = np.random.default_rng(seed).permutation(np.flatnonzero(~grey))
    for layer in np.array_split(order, LAYERS):
        for marker in sorted(set(markers[layer])):
            part = layer[markers[layer] == marker]
            axes.scatter(
                xy[part, 0], xy[part, 1], s=area, c=colours[part], marker=marker, alpha=alpha, zorder=3, **usual
            )
    axes.margins(0.02)


def _draw_links(axes: Axes, xy: npt.NDArray[np.float32], codes: npt.NDArray[np.int64], colors: Coloring) -> None:
    """Join the points of each coloured name to their median, which shows how far translations are apart."""
    for code in range(colors.n_colored):
        mine = xy[codes == code]
        middle = np.median(mine, axis=0)
        ends = np.stack([mine, np.broadcast_to(middle, mine.shape)])
        axes.plot(*np.moveaxis(ends, 2, 0), color=colors.styles[code].colour, linewidth=0.5, alpha=0.4, zorder=2)


def _look(n: int) -> tuple[float, float]:
    """Return area (square points) and opacity of n points; together they cover a similar area for every n."""
    return min(34.0, max(3.0, 26_000 / max(n, 1))), 0.9 if n <= 1000 else 0.75 if n <= 6000 else 0.6
