"""Draw the learning curve of a training: the loss, and the validation figures beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from utils.reporting.figures import drawing, new_figure, save

WIDTH, HEIGHT = 4.8, 3.2  # inches
LOSSES = {"loss": "training loss", "eval_loss": "validation loss"}
OF_VALIDATION = "eval_"


def draw_curve(points: Sequence[Mapping[str, float]], folder: Path) -> list[Path]:
    """Write curve.png and curve.pdf into a folder and return their paths; losses left, other figures right."""
    names = dict.fromkeys(name for point in points for name in point)
    others = [name for name in names if name.startswith(OF_VALIDATION) and name not in LOSSES]
    with drawing():
        figure = new_figure(WIDTH, HEIGHT)
        axes = figure.add_subplot()
        for name, label in LOSSES.items():
            _line(axes, points, name, label, {})
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        right = axes.twinx() if others else None
        for number, name in enumerate(others, start=2):
            _line(right, points, name, name.removeprefix(OF_VALIDATION).replace("_", " "), {"color": f"C{number}"})
        lines = [line for part in (axes, right) if part is not None for line in part.get_lines()]
        axes.legend(lines, [str(line.get_label()) for line in lines])
        return save(figure, folder / "curve")


def _line(axes: object, points: Sequence[Mapping[str, float]], name: str, label: str, style: Mapping[str, str]) -> None:
    known = [(point["step"], point[name]) for point in points if name in point]
    if known:
        marker = "." if len(known) < 30 else ""
        axes.plot(*zip(*known, strict=True), label=label, marker=marker, **style)  # type: ignore[attr-defined]
