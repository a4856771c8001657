"""Retrieval over rows of a query, its positives and its negatives, as a task on a run."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.pair_benchmark import PairBenchmark
from utils.cli.retrieval_task import Retrieval
from utils.cli.task_run import Ranked
from utils.data.pair_rows import read_pair_rows

if TYPE_CHECKING:
    from utils.cli.run import Run
    from utils.cli.task_run import Found
    from utils.data.pair_rows import PairRow
    from utils.data.subsets import Judged
    from utils.progress import Clock
    from utils.schema import RunRecord
    from utils.settings.retrieval import RetrievalSettings

    Scored = tuple[RunRecord, dict[str, Any]]


class PairRetrieval(Retrieval):
    """Retrieval over rows of a query, its positives and its negatives, with llama2-embedding's measures as well."""

    def __init__(self, run: Run, settings: RetrievalSettings, files: dict[str, Path]) -> None:
        super().__init__(run, settings, files)
        self.figures: dict[str, tuple[dict[str, float], dict[str, tuple[float, float]]]] = {}
        self._benchmark: PairBenchmark | None = None

    @functools.cached_property
    def rows(self) -> list[PairRow]:
        """The rows of the file."""
        return read_pair_rows(Path(self.run.dataset.options["path"]))

    def benchmark(self, data: Judged) -> PairBenchmark:
        """Return the benchmark of a subset, which is made once."""
        if self._benchmark is None or self._benchmark.data is not data:
            self._benchmark = PairBenchmark(data, self.rows)
        return self._benchmark

    def sides(self, data: Judged) -> tuple[Sequence[str], Sequence[str]]:
        """Return the questions with all positives, which query too, and all texts."""
        return self.benchmark(data).sides

    def n_candidates(self, data: Judged) -> int:
        """Return the number of passages without a question's own text."""
        return self.benchmark(data).n_candidates

    def rank(self, data: Judged, k: int, clock: Clock) -> Ranked:
        """Return the rankings of the questions, and keep the figures of the pairs."""
        if self.files:
            return super().rank(data, k, clock)
        ensemble, pairs, members = self.run.ensemble, self.benchmark(data), self.embed(data)
        k = self.deepest(k, self.n_candidates(data))
        clock.lap("encode")
        several = zip(ensemble.names, members, strict=True) if len(members) > 1 else ()
        alone = {name: {"forward": pairs.ranked(ensemble, [member], k)} for name, member in several}
        found = {"forward": pairs.ranked(ensemble, members, k)}
        self.figures[data.name] = pairs.figures(ensemble, members, self.settings.seed)
        clock.lap("retrieve")
        return Ranked(found, alone, self.run.size_of_vectors(members))

    def score_all(self, data: Judged, found: Found, alone: Mapping[str, Found], k: int) -> Scored:
        """Return the record at k with the figures of the pairs, and the predictions."""
        record, predictions = super().score_all(data, found, alone, k)
        metrics, ci95 = self.figures.get(data.name, ({}, {}))
        if self.run.reranking:  # these are measures of the vectors, which the reranker does not change
            metrics, ci95 = {f"before_{name}": value for name, value in metrics.items()}, {}
        both = {**record.metrics, **metrics}
        return dataclasses.replace(record, metrics=both, ci95={**record.ci95, **ci95}), predictions
