"""Draw the languages' scores by family or script: one box per model, one point per language."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from utils.reporting.charts import drawing, languages

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BOXED = 3  # least number of points of a box: fewer have no quartiles
BOX, GAP = 0.17, 0.13  # inches: height of a box with its margin, and between groups
TALL = 1.3  # inches: largest height of the boxes of a group


def by_group(scores: languages.Scores) -> dict[str, dict[str, list[float]]]:
    """Return group -> model -> percent of its languages, groups sorted by the mean of the models' medians."""
    found: dict[str, dict[str, list[float]]] = {}
    for model, values in scores.values.items():
        for lang, value in values.items():
            found.setdefault(scores.groups[lang], {}).setdefault(model, []).append(100 * value)

    def median(group: str) -> float:
        return statistics.fmean(map(statistics.median, found[group].values()))

    return {group: found[group] for group in sorted(found, key=lambda group: (-median(group), group))}


def draw(args: argparse.Namespace, scores: languages.Scores) -> Figure:
    """Return the figure: one row per group, one box per model in it."""
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
    """Draw the boxes of one group around `place`, and the points of the languages over them."""
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
    """Return the group's name with the number of languages of its boxes."""
    counts = [len(values.get(model, [])) for model in models]
    shown = str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)}–{max(counts)}"
    return f"{group} (n = {shown})".replace(" = ", "\u00a0=\u00a0")
