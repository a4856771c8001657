#!/usr/bin/env python3
"""Two models language by language: paired differences with 95 % intervals, significant ones filled.

python script/plot/plot_compare.py MODEL_A MODEL_B --task bitext --dataset nusax
python script/plot/plot_compare.py MODEL MODEL --task bitext --dataset nusax --setting_b margin=ratio
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.cli.main import run
from utils.reporting.charts import drawing, plots
from utils.reporting.tables import paired
from utils.reporting.tables.sides import add_both, checked, settings_of_both, side_of, tell_other_metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EXAMPLES = """
python script/plot/plot_compare.py intfloat/multilingual-e5-base sentence-transformers/LaBSE --task bitext
python script/plot/plot_compare.py MODEL MODEL --task bitext --dataset nusax --setting_b margin=ratio
"""
ROW = 0.14  # inches
TALL = 60  # rows that a column of the figure has before another is begun
FAVOURS, NEITHER = "#0072b2", "#767676"


def main(argv: Sequence[str]) -> None:
    """Draw A less B on each subset that both were run on, and the mean."""
    args = parse(argv)
    settings = settings_of_both(args)
    sides = {
        name: {
            place: result
            for place, result in side_of(args, model, settings[name]).items()
            if plots.is_chosen(args, result.subset)
        }
        for name, model in (("A", args.a), ("B", args.b))
    }
    plots.one_dataset(args, [result for side in sides.values() for result in side.values()])
    pairs = paired.pair_up(sides, args.metric)
    tell_other_metrics(args.task, args.metric, (dataset for dataset, _ in sides["A"]))
    lines = sorted(paired.lines_of(pairs, args.seed), key=lambda line: (-line.difference, line.subset))
    lines += paired.means_of(pairs, args.seed)
    rows = [
        {
            "dataset": line.dataset,
            "subset": line.subset,
            "n": line.n,
            "model_a": args.a,
            "model_b": args.b,
            "metric": args.metric,
            **plots.drawn_at(args),
            "a": plots.percent(line.a),
            "b": plots.percent(line.b),
            "difference": plots.percent(line.difference),
            "low": plots.percent(line.interval[0]),
            "high": plots.percent(line.interval[1]),
            "p": line.p,
            "p_holm": "" if line.p_holm is None else line.p_holm,
        }
        for line in lines
    ]
    texts = [args.a, args.b, *(line.subset for line in lines)]
    plots.publish(args, "plot_compare", rows, [args.a, args.b], texts, lambda: draw(args, lines))


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = plots.parser_of("Two models language by language.", EXAMPLES)
    add_both(parser)
    parser.set_defaults(usual_metric=parser.get_default("metric"))
    return checked(parser.parse_args(argv))


def draw(args: argparse.Namespace, lines: Sequence[paired.Line]) -> Figure:
    """Return the figure: a row a subset, the greatest difference first, the mean at the end."""
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
    """Draw some of the rows."""
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


if __name__ == "__main__":
    run(main)
