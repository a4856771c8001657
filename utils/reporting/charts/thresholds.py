"""Draw what thresholds do in a mining: precision, recall and F1 of pairs, and the distribution of cosines."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from utils.reporting.figures import drawing, new_figure, save

if TYPE_CHECKING:
    from utils.mining.gold import GoldReport
    from utils.mining.pairs import MinedRows

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
        return save(figure, output.with_name(f"{output.name}.gold"))


def draw_scores(mined: MinedRows, output: Path) -> list[Path]:
    """Write the histogram of cosines beside the output as PNG and PDF; lines mark the bounds of the rules."""
    rows = mined.scores.rows()[::-1]
    edges = [row["cosine"] for row in rows]
    width = edges[1] - edges[0] if len(edges) > 1 else 0.01
    with drawing():
        figure = new_figure(WIDTH, HEIGHT)
        axes = figure.add_subplot()
        axes.bar(edges, [row["neighbours"] for row in rows], width=width, align="edge", label="neighbours")
        if rows[0]["kept_mates"]:
            above = [*(row["kept_mates"] for row in rows), 0]
            mates = [one - other for one, other in pairwise(above)]
            axes.step([*edges, edges[-1] + width], [*mates, mates[-1]], where="post", color="C1", label="of a group")
            axes.legend()
        for bound, style in ((mined.bounds.pos_min, "--"), (mined.bounds.neg_max, ":")):
            if bound is not None:
                axes.axvline(bound, color="0.4", linewidth=0.8, linestyle=style)
        axes.set_xlabel("cosine")
        axes.set_ylabel("pairs of texts")
        return save(figure, output.with_name(f"{output.name}.histogram"))
