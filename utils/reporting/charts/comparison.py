"""Draw paired differences of two models, subset by subset, with 95 % intervals."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from utils.reporting.charts import drawing
from utils.reporting.tables import paired

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.14  # inches: height of a row
TALL = 60  # rows per column of the figure
FAVOURS, NEITHER = "#0072b2", "#767676"


def draw(args: argparse.Namespace, lines: Sequence[paired.Line]) -> Figure:
    """Return the figure: one row per subset, the largest difference first, the mean last."""
    from matplotlib.lines import Line2D

    n_columns = math.ceil(len(lines) / TALL)
    width = args.width or (drawing.SINGLE if n_columns == 1 else drawing.DOUBLE)
    longest = math.ceil(len(lines) / n_columns)
    names = [drawing.short_names([args.a, args.b])[name] for name in (args.a, args.b)]
    if args.a == args.b:
        names[1] += f" ({' '.join(args.setting_b)})"
    kinds = {"significant (p < 0.05, Holm)": (FAVOURS, FAVOURS), "not significant": (NEITHER, "white")}
    plan = drawing.plan_legend([f"A: {names[0]}", f"B: {names[1]}", *kinds, "mean, 95 % interval"], width)
    measure = drawing.metric_label(args.metric, args.task, args.k).replace("(%)", "(percentage points)")
    about = drawing.wrap_to(f"A − B, {measure}", width / n_columns - 0.75, drawing.SIZE)
    height = longest * ROW + 0.45 + (about.count("\n") + 1) * 0.15 + plan.height + (0.3 if args.title else 0)
    figure = drawing.new_figure(width, args.height or height)
    first = None
    for place in range(n_columns):
        axes = figure.add_subplot(1, n_columns, place + 1, sharex=first)
        first = first or axes
        draw_column(axes, lines[place * longest : (place + 1) * longest], longest)
        axes.set_xlabel(about)
    plain: dict[str, Any] = {"marker": "o", "linewidth": 0.9}
    handles = [Line2D([], [], linestyle="") for _ in names]
    handles += [Line2D([], [], color=edge, markerfacecolor=face, **plain) for edge, face in kinds.values()]
    drawing.add_legend(figure, [*handles, Line2D([], [], color="black", marker="D", linewidth=0.9)], plan)
    return figure


def draw_column(axes: Axes, lines: Sequence[paired.Line], n_rows: int) -> None:
    """Draw one column of rows."""
    axes.axvline(0, color="#4d4d4d", linewidth=0.7)
    for row, line in enumerate(lines):
        is_mean = line.p_holm is None
        colour = "black" if is_mean else FAVOURS if line.significant else NEITHER
        axes.plot([100 * bound for bound in line.interval], [row, row], color=colour, linewidth=0.9)
        face = colour if is_mean or line.significant else "white"
        looks: dict[str, Any] = {
            "marker": "D" if is_mean else "o",
            "color": colour,
            "markerfacecolor": face,
            "markersize": 3.5,
        }
        axes.plot([100 * line.difference], [row], linestyle="", **looks)
    axes.set_yticks(range(len(lines)), [line.subset for line in lines])
    axes.set_ylim(n_rows - 0.3, -0.7)
    axes.tick_params(axis="y", length=0)
    drawing.grid(axes, "x")
