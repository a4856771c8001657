"""Draw what layers have: one panel per figure and pooling, a line per language, its interval as a band."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from utils.data.languages import family_and_script
from utils.errors import UserError
from utils.layers.measures import Measure
from utils.layers.rows import Row, differences
from utils.reporting import palette
from utils.reporting.charts import drawing
from utils.reporting.charts.languages import OTHER, joined

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL, TALL = 2.2, 1.75  # inches: the least width and the height of a panel
NAMED = 14  # languages that the legend names; of more it names the families, and lines are thin
BANDS = 14  # languages whose intervals are drawn, since more would cover one another
DASH = 0.5  # layers: the width of what is drawn where one layer alone has values
MEAN, LEVEL = "mean of the languages", "#666666"
UNKNOWN = "family not known"


@dataclass(frozen=True)
class Curves:
    """The rows of one model by subset, and the language that each subset is about."""

    model: str
    rows: Mapping[str, Sequence[Row]]
    langs: Mapping[str, str]


@dataclass(frozen=True)
class Panel:
    """One panel: the values of a figure by layer for each language, with bounds where it has them.

    levels: the figure that it is seen against, such as the cosine of unrelated sentences, as its mean by layer.
    """

    name: str
    title: str
    lines: Mapping[str, Mapping[int, Sequence[float]]]  # language -> layer -> value, or value, low, high
    levels: Mapping[int, float] = field(default_factory=dict)
    zero: bool = False  # a difference, whose 0 is marked
    log: bool = False  # a figure that spans orders of magnitude


def panels_of(measure: Measure, curves: Curves) -> list[Panel]:
    """Return a panel for each figure and pooling that has a value; languages with several subsets keep these names."""
    poolings = list(dict.fromkeys(row["pooling"] for rows in curves.rows.values() for row in rows))
    found = []
    for name in measure.drawn:
        for pooling in poolings:
            lines = {
                lang: {row["layer"]: _with_bounds(row, name) for row in rows if row.get(name) is not None}
                for lang, rows in _by_language(curves, pooling)
            }
            if any(lines.values()):
                title = name.replace("_", " ") + (f", {pooling}" if len(poolings) > 1 else "")
                levels = _levels(measure, curves, pooling, name)
                found.append(Panel(name, title, lines, levels, log=name in measure.logarithmic))
    return found


def _by_language(curves: Curves, pooling: str | None) -> Iterator[tuple[str, list[Row]]]:
    several = len(set(curves.langs.values())) < len(curves.langs)
    for subset, rows in curves.rows.items():
        yield subset if several else curves.langs[subset], [row for row in rows if row["pooling"] == pooling]


def _with_bounds(row: Row, name: str) -> tuple[float, ...]:
    values = (row.get(f"{name}{end}") for end in ("", "_low", "_high"))
    return tuple(value for value in values if value is not None)


def _levels(measure: Measure, curves: Curves, pooling: str | None, name: str) -> dict[int, float]:
    """Return the mean by layer of the figure that another one is seen against."""
    beside, values = measure.levels.get(name), dict[int, list[float]]()
    for _, rows in _by_language(curves, pooling):
        for row in rows:
            if beside and row.get(beside) is not None:
                values.setdefault(row["layer"], []).append(row[beside])
    return {layer: sum(each) / len(each) for layer, each in sorted(values.items())}


def difference_panels(measure: Measure, first: Curves, second: Curves) -> list[Panel]:
    """Return a panel for each figure and pooling: the second model's value minus the first's, at layers of both."""
    rows = {
        subset: [
            {**row, **{name: row[f"{name}_difference"] for name in measure.figures}}
            for row in differences(own, second.rows[subset], measure)
        ]
        for subset, own in first.rows.items()
        if subset in second.rows
    }
    between = Curves("", rows, {subset: first.langs[subset] for subset in rows})
    plain = panels_of(measure, between)
    return [Panel(f"{panel.name} difference", panel.title, panel.lines, zero=True) for panel in plain]


def draw(measure: Measure, models: Sequence[Curves], width: float | None = None, height: float | None = None) -> Figure:
    """Return the figure of one model, or of two: the panels of each in rows of their own, then their differences.

    Call it within `figures.drawing` and `drawing.paper`. Raises UserError where no row has a value.
    """
    rows = [(drawing.short_names([each.model])[each.model], panels_of(measure, each)) for each in models]
    if len(models) == 2:
        names = [name for name, _ in rows]
        rows.append((f"{names[1]} − {names[0]}", difference_panels(measure, *models)))
    rows = [(name, panels) for name, panels in rows if panels]
    if not rows:
        raise UserError(f"no values of {measure.name} to draw", "are there other records?")
    langs = list(dict.fromkeys(lang for _, panels in rows for panel in panels for lang in panel.lines))
    colours = language_colours(langs)
    handles, labels = _legend(langs, colours, [panel for _, panels in rows for panel in panels], measure)
    most = max(len(panels) for _, panels in rows)
    width = width or (drawing.SINGLE if most == 1 else drawing.DOUBLE)
    columns = math.ceil(most / math.ceil(most / max(1, int(width / PANEL))))
    plan = drawing.plan_legend(labels, width)
    parts = [math.ceil(len(panels) / columns) for _, panels in rows]
    figure = drawing.new_figure(width, height or sum(parts) * TALL + plan.height + 0.25 * len(rows))
    drawn: dict[str, list[Axes]] = {}
    inner = figure.subfigures(len(rows), 1, height_ratios=parts, squeeze=False)[:, 0]
    for part, (name, panels), n_rows in zip(inner, rows, parts, strict=True):
        if len(rows) > 1:
            part.suptitle(_heading(name, panels, width), x=0.01, ha="left")
        for place, panel in enumerate(panels):
            axes = part.add_subplot(n_rows, columns, place + 1)
            draw_panel(axes, panel, colours)
            drawn.setdefault(panel.name, []).append(axes)
            if place + columns >= len(panels):
                axes.set_xlabel("layer")
    for same in drawn.values():  # a figure has one scale, whatever the model and the pooling
        low, high = zip(*(axes.get_ylim() for axes in same), strict=True)
        for axes in same:
            axes.set_ylim(min(low), max(high))
    drawing.add_legend(figure, handles, plan)
    return figure


def _heading(name: str, panels: Sequence[Panel], width: float) -> str:
    """Return the heading of a part; that of differences in other words where its names are wider than the figure."""
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties

    size = FontProperties(size=rcParams["figure.titlesize"]).get_size_in_points()
    is_wide = panels[0].zero and drawing.text_width(name, size) > 0.98 * width
    return "the second minus the first" if is_wide else name


def language_colours(langs: Sequence[str]) -> dict[str, str]:
    """Return a colour for each language; those of one family share a hue."""
    families = families_of(langs)
    ordered = sorted(langs, key=lambda lang: (families[lang], lang))
    if len(langs) > NAMED:  # one colour a family, since the legend names families
        of_family = palette.styles(list(dict.fromkeys(families[lang] for lang in ordered)))
        return {lang: of_family[families[lang]].colour for lang in langs}
    return {lang: style.colour for lang, style in palette.styles(ordered, families).items()}


def families_of(langs: Sequence[str]) -> dict[str, str]:
    """Return the family of each language, or of the second one of a pair; of many languages small ones are joined."""
    known = {lang: family_and_script(lang)[0] or family_and_script(lang.partition("_")[2])[0] for lang in langs}
    families = {lang: family or UNKNOWN for lang, family in known.items()}
    return joined(families, OTHER["family"]) if len(langs) > NAMED else families


def draw_panel(axes: Axes, panel: Panel, colours: Mapping[str, str]) -> None:
    """Draw the lines of a panel with their bands, their mean, and what they are seen against."""
    from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

    axes.set_title(panel.title)
    drawing.grid(axes, "y")
    thin = len(panel.lines) > NAMED
    wide = DASH if len({layer for points in panel.lines.values() for layer in points}) == 1 else 0.0
    for lang, points in panel.lines.items():
        look: dict[str, Any] = {"linewidth": 0.6, "alpha": 0.7} if thin else {"linewidth": 1.0}
        alone = "." if len(points) == 1 and not wide else ""
        axes.plot(
            *_drawn({layer: points[layer][0] for layer in points}, wide), color=colours[lang], marker=alone, **look
        )
        bounded = {layer: point for layer, point in points.items() if len(point) == 3}
        if bounded and len(panel.lines) <= BANDS:
            (layers, low), (_, high) = (
                _drawn({layer: point[place] for layer, point in bounded.items()}, wide) for place in (1, 2)
            )
            axes.fill_between(layers, low, high, color=colours[lang], alpha=0.15, linewidth=0)
    if len(panel.lines) > 1:
        axes.plot(*_drawn(_means(panel.lines), wide), color="black", linewidth=1.6)
    if panel.levels:
        axes.plot(*_drawn(panel.levels, 2 * wide), color=LEVEL, linestyle="--", linewidth=1.0)
    if panel.zero:
        axes.axhline(0, color="#4d4d4d", linewidth=0.7)
    if panel.log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))


def _drawn(values: Mapping[int, float], wide: float) -> tuple[list[float], list[float]]:
    """Return the layers and values of a line in order; those of the only layer as a dash of this width, in layers."""
    layers = sorted(values)
    if wide and layers:
        return [layers[0] - wide / 2, layers[0] + wide / 2], [values[layers[0]]] * 2
    return [float(layer) for layer in layers], [values[layer] for layer in layers]


def _means(lines: Mapping[str, Mapping[int, Sequence[float]]]) -> dict[int, float]:
    """Return the mean at each layer that all lines have."""
    whole = [layer for layer in sorted(next(iter(lines.values()))) if all(layer in points for points in lines.values())]
    return {layer: sum(points[layer][0] for points in lines.values()) / len(lines) for layer in whole}


def _legend(
    langs: Sequence[str], colours: Mapping[str, str], panels: Sequence[Panel], measure: Measure
) -> tuple[list[Any], list[str]]:
    """Return handles and labels: the languages or families, the mean, what figures are seen against, and bands."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    families = families_of(langs)
    ordered = sorted(langs, key=lambda lang: (families[lang], lang))
    told = {families[lang]: colours[lang] for lang in ordered} if len(langs) > NAMED else {}
    shown = told or {lang: colours[lang] for lang in ordered}
    handles: list[Any] = [Line2D([], [], color=colour) for colour in shown.values()]
    labels = list(shown)
    if any(len(panel.lines) > 1 for panel in panels):
        handles.append(Line2D([], [], color="black", linewidth=1.6))
        labels.append(MEAN)
    if any(panel.levels for panel in panels):
        handles.append(Line2D([], [], color=LEVEL, linestyle="--"))
        labels.append("dashed: " + ", ".join(dict.fromkeys(measure.levels.values())).replace("_", " "))
    bounded = any(len(point) == 3 for panel in panels for points in panel.lines.values() for point in points.values())
    if bounded and len(langs) <= BANDS:
        handles.append(Patch(color=LEVEL, alpha=0.2, linewidth=0))
        labels.append("95 % interval")
    return handles, labels
