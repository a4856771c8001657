"""layers.py on the texts of all languages together: what languages and classes explain, and projections to a plane."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cli.layers_run import VectorsRun, open_layers
from utils.constants import MAX_POINTS
from utils.data.points import Points, load_blocks, to_points
from utils.errors import UserError, limited, note
from utils.evaluation.alignment import unit
from utils.layers.projection import project
from utils.layers.separation import separation_at

if TYPE_CHECKING:
    from utils.cli.models import Models
    from utils.schema import DatasetSpec, Rows, Vectors

ALL = "all"  # the subset of all languages of a data set
NAMED = 4  # languages that a subset's name has; of more it counts them
FEWEST = 4  # texts of a projection
DIGITS = 4  # of coordinates, as significant as a picture shows them


class LabeledRun(VectorsRun[Points]):
    """Shares of the variance, probes and projections of the texts of some languages, which are one subset."""

    headers = ("languages", "texts")
    langs: Sequence[str] | None = None
    src_lang: str | None = None

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._told: set[str] = set()
        self._points: Points | None = None
        self._xy: list[dict[str, list[list[float]]]] = []

    def load(self, subset: str, *, validation: bool = False) -> Points:
        """Return the test texts, of each language up to --limit of them, translations together."""
        if self._points is None:
            settings, run = self.settings, self.run
            blocks = load_blocks(run.dataset, run.sources, self.langs, self.src_lang, "test")
            self._points = to_points(blocks, settings.limit, MAX_POINTS, settings.seed, note, "at most")
            if len(set(self._points.langs)) < 2:
                raise UserError(f"{run.dataset.name}: one language", "name two or more: --langs")
            if len(self._points.texts) < FEWEST:
                most = max(len(block.texts) for block in blocks)
                hint = limited(f"it takes {FEWEST} or more", settings.limit, most)
                raise UserError(f"{run.dataset.name} has {len(self._points.texts)} texts", hint)
        return self._points

    def sizes(self, data: Points) -> Sequence[int]:
        """Return the number of texts."""
        return [len(data.texts)]

    def sides(self, data: Points) -> tuple[Sequence[str], Sequence[str]]:
        """Return the texts, which all are encoded as queries."""
        return data.texts, ()

    def figures(self, data: Points, vectors: tuple[Vectors, Vectors]) -> dict[str, Any]:
        """Return the shares and the accuracies of probes at one layer, and keep the projections of its texts."""
        rows: Rows = unit(np.asarray(vectors[0])).astype(np.float32)
        own = [sample or f"{place} alone" for place, sample in enumerate(data.samples)]
        row: dict[str, Any] = {**separation_at(rows, data.columns(), own, self.settings.seed)}
        if (rows == rows[0]).all():
            self._xy.append({})
            return row
        methods = ("pca", *(["tsne"] if self.settings.tsne else []))
        found = {name: project(rows, name, self.settings.seed, note=self._note_once) for name in methods}
        shares = found["pca"].about["explained_variance"]
        row |= {f"component_{place}": share for place, share in enumerate(shares, start=1)}
        self._xy.append({name: np.round(one.xy, DIGITS).astype(float).tolist() for name, one in found.items()})
        return row

    def _note_once(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            note(message)

    def beside(self) -> dict[str, Any]:
        """Return the coordinates of the texts by row and method, and what the texts are."""
        assert self._points is not None
        points, kept, self._xy = self._points, self._xy, []
        about = {"langs": points.langs, "labels": points.labels, "samples": points.samples}
        return {"points": {name: list(values) for name, values in about.items()}, "rows": kept}

    def describe(self, data: Points) -> dict[str, Any]:
        """Return the languages of the texts, and whether some are translations of others."""
        return {"langs": list(dict.fromkeys(data.langs)), "not_parallel": data.not_parallel}


def open_labels(args: argparse.Namespace, models: Models) -> tuple[LabeledRun, list[str]]:
    """Return the run of a command line on the texts of all languages, and its one subset."""
    from utils.cli.data_choice import chosen_dataset

    dataset = chosen_dataset(argparse.Namespace(**{**vars(args), "task": None}))
    task = LabeledRun(*open_layers(args, dataset, models))
    task.langs, task.src_lang = args.langs, args.src_lang
    return task, [subset_name(dataset, args.langs, args.src_lang)]


def subset_name(dataset: DatasetSpec, langs: Sequence[str] | None, src_lang: str | None) -> str:
    """Return the name of the texts of some languages: the languages, or of more than four their number and a digest."""
    from_one = f"from_{src_lang}" if src_lang else ""
    if langs is None or set(langs) == set(dataset.subsets):
        return "_".join(filter(None, [ALL, from_one]))
    chosen = sorted(set(langs))
    digest = hashlib.sha256(" ".join(chosen).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    name = "-".join(chosen) if len(chosen) <= NAMED else f"{len(chosen)}_languages_{digest}"
    return "_".join(filter(None, [name, from_one]))
