"""The learning curve as a table: one line for each time that the trainer logged something."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.files import write_output

FILE = "curve.csv"
FIRST = ("step", "epoch", "loss", "learning_rate", "grad_norm")
LEFT_OUT = ("_runtime", "_per_second", "total_flos", "train_loss")  # ends of names that say nothing of the learning


def curve_of(history: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """Return the points of the curve, in the order of the steps; what was logged at one step is one point."""
    points: dict[int, dict[str, float]] = {}
    for logged in history:
        point = points.setdefault(logged["step"], {})
        point |= {name: value for name, value in logged.items() if not name.endswith(LEFT_OUT)}
    return [points[step] for step in sorted(points)]


def write_curve(history: Sequence[Mapping[str, Any]], folder: Path) -> list[dict[str, float]]:
    """Write the curve as CSV into a folder, and return its points."""
    points = curve_of(history)
    names = [*FIRST, *sorted({name for point in points for name in point} - set(FIRST))]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(points)
    write_output(folder / FILE, text.getvalue().encode())
    return points
