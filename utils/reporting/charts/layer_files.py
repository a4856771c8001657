"""The figures of records of layers: curves of one model or two, and pictures of the texts at some layers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.data.points import Points
from utils.errors import warn
from utils.files import read_json
from utils.layers.measures import Measure
from utils.layers.projection import NAMES
from utils.layers.rows import Row
from utils.records.paths import predictions_path
from utils.records.rows import languages_of
from utils.reporting import figures
from utils.reporting.charts import drawing, layers
from utils.reporting.maps import panels
from utils.reporting.maps.coloring import coloring

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from utils.records.result import LoggedResult

FORMATS = ("png", "pdf")  # of the figures beside records
COLOURS = ("language", "class", "family")  # fields that pictures are coloured by


def curves_of(results: Sequence[LoggedResult]) -> layers.Curves:
    """Return the curves of one model's records."""
    rows = {result.subset: result.body["rows"] for result in results}
    return layers.Curves(
        results[0].model, rows, {result.subset: str(languages_of(result)["lang"]) for result in results}
    )


@dataclass(frozen=True)
class Texts:
    """The texts of a record, and their coordinates (n, 2) at each layer and pooling, by method."""

    title: str
    points: Points
    headings: Sequence[str]
    xy: Mapping[str, Sequence[Sequence[Sequence[float]]]]

    @property
    def colours(self) -> list[str]:
        """The fields that the texts can be coloured by."""
        columns = self.points.columns()
        return [name for name in COLOURS if None not in columns[name] and len(set(columns[name])) > 1]


def write_figures(measure: Measure, models: Sequence[Sequence[LoggedResult]], stem: Path, seed: int) -> None:
    """Write the curves of one model, or of two and their difference, as `<stem>.png` and `.pdf`, and print the paths.

    Records that have coordinates of texts also give pictures for each method and colour.
    """
    curves = [curves_of(results) for results in models]
    with figures.drawing(texts_of(curves)), drawing.paper():
        written = figures.save(layers.draw(measure, curves), stem, FORMATS, tight=False)
    for result in (result for results in models for result in results):
        if (texts := read_texts(result)) is not None:
            for method in texts.xy:
                for field in texts.colours:
                    path = result.path.with_name(f"{result.path.stem}_{method}_{field}")
                    with figures.drawing([texts.title, *map(str, texts.points.columns()[field])]):
                        written += figures.save(draw_texts(texts, method, field, seed), path, FORMATS)
    print(f"figures: {_named(path for path in written if path.suffix == '.png')} (and .pdf)")


def _named(paths: Iterable[Path]) -> str:
    """Return paths with each folder named once, in the brace notation of shells."""
    stems: dict[Path, list[str]] = {}
    for path in paths:
        stems.setdefault(path.parent, []).append(path.stem)
    return ", ".join(f"{folder / figures.braces(names)}.png" for folder, names in stems.items())


def texts_of(curves: Sequence[layers.Curves]) -> list[str]:
    """Return the names that a figure of curves has, for the choice of fonts."""
    return [name for each in curves for name in (each.model, *each.langs.values())]


def draw_texts(texts: Texts, method: str, field: str, seed: int) -> Figure:
    """Return pictures of the texts at up to twelve layers and poolings, coloured by a field."""
    colors = coloring(texts.points, field, None, seed)
    kept = panels.evenly(range(len(texts.headings)))
    shown = {texts.headings[place]: np.asarray(texts.xy[method][place], dtype=np.float32) for place in kept}
    return panels.draw(shown, colors, f"{texts.title}: {NAMES[method]} by {field}", seed)


def read_texts(result: LoggedResult) -> Texts | None:
    """Return the coordinates that a record has beside it; None where it has none, or they are damaged."""
    path = predictions_path(result.path)
    content = (read_json(path) if path.is_file() else None) or {}
    about = content.get("points")
    if not isinstance(about, dict):
        return None
    try:
        n = len(about["langs"])
        points = Points(("",) * n, tuple(about["langs"]), tuple(about["labels"]), tuple(about["samples"]), "")
        of_rows = content["rows"]
        xy = {method: [row[method] for row in of_rows] for method in of_rows[0]}
        whole = all(np.shape(one) == (n, 2) for each in xy.values() for one in each)
    except (KeyError, IndexError, TypeError, ValueError):
        whole = False
    if not whole or len(of_rows) != len(result.body["rows"]):
        warn(f"{path} is broken, and the texts are not drawn: run it with --overwrite")
        return None
    poolings = {row["pooling"] for row in result.body["rows"]}
    headings = [f"layer {row['layer']}" + _of_pooling(row, poolings) for row in result.body["rows"]]
    return Texts(f"{result.dataset}, {result.model}", points, headings, xy)


def _of_pooling(row: Row, poolings: Collection[str | None]) -> str:
    return f", {row['pooling']}" if len(poolings) > 1 else ""
