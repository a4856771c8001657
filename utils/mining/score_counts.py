"""The distribution of the cosines of neighbours: its histogram, its percentiles, and what thresholds would keep."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from utils.mining.ranking import Ranked

    Counts = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.floating[Any]]

BINS = 20_000  # from -1 to 1; a percentile is rounded to their width of 0.0001
STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)  # widths of the rows that are shown
ROUNDING = 1e-3  # of a bin: what float32 lacks of a number at its lower end
MOST_ROWS, BAR = 20, 24  # rows that are shown, and characters of the longest bar


def _nothing() -> Counts:
    return np.zeros(BINS + 1, dtype=np.int64)


@dataclass
class ScoreCounts:
    """How many cosines are in each bin: those of all neighbours, of the nearest of each text, and of its mates."""

    neighbours: Counts = field(default_factory=_nothing)
    nearest: Counts = field(default_factory=_nothing)
    mates: Counts = field(default_factory=_nothing)

    def add(self, some: Ranked, mates: Floats) -> None:
        """Count the neighbours of some texts, and the cosines of their mates (s,)."""
        self.neighbours += _counted(some.scores[some.indices >= 0])
        self.nearest += _counted(some.scores[:, 0][some.indices[:, 0] >= 0])
        self.mates += _counted(mates)

    def percentile(self, percent: float, *, upper: bool = False) -> float:
        """Return a cosine at most `percent` % of the neighbours are below; `upper`: at least as many are not above."""
        below = np.cumsum(self.neighbours)
        at = int(np.searchsorted(below, below[-1] * percent / 100))
        return round((min(at, BINS) + upper) * 2 / BINS - 1, 4)

    def rows(self) -> list[dict[str, float]]:
        """Return the histogram, the highest cosines first.

        Each row has its least cosine, its neighbours, and what a threshold there would keep: pairs, the texts with at
        least one, the pairs of a text and a mate, and the percentile.
        """
        used = np.flatnonzero(self.neighbours + self.mates)
        if not len(used):
            return []
        widths = [round(step * BINS / 2) for step in STEPS]
        width = next((one for one in widths if used[-1] // one - used[0] // one < MOST_ROWS), widths[-1])
        edges = np.arange(used[0] // width, used[-1] // width + 1) * width
        above = [np.append(np.cumsum(each[::-1])[::-1], 0) for each in (self.neighbours, self.nearest, self.mates)]
        total = max(int(above[0][0]), 1)
        return [
            {
                "cosine": round(edge * 2 / BINS - 1, 4),
                "neighbours": int(above[0][edge] - above[0][min(edge + width, BINS + 1)]),
                "kept_pairs": int(above[0][edge]),
                "kept_texts": int(above[1][edge]),
                "kept_mates": int(above[2][edge]),
                "percentile": round(100 * (1 - int(above[0][edge]) / total), 3),
            }
            for edge in edges[::-1].tolist()
        ]

    def table(self, *, mates: bool) -> str:
        """Return the histogram as text, with a bar for the neighbours of each row; `mates` adds their column."""
        from tabulate import tabulate

        rows = self.rows()
        longest = max((row["neighbours"] for row in rows), default=0) or 1
        headers = ["cosine", "neighbours", "", "pairs kept", "texts with one", "percentile"]
        cells = [
            [
                row["cosine"],
                row["neighbours"],
                "#" * round(BAR * row["neighbours"] / longest),
                row["kept_pairs"],
                row["kept_texts"],
                row["percentile"],
                *([row["kept_mates"]] if mates else []),
            ]
            for row in rows
        ]
        formats = (".3f", ",", "", ",", ",", ".2f", ",")
        shown = [*headers, *(["of a group"] if mates else [])]
        return tabulate(cells, shown, floatfmt=formats[: len(shown)], intfmt=formats[: len(shown)])


def _counted(scores: Floats) -> Counts:
    """Return the numbers of scores in each bin; what rounding put beyond 1 is in the last."""
    bins = np.floor((scores.astype(np.float64) + 1) * (BINS / 2) + ROUNDING).astype(np.int64)
    return np.bincount(np.clip(bins, 0, BINS), minlength=BINS + 1)
