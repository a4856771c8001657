"""layers.py on pairs of languages: the vectors of both sides at each layer."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from utils.cli.layers_run import VectorsRun, open_layers
from utils.layers.bitext import bitext_at

if TYPE_CHECKING:
    from utils.cli.models import Models
    from utils.data.subsets import BitextSubset
    from utils.schema import Vectors


class PairsRun(VectorsRun["BitextSubset"]):
    """Measures of parallel texts; `pairs` has the two languages of each subset."""

    headers = ("subset", "sources", "targets")
    pairs: Mapping[str, tuple[str, str]]

    def load(self, subset: str, *, validation: bool = False) -> BitextSubset:
        """Return a language pair, or its validation split."""
        from utils.data.bitext import load_bitext

        return load_bitext(self.run.dataset, *self.pairs[subset], self.run.sources, name=subset, validation=validation)

    def sizes(self, data: BitextSubset) -> Sequence[int]:
        """Return how many sources and targets are encoded."""
        return [len(texts) for texts in self.sides(data)]

    def sides(self, data: BitextSubset) -> tuple[Sequence[str], Sequence[str]]:
        """Return the texts of both sides; --limit cuts the sources, as in bitext.py."""
        return data.sources[: self.settings.limit], data.targets

    def describe(self, data: BitextSubset) -> dict[str, Any]:
        """Return the origin and the languages of a pair."""
        langs = {"src_lang": data.src_lang, "tgt_lang": data.tgt_lang, "setting": data.setting}
        return {"origin": vars(data.origin), **langs, "n_dropped": {"pairs": data.n_dropped}}


AnyPairs = TypeVar("AnyPairs", bound=PairsRun)


class BitextRun(PairsRun):
    """Bitext retrieval at each layer."""

    def figures(self, data: BitextSubset, vectors: tuple[Vectors, Vectors]) -> dict[str, Any]:
        """Return F1, accuracy and mean reciprocal rank of the sources' translations."""
        ensemble, n = self.run.ensemble, vectors[0].shape[0]
        return bitext_at(data, n, lambda k: ensemble.search([vectors], k), self.settings.seed)


def open_bitext(args: argparse.Namespace, models: Models) -> tuple[BitextRun, list[str]]:
    """Return the run of a command line on bitext retrieval, and its subsets."""
    return open_pairs(BitextRun, args, models)


def open_pairs(kind: type[AnyPairs], args: argparse.Namespace, models: Models) -> tuple[AnyPairs, list[str]]:
    """Return the run of a command line on parallel texts, and its subsets."""
    from utils.cli.data_choice import chosen_pairs
    from utils.data.bitext import bitext_subsets

    dataset = chosen_pairs(args)
    task = kind(*open_layers(args, dataset, models))
    task.pairs = bitext_subsets(dataset, args.src_lang, args.langs)
    return task, list(task.pairs)
