"""Draw precision, recall and F1 of mined pairs against the threshold of their score."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from utils.reporting.figures import drawing, new_figure, save

if TYPE_CHECKING:
    from utils.mining.gold import GoldReport

WIDTH, HEIGHT = 4.8, 3.2  # inches
MEASURES = {"precision": "precision", "recall": "recall", "f1": "F1"}


def draw_thresholds(report: GoldReport, output: Path) -> list[Path]:
    """Write the curve beside the output as PNG and PDF, and return the paths; a line marks the best threshold."""
    with drawing():
        figure = new_figure(WIDTH, HEIGHT)
        axes = figure.add_subplot()
        thresholds = [one.threshold for one in report.curve]
        for name, label in MEASURES.items():
            axes.plot(thresholds, [getattr(one, name) for one in report.curve], label=label)
        axes.axvline(report.best.threshold, color="0.6", linewidth=0.8, linestyle="--")
        axes.set_xlabel(f"threshold (best F1 {report.best.f1:.2f} at {report.best.threshold:.4f})")
        axes.set_ylabel("%")
        axes.set_ylim(0, 101)
        axes.legend()
        return save(figure, output.with_name(f"{output.stem}.gold"))
