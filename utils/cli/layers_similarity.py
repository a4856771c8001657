"""layers.py on the likeness of languages to a pivot: the figures of each pair, and the values of its sentences."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cli.layers_pairs import PairsRun, open_pairs
from utils.cli.layers_ranking import read_against, report_ranking
from utils.errors import UserError, counted, limited
from utils.layers.ranking import FEWEST as LANGUAGES
from utils.layers.rows import ITEMS
from utils.layers.similarity import FEWEST, similarity_at

if TYPE_CHECKING:
    import argparse

    from utils.cli.layers_run import Measured
    from utils.cli.models import Models
    from utils.data.subsets import BitextSubset
    from utils.layers.against import Numbers
    from utils.schema import Vectors

DIGITS = 6  # of the values of sentences, beside the records


class SimilarityRun(PairsRun):
    """Likeness of parallel sentences at each layer; `against` has the numbers that a ranking is compared with."""

    against: Numbers | None = None

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._values: list[dict[str, list[float]]] = []
        self._sentences = ""

    def sides(self, data: BitextSubset) -> tuple[Sequence[str], Sequence[str]]:
        """Return the first sources, as many as --limit says, and the translation of each. Raises UserError for one."""
        kept = data.gold[: self.settings.limit]
        if len(kept) < FEWEST:
            hint = limited("unrelated sentences take two pairs", self.settings.limit, len(data.gold))
            raise UserError(f"{data.name} has {counted(len(kept), 'pair')}", hint)
        return data.sources[: self.settings.limit], [data.targets[place] for place in kept]

    def figures(self, data: BitextSubset, vectors: tuple[Vectors, Vectors]) -> dict[str, Any]:
        """Return the figures of likeness, and keep the values of the sentences."""
        first, second = (np.asarray(side) for side in vectors)
        found = similarity_at(first, second, self.settings.seed, self.run.device)
        self._values.append({name: np.round(values, DIGITS).tolist() for name, values in found.items.items()})
        self._sentences = hashlib.sha256("\0".join(self.sides(data)[0]).encode("utf-8", "surrogatepass")).hexdigest()
        return {**found.row, ITEMS: found.items[self.measure.metric]}

    def report(self, measured: Measured) -> None:
        """Print the ranking of the languages, and write that at each layer."""
        report_ranking(self.run, measured, self.pairs, self.against)

    def beside(self) -> dict[str, Any]:
        """Return the values of each sentence by row and figure, and a digest of the pivot's sentences."""
        kept, self._values = self._values, []
        return {"sentences": self._sentences, "rows": kept}


def open_similarity(args: argparse.Namespace, models: Models) -> tuple[SimilarityRun, list[str]]:
    """Return the run of a command line on the likeness of languages, and its subsets."""
    against = read_against(args)
    task, subsets = open_pairs(SimilarityRun, args, models)
    if against and len(subsets) < LANGUAGES:
        raise UserError(f"--against with {counted(len(subsets), 'language')}", f"a correlation takes {LANGUAGES}")
    task.against = against
    return task, subsets
