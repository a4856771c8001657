#!/usr/bin/env python3
"""The languages' scores by family or script: boxes with every language as a point, models side by side.

python script/plot/plot_groups.py --task classification --dataset sib200
python script/plot/plot_groups.py --task bitext --dataset tatoeba --by script
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.cli.main import run
from utils.reporting.charts import drawing, languages, plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EXAMPLES = """
python script/plot/plot_groups.py --task classification --dataset sib200
python script/plot/plot_groups.py --task classification --dataset sib200 --by script --models A B --format pdf svg
python script/plot/plot_groups.py --task bitext --dataset tatoeba --k 5 --metric acc
"""
BOXED = 3  # points from which a box is drawn: quartiles of fewer are no summary
BOX, GAP = 0.17, 0.13  # inches: a box with the room around it, and between groups
TALL = 1.3  # inches that the boxes of a group have at most


def main(argv: Sequence[str]) -> None:
    """Draw the distribution of each group of languages."""
    parser = plots.parser_of("The languages' scores by family or script.", EXAMPLES)
    plots.add_model_args(parser)
    parser.add_argument("--by", choices=tuple(languages.OTHER), default="family", help="(default: %(default)s)")
    args = parser.parse_args(argv)
    scores = languages.scores_of(args, args.by)
    rows = [
        {
            "dataset": scores.dataset,
            "model": model,
            "metric": scores.metric,
            **plots.drawn_at(args),
            "lang": lang,
            "family": scores.family[lang],
            "script": scores.script[lang],
            "group": scores.groups[lang],
            "percent": plots.percent(value),
        }
        for model, values in scores.values.items()
        for lang, value in values.items()
    ]
    texts = [scores.dataset, *scores.values, *scores.groups.values()]
    plots.publish(args, f"plot_groups_{args.by}", rows, list(scores.values), texts, lambda: draw(args, scores))


def by_group(scores: languages.Scores) -> dict[str, dict[str, list[float]]]:
    """Return group -> model -> percent of its languages, the highest first by the mean of its models' medians."""
    found: dict[str, dict[str, list[float]]] = {}
    for model, values in scores.values.items():
        for lang, value in values.items():
            found.setdefault(scores.groups[lang], {}).setdefault(model, []).append(100 * value)

    def median(group: str) -> float:
        return statistics.fmean(map(statistics.median, found[group].values()))

    return {group: found[group] for group in sorted(found, key=lambda group: (-median(group), group))}


def draw(args: argparse.Namespace, scores: languages.Scores) -> Figure:
    """Return the figure: a row a group, in it a box a model."""
    from matplotlib.lines import Line2D

    groups, models = by_group(scores), list(scores.values)
    styles, shown = drawing.line_styles(models), drawing.short_names(models)
    width = args.width or drawing.SINGLE
    there = {model: len(values) for model, values in scores.values.items()}
    plan = drawing.plan_legend(
        [drawing.with_gaps(shown[model], there[model], scores.expected) for model in models], width
    )
    height = len(groups) * (min(len(models) * BOX, TALL) + GAP) + 0.6 + plan.height
    figure = drawing.new_figure(width, args.height or height + (0.3 if args.title else 0))
    axes = figure.add_subplot()
    for place, values in enumerate(groups.values()):
        draw_group(axes, place, values, styles, args.seed)
    labels = [label(group, values, models) for group, values in groups.items()]
    axes.set_yticks(range(len(groups)), [drawing.wrap_to(text, 0.4 * width, drawing.SMALL) for text in labels])
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(drawing.metric_label(scores.metric, args.task, scores.k))
    drawing.grid(axes, "x")
    handles = [Line2D([], [], color=style.colour, marker=style.marker, linestyle="") for style in styles.values()]
    drawing.add_legend(figure, handles, plan)
    return figure


def draw_group(
    axes: Axes, place: int, values: dict[str, list[float]], styles: dict[str, drawing.LineStyle], seed: int
) -> None:
    """Draw the boxes of one group around `place`, the points of the languages over them."""
    import numpy as np

    step = 0.8 / len(styles)
    for number, (model, style) in enumerate(styles.items()):
        points = values.get(model, [])
        middle = place - 0.4 + step * (number + 0.5)
        if len(points) >= BOXED:
            thin = {"color": style.colour, "linewidth": 0.8}
            looks: dict[str, Any] = {"whiskerprops": thin, "capprops": thin}
            looks |= {"boxprops": {"facecolor": "white", "edgecolor": style.colour, "linewidth": 0.8}}
            looks |= {"medianprops": {"color": "black", "linewidth": 1.2}, "showfliers": False, "patch_artist": True}
            where: dict[str, Any] = {"positions": [middle], "widths": [0.75 * step], "orientation": "horizontal"}
            axes.boxplot(points, manage_ticks=False, **where, **looks)
        jitter = np.random.default_rng([seed, place, number]).uniform(-0.26, 0.26, len(points)) * step
        seen: dict[str, Any] = {"marker": style.marker, "color": style.colour, "linewidths": 0}
        axes.scatter(points, middle + jitter, s=7, alpha=0.65, zorder=3, **seen)


def label(group: str, values: dict[str, list[float]], models: Sequence[str]) -> str:
    """Return the group's name with how many languages its boxes have."""
    counts = [len(values.get(model, [])) for model in models]
    shown = str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)}–{max(counts)}"
    return f"{group} (n = {shown})".replace(" = ", "\u00a0=\u00a0")


if __name__ == "__main__":
    run(main)
