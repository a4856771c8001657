"""Draw languages by models as a heat map with the values in the cells."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from utils.reporting.charts import drawing, languages

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SORTS = ("group", "mean", "name")
CELL, ROW = 0.3, 0.13  # inches: a cell's width and height
DIGITS = 5.5  # points: the values in the cells
STRIP = 0.09  # inches: width of the strip with the group's colour
TALL = 48  # rows per column of the figure
CONTINUED = " …"
MISSING = (0.9, 0.9, 0.9)


@dataclass(frozen=True)
class Line:
    """A row of the figure: a language, or the heading of a group."""

    label: str
    group: str
    lang: str | None


def ordered(scores: languages.Scores, sort: str) -> list[str]:
    """Return the languages in order: by group, the largest first; by their mean; or by name."""
    sizes: dict[str, int] = {}
    for group in scores.groups.values():
        sizes[group] = sizes.get(group, 0) + 1

    def mean(lang: str) -> float:
        values = [of_model[lang] for of_model in scores.values.values() if lang in of_model]
        return sum(values) / len(values)

    def place(lang: str) -> tuple[Any, ...]:
        group = scores.groups[lang]
        joined = group in languages.OTHER.values()
        return {"group": (joined, -sizes[group], group, lang), "mean": (-mean(lang), lang), "name": (lang,)}[sort]

    return sorted(scores.langs, key=place)


def columns_of(order: Sequence[str], groups: Mapping[str, str], n_columns: int, *, headed: bool) -> list[list[Line]]:
    """Return the rows of each column of the figure; `headed` adds the groups' names, repeated in the next column."""
    n_rows = len(order) + (len(set(groups.values())) if headed else 0)
    longest = math.ceil(n_rows / n_columns) + (1 if headed and n_columns > 1 else 0)
    columns: list[list[Line]] = [[]]
    before = None
    for lang in order:
        group = groups[lang]
        begins = headed and group != before
        if len(columns[-1]) + 1 + begins > longest:
            columns.append([])
            if headed and not begins:
                columns[-1].append(Line(group + CONTINUED, group, None))
        if begins:
            columns[-1].append(Line(group, group, None))
        columns[-1].append(Line(lang, group, lang))
        before = group
    return columns


def draw(args: argparse.Namespace, scores: languages.Scores, order: Sequence[str]) -> Figure:
    """Return the figure: columns of rows side by side, a colour bar below, and a legend of the groups' colours."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.patches import Patch

    headed = args.sort == "group"
    groups = sorted(set(scores.groups.values()), key=lambda group: (group in languages.OTHER.values(), group))
    strip = {name: style.colour for name, style in drawing.line_styles(groups).items()}
    short = drawing.short_names(list(scores.values))
    heads = [drawing.wrap_to(short[model], 1.3, drawing.SMALL) for model in scores.values]
    labels = [*order, *((group + CONTINUED for group in groups) if headed else ())]
    one = max(drawing.text_width(text, drawing.SMALL) for text in labels) + 0.3 + len(heads) * _cell(heads)
    most = max(1, int((args.width or drawing.DOUBLE) / one))
    n_rows = len(order) + (len(groups) if headed else 0)
    columns = columns_of(order, scores.groups, min(most, math.ceil(n_rows / TALL)), headed=headed)
    width = args.width or max(drawing.SINGLE if len(columns) * one <= drawing.SINGLE else drawing.DOUBLE, one)
    plan = drawing.plan_legend([] if headed else groups, width)
    head = max(drawing.text_width(text, drawing.SMALL) for text in heads)
    tall = max(map(len, columns)) * ROW + head + 0.75 + (0 if headed else plan.height) + (0.3 if args.title else 0)
    figure = drawing.new_figure(width, args.height or tall)
    colours = ScalarMappable(Normalize(*_range(scores)), "viridis")
    panels = [figure.add_subplot(1, len(columns), place + 1) for place in range(len(columns))]
    n_lines = max(map(len, columns))
    room = (figure.get_figwidth() / len(columns) - (one - len(heads) * _cell(heads))) / len(heads)
    for axes, lines in zip(panels, columns, strict=True):
        draw_column(axes, lines, scores, colours, strip, n_lines, room)
        axes.set_xticks(range(len(heads)), heads, rotation=90, va="bottom", ha="center", linespacing=1.0)
    bar = drawing.colour_bar(figure, colours, panels)
    bar.set_label(drawing.metric_label(scores.metric, args.task, scores.k))
    if not headed:
        drawing.add_legend(figure, [Patch(color=strip[group]) for group in groups], plan)
    return figure


def _cell(heads: Sequence[str]) -> float:
    """Return the width of a cell in inches: that of its value, or of its model's name."""
    return max(CELL, (max(head.count("\n") for head in heads) + 1) * drawing.LINE * drawing.SMALL / 72)


def _range(scores: languages.Scores) -> tuple[float, float]:
    """Return the least and the greatest value in percent; they differ even where all values are equal."""
    values = [100 * value for of_model in scores.values.values() for value in of_model.values()]
    low, high = min(values), max(values)
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def draw_column(
    axes: Axes,
    lines: Sequence[Line],
    scores: languages.Scores,
    colours: Any,
    strip: Mapping[str, str],
    n_lines: int,
    room: float,
) -> None:
    """Draw rows of cells, with values where they fit into `room` inches, and labels and the strip to their left."""
    from matplotlib.patches import Rectangle

    n_models = len(scores.values)
    thin = STRIP / room  # of a cell's width
    for row, line in enumerate(lines):
        left = -0.5 - 1.6 * thin
        if line.lang is None:
            continue
        axes.add_patch(Rectangle((left, row - 0.5), thin, 1, color=strip[line.group], linewidth=0, clip_on=False))
        for place, values in enumerate(scores.values.values()):
            value = values.get(line.lang)
            colour = MISSING if value is None else colours.to_rgba(100 * value)
            cell = Rectangle((place - 0.5, row - 0.5), 1, 1, facecolor=colour, edgecolor="white", linewidth=0.3)
            axes.add_patch(cell).set_in_layout(False)
            text = "–" if value is None else f"{100 * value:.1f}"
            if drawing.text_width(text, DIGITS) < room:
                drawing.write_in(axes, (place, row), text, DIGITS, colour)
    axes.set_xlim(-0.5 - 1.6 * thin, n_models - 0.5)
    axes.set_ylim(n_lines - 0.5, -0.5)
    axes.set_yticks(range(len(lines)), [line.label for line in lines])
    for tick, line in zip(axes.get_yticklabels(), lines, strict=True):
        tick.set_fontweight("bold" if line.lang is None else "normal")
    axes.tick_params(axis="both", length=0, pad=1.5, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
