"""Write the figures and the page of projected texts, and print the shares of nearest neighbours."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from utils.data.points import FIELDS, Points
from utils.layers.projection import NAMES
from utils.reporting import figures
from utils.reporting.maps import scatter
from utils.reporting.maps.coloring import Coloring, chosen_fields, coloring
from utils.reporting.pages import html

GRID = 65_535  # steps of the page's coordinates: finer than a screen, and short as text
SHARES = {
    "class": "of the same class",
    "language": "in the same language",
    "sample": "translations of the text",
    "family": "of the same language family",
    "script": "in the same script",
}


def draw_all(
    stem: Path,
    points: Points,
    xy: npt.NDArray[np.float32],
    record: Mapping[str, Any],
    args: argparse.Namespace,
    title: str,
    pivot: str | None,
    note: Callable[[str], object],
) -> None:
    """Write `<stem>_<color>.<format>` per colouring and `<stem>.html`, and print their paths and the shares."""
    fields = chosen_fields(points, args.color)
    if args.color is None and points.missing("sample"):
        note(f"not coloured by sample: {points.missing('sample')}")
    method, axes = NAMES[args.method], axis_names(args.method, record)
    every = {
        field: coloring(points, field, args.num_color, args.seed, pivot)
        for field in FIELDS
        if not points.missing(field)
    }
    for field in fields:
        colors = every[field]
        with figures.drawing([title, *colors.shown[: colors.n_colored], *colors.groups]):
            heading = f"{title}: {method} by {field}"
            figure = scatter.draw(xy, colors, heading, axes, field == "sample", args.seed)
            figures.save(figure, stem.with_name(f"{stem.name}_{field}"), args.format)
    data = page_data(points, xy, list(every.values()), fields, record)
    html.write_page(
        stem.with_name(f"{stem.name}.html"), "visualize", f"{title}: {method}", {**data, "title": title, "axes": axes}
    )
    print(shares_table(record["nearest"], len(xy), record["dimensions"]))
    print(f"figures: {stem}_{figures.braces(fields)}.{figures.braces(args.format)}")
    print(f"page: {stem}.html")


def axis_names(method: str, record: Mapping[str, Any]) -> list[str]:
    """Return the labels of the axes, of PCA with the shares of the variance."""
    if method != "pca":
        return [f"{NAMES[method]} {axis}" for axis in (1, 2)]
    shares = [*record["explained_variance"], 0.0]
    return [f"component {axis} ({100 * share:.1f} % of the variance)" for axis, share in enumerate(shares[:2], start=1)]


def shares_table(nearest: Mapping[str, Any], n: int, dimensions: int) -> str:
    """Return the shares of neighbours as a table of percentages, with the shares expected by chance."""
    from tabulate import tabulate

    rows = [
        [SHARES[name], 100 * shares["share"], 100 * shares["chance"], shares["n"]]
        for name, shares in nearest.items()
        if name in SHARES
    ]
    what = f"of the {nearest['k']} nearest of {n:,} texts (cosine, {dimensions:,} dimensions), %"
    return tabulate(rows, [what, "share", "by chance", "texts"], floatfmt=("", ".2f", ".2f", "d"))


def page_data(
    points: Points, xy: npt.NDArray[np.float32], every: list[Coloring], drawn: list[str], record: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the data of the page: coordinates as whole numbers, and the colourings.

    The reader can choose the fields that are `drawn`, the first of them initially, and those with several values.
    """
    low, high = xy.min(axis=0), xy.max(axis=0)
    scale = float(max((high - low).max(), 1e-30))
    grid = np.rint((xy - low) / scale * GRID).astype(int)
    return {
        "x": grid[:, 0].tolist(),
        "y": grid[:, 1].tolist(),
        "texts": [text.encode("utf-8", "replace").decode() for text in points.texts],
        "fields": [_field(colors) for colors in every],
        "first": drawn[0],
        "offered": [colors.field for colors in every if len(colors.names) > 1 or colors.field in drawn],
        "nearest": [{"what": SHARES[name], **shares} for name, shares in record["nearest"].items() if name in SHARES],
        "k": record["nearest"]["k"],
    }


def _field(colors: Coloring) -> dict[str, Any]:
    return {
        "key": colors.field,
        "codes": list(colors.codes),
        "names": list(colors.names),
        "shown": list(colors.shown),
        "groups": list(colors.groups),
        "colours": [style.colour for style in colors.styles],
        "markers": [style.marker for style in colors.styles],
        "counts": list(colors.counts),
        "colored": colors.n_colored,
    }
