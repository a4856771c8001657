"""Confusion matrices: their counts from records, and their figure."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from utils.errors import UserError
from utils.records.result import LoggedResult
from utils.reporting.charts import drawing, means, plots
from utils.reporting.tables import build, select
from utils.tasks import TASKS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNPARSED = "(no label)"
CELL, LEAST_CELL, SMALL_CELL = 0.36, 0.22, 0.17  # inches: a cell of up to FEW labels, its least, and of more labels
FEW = 12
LABEL = 2.6  # inches: least width of the colour bar's label
LEAST = 3.5  # points: counts that would be smaller are left out
DIGIT = 0.64  # width of a digit in font sizes


@dataclass(frozen=True)
class Matrix:
    """Counts of gold label i predicted as j (labels, columns); the last column is for no label, where that occurs."""

    title: str
    labels: list[str]
    columns: list[str]
    counts: npt.NDArray[np.int64]
    about: str = ""  # below the title: model and k
    k: int = 1


def matrices_of(args: argparse.Namespace) -> list[Matrix]:
    """Return the matrices to draw, and set --dataset and --models to those found.

    Raises UserError where there are several data sets or models, or records without a confusion matrix.
    """
    results = plots.choose(args)
    args.dataset = [plots.one_dataset(results)]
    models = list(dict.fromkeys(result.model for result in results))
    if len(models) > 1:
        raise UserError(f"results of {len(models)} models: {', '.join(models)}", "choose one with --models")
    args.models = models
    without = [result for result in results if not _is_whole(result.body)]
    if without:
        raise UserError(
            f"{len(without)} of {len(results)} records have no confusion matrix, such as {without[0].path}",
            "run the script again with --overwrite; the original's own logs have none",
        )
    names = means.expected(args, args.dataset[0], results)
    (found,) = select.by_cell([result for result in results if result.subset in names]).values()
    build.name_missing([name for name in names if name not in found], len(names), f"{args.dataset[0]}, {models[0]}")
    single = bool(args.langs) and not args.pooled
    k = [f"k = {args.k}"] if TASKS[args.task].table_k is not None else []
    about = ", ".join([*drawing.short_names(models).values(), *k])
    parts = {name: [result] for name, result in found.items()} if single else {_joint(list(found)): [*found.values()]}
    return [_matrix(title, members, about, results[0].k) for title, members in parts.items()]


def _matrix(title: str, members: Sequence[LoggedResult], about: str, k: int) -> Matrix:
    """Return the sum of the members' matrices."""
    import numpy as np

    labels = list(dict.fromkeys(str(label) for result in members for label in result.body["labels"]))
    counts = np.zeros((len(labels), len(labels) + 1), dtype=np.int64)
    for result in members:
        own = [labels.index(str(label)) for label in result.body["labels"]]
        table = np.asarray(result.body["confusion"], dtype=np.int64)
        counts[np.ix_(own, [*own, len(labels)][: table.shape[1]])] += table
    has_none = bool(counts[:, -1].any())
    columns = labels + [UNPARSED] * has_none
    return Matrix(title, labels, columns, counts if has_none else counts[:, :-1], about, k)


def _joint(langs: Sequence[str]) -> str:
    return ", ".join(langs) if len(langs) <= 3 else f"{len(langs)} languages"


def _is_whole(body: object) -> bool:
    """Return whether a record has labels and a matrix of counts with one row per label and one or no column more."""
    labels, table = (body.get("labels"), body.get("confusion")) if isinstance(body, dict) else (None, None)
    if not isinstance(labels, list) or not isinstance(table, list) or not labels or len(table) != len(labels):
        return False
    widths = {len(row) if isinstance(row, list) else -1 for row in table}
    whole = all(isinstance(count, int) and count >= 0 for row in table if isinstance(row, list) for count in row)
    return whole and (widths == {len(labels)} or widths == {len(labels) + 1})


def draw(args: argparse.Namespace, matrices: Sequence[Matrix]) -> Figure:
    """Return the figure: the matrices side by side as far as they fit, one colour bar below."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    few = max(len(matrix.labels) for matrix in matrices) <= FEW
    size = drawing.SMALL if few else 6.0
    most = max(len(matrix.columns) for matrix in matrices)
    around = max(drawing.text_width(label, size) for matrix in matrices for label in matrix.columns) + 0.45
    narrow = (drawing.SINGLE - around) / most
    cell = min(CELL, narrow if narrow >= LEAST_CELL else CELL) if few else SMALL_CELL
    wide = most * cell + around
    n_columns = min(len(matrices), max(1, int((args.width or drawing.DOUBLE) / wide)))
    n_rows = math.ceil(len(matrices) / n_columns)
    width = args.width or max(drawing.SINGLE, n_columns * wide)
    titles = [_title(matrix, width / n_columns - 0.15) for matrix in matrices]
    high = most * cell + around + 0.12 + 0.15 * (max(title.count("\n") for title in titles) + 1)
    figure = drawing.new_figure(width, args.height or n_rows * high + 0.75 + (0.3 if args.title else 0))
    room = min(cell, (width / n_columns - around) / most)
    colours = ScalarMappable(Normalize(0, 100), drawing.ramp())
    panels = []
    for place, matrix in enumerate(matrices):
        panels.append(figure.add_subplot(n_rows, n_columns, place + 1))
        panels[-1].set_title(titles[place], fontsize=drawing.SIZE, loc="center")
        draw_matrix(panels[-1], matrix, size, room)
    bar = drawing.colour_bar(figure, colours, panels)
    about = "Share of the gold label's texts (%); in the cells: texts"
    bar.set_label(
        drawing.wrap_to(
            about, min(width - 0.3, max(n_columns * wide, min(width, LABEL + around)) - around), drawing.SIZE
        )
    )
    if not args.height:
        drawing.trim_top(figure, 0.3 if args.title else 0.0)
    return figure


def _title(matrix: Matrix, width: float) -> str:
    """Return the title of a panel: its languages, and below them model and k, in lines of at most `width` inches."""
    parts = (part for part in (matrix.title, matrix.about) if part)
    return "\n".join(drawing.wrap_to(part, width, drawing.SIZE) for part in parts)


def draw_matrix(axes: Axes, matrix: Matrix, size: float, room: float) -> None:
    """Draw rows of shares with the counts in the cells, of `room` inches each, where they are legible."""
    import numpy as np

    shares = 100 * matrix.counts / np.maximum(matrix.counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap=drawing.ramp(), vmin=0, vmax=100, aspect="equal")
    digits = len(str(matrix.counts.max()))
    points = min(size, 0.9 * room * 72 / (digits * DIGIT))
    if points >= LEAST:
        for row, column in np.argwhere(matrix.counts > 0):
            colour = drawing.ramp()(shares[row, column] / 100)
            drawing.write_in(axes, (column, row), str(matrix.counts[row, column]), points, colour)
    else:
        print("note: cells too small for counts; give more --width", file=sys.stderr)
    axes.set_xticks(range(len(matrix.columns)), matrix.columns, rotation=90, size=size)
    axes.set_yticks(range(len(matrix.labels)), matrix.labels, size=size)
    axes.set_xticks(np.arange(len(matrix.columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(matrix.labels) + 1) - 0.5, minor=True)
    axes.grid(visible=True, which="minor", color="#e5e5e5", linewidth=0.4)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("Predicted label")
    axes.set_ylabel("Gold label")
