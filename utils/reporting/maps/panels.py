"""Draw the texts of several layers as small pictures side by side, with one legend."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from utils.reporting.figures import new_figure
from utils.reporting.maps import scatter
from utils.reporting.maps.coloring import Coloring

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 12  # pictures of a figure; of more, as many are drawn, evenly
COLUMNS = 4
SIDE, HEAD = 2.2, 0.25  # inches: a picture's side, and its heading
TITLE, GAP = 0.15, 0.1  # inches above all, and above the legend


def evenly(layers: Sequence[int]) -> list[int]:
    """Return at most MOST of the layers, the first and the last among them, at even distances."""
    if len(layers) <= MOST:
        return list(layers)
    return [layers[round(place * (len(layers) - 1) / (MOST - 1))] for place in range(MOST)]


def draw(pictures: Mapping[str, npt.NDArray[np.float32]], colors: Coloring, title: str, seed: int) -> Figure:
    """Return pictures of the same texts, (n, 2) by heading, in rows of four, with the legend below.

    Call it within `figures.drawing`, and write it with `figures.save`, which cuts the figure to what is drawn.
    """
    lines = scatter.legend_lines(colors)
    columns = min(COLUMNS, len(pictures))
    width, n_rows = max(columns, 2) * SIDE, math.ceil(len(pictures) / columns)
    in_legend = max(1, int(width // scatter.widest(lines)))
    rows = scatter.rows_needed(lines, in_legend)
    below = rows * scatter.LINE + GAP
    size = (width, n_rows * (SIDE + HEAD) + below + TITLE)
    figure = new_figure(*size)
    figure.set_layout_engine("none")
    figure.text(0, 1 - 0.1 / size[1], title, fontsize=9, va="top")
    for place, (heading, xy) in enumerate(pictures.items()):
        row, column = divmod(place, columns)
        bottom = size[1] - TITLE - (row + 1) * (SIDE + HEAD)
        spot = (column * SIDE / size[0], bottom / size[1], 0.94 * SIDE / size[0], 0.94 * SIDE / size[1])
        axes = figure.add_axes(spot)
        scatter.draw_points(axes, xy, colors, (SIDE / scatter.SIDE) ** 2, False, seed)
        axes.set_title(heading, fontsize=8)
        axes.set_xticks([])
        axes.set_yticks([])
    legend = figure.add_axes((0, 0, 1, (below - GAP) / size[1]))
    n_columns = len(scatter.in_columns(lines, rows))
    scatter.draw_legend(legend, lines, rows, width / n_columns, (width, below - GAP))
    return figure
