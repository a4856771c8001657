"""The state of one run: its data set, encoders, generator, settings and records."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from utils.cli.cut_texts import cut_lines
from utils.constants import DENSE
from utils.data.mteb_rows import KIND, about_task
from utils.encoders.reduced import bytes_of_vector
from utils.progress import part_of_run, subsets_of
from utils.records.bounds import bounds_of, mean_bounds
from utils.records.provenance import environment, utc_now
from utils.retrieval.fusion import tune
from utils.tasks import TASKS

if TYPE_CHECKING:
    from utils.cli.ks import Ks
    from utils.cli.reranking import Reranking
    from utils.data.sources import Sources
    from utils.protocols import Encoder, Generator, Reranker, UsageCounter
    from utils.records.record_store import RecordStore
    from utils.retrieval.ensemble import Ensemble, Members
    from utils.schema import DatasetSpec, RunRecord


@dataclass
class Run:
    """One run of a script on a data set.

    ensemble: the encoders; none where nothing is encoded.
    metric: the metric that is printed, and by which weights are tuned.
    arguments: the arguments, as records show them.
    langs: the languages that were asked for, None for all.
    beside: other generators that have a part in the figures, by what they do.
    tuned: the weights chosen on validation data and the grid, once they are chosen.
    counts: what each encoder counted, by the subsets that were computed.
    """

    dataset: DatasetSpec
    sources: Sources
    ensemble: Ensemble
    store: RecordStore
    ks: Ks
    metric: str
    arguments: Mapping[str, Any]
    langs: Sequence[str] | None = None
    dry_run: bool = False
    tunes_weights: bool = False
    generator: Generator | None = None
    reranking: Reranking | None = None
    beside: Mapping[str, Generator] = field(default_factory=dict)
    tuned: dict[str, Any] | None = None
    started: str = field(default_factory=utc_now)
    counts: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)

    @property
    def device(self) -> str:
        """The device that encodes and searches."""
        return self.ensemble.device

    @property
    def model(self) -> str:
        """The name of the encoder or ensemble."""
        return self.store.identity.model

    def size_of_vectors(self, members: Members) -> dict[str, int]:
        """Return how many dimensions the vectors of all encoders have, and of dense ones how many bytes they take."""
        sizes = [int(queries.shape[1]) for queries, _ in members]
        specs = [encoder.spec for encoder in self.ensemble.encoders]
        found = {"dimensions": sum(sizes)}
        if all(spec.kind == DENSE for spec in specs):
            each = zip(sizes, specs, strict=True)
            found["vector_bytes"] = sum(bytes_of_vector(size, spec.embedding_precision) for size, spec in each)
        return found

    def tune(self, evaluate: Callable[[Ensemble], float]) -> None:
        """Choose the weights by a score on validation data, or take those that an earlier run chose; log the grid."""
        identity = json.loads(json.dumps({**self.store.identity.of(""), "langs": self.langs}))
        there = self.store.read_tuned(identity)
        if there is None:
            n_members = len(self.ensemble.encoders)
            weights, grid = tune(n_members, lambda weights: evaluate(self.ensemble.with_weights(weights)))
            there = {"weights": list(weights), "grid": grid}
            if not self.dry_run:
                self.store.write_tuned(weights, grid, identity)
        self.ensemble = self.ensemble.with_weights(there["weights"])
        self.store.tuned_weights = list(there["weights"])
        self.tuned = {"split": "validation", "weights": there["weights"], "grid": there["grid"]}
        print(f"weights chosen on the validation split: {' '.join(map(str, there['weights']))}")

    def run_subsets(self, names: Sequence[str], evaluate: Callable[[str], None]) -> None:
        """Evaluate the subsets that have a record missing, with a progress bar."""
        todo = [name for name in names if self.store.missing(name, self.ks.values)]
        if ready := len(names) - len(todo):
            print(f"{ready} of {len(names)} subsets are already logged (--overwrite computes them again)")
        try:
            with subsets_of(self.dataset.name, todo) as unfinished:
                for name in unfinished:
                    for _, client in self._clients():
                        client.mark()
                    for generator in self._generators():
                        generator.mark()
                    with part_of_run(name):
                        evaluate(name)
        finally:
            for line in (*self.ks.notes(), *cut_lines(self.counts)):
                print(line, file=sys.stderr)

    def figures(self, names: Iterable[str]) -> dict[str, dict[int, dict[str, float]]]:
        """Return the metrics of every subset and k that has a record with the main metric, as fractions."""
        found: dict[str, dict[int, dict[str, float]]] = {}
        for name in names:
            for k in self.ks.values:
                metrics = self.store.metrics(name, k)
                if self.metric in metrics:
                    found.setdefault(name, {})[k] = metrics
        return found

    def log(
        self,
        subset: str,
        record: RunRecord,
        predictions: Mapping[str, Any],
        about: Mapping[str, Any],
        seconds: Mapping[str, float],
        prompts: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a record with its provenance and what the task says about its data."""
        self.counts[subset] = {encoder.spec.name: dict(encoder.counts) for encoder in self.ensemble.encoders}
        run = {**self.provenance(subset, seconds), **about}
        self.store.write(subset, dataclasses.replace(record, run=run), predictions, prompts)

    def provenance(self, subset: str, seconds: Mapping[str, float]) -> dict[str, Any]:
        """Return the `run` part of a record: its identity, and everything else that is needed to reproduce it."""
        clients = self._clients()
        return {
            **self.store.identity.of(subset),
            "device": self.device,
            **({"tuned": self.tuned} if self.tuned else {}),
            **({"mteb": about_task(self.dataset, subset)} if self.dataset.kind == KIND else {}),
            **({"languages": languages} if (languages := languages_of(self.dataset)) else {}),
            "args": dict(self.arguments),
            **environment(),
            "started": self.started,
            "seconds": dict(seconds),
            "cache": self._cache_counts(),
            **({"api": {name: client.usage() for name, client in clients}} if clients else {}),
        }

    def _cache_counts(self) -> dict[str, dict[str, int]]:
        """Return the counts of each model's cache by its name; those of models that share a name are added."""
        counts: dict[str, dict[str, int]] = {}
        for part in self._models():
            known = counts.setdefault(part.spec.name, {})
            known.update({name: known.get(name, 0) + n for name, n in part.counts.items()})
        return counts

    def _generators(self) -> list[Generator]:
        """Return the generator and the models beside it, each once."""
        found = [*([self.generator] if self.generator else []), *self.beside.values()]
        return list({id(model): model for model in found}.values())

    def _clients(self) -> list[tuple[str, UsageCounter]]:
        """Return the clients of the APIs, by the models' names."""
        return [(model.spec.name, model.client) for model in self._models() if model.client is not None]

    def _models(self) -> list[Encoder | Generator | Reranker]:
        """Return the encoders, the generators and the reranker, each once."""
        reranker = [self.reranking.reranker] if self.reranking else []
        return [*self.ensemble.encoders, *reranker, *self._generators()]


def languages_of(dataset: DatasetSpec) -> list[str]:
    """Return all languages of a user's own data, whichever are evaluated; empty where they are not known.

    They are those of a language column or of a folder of aligned files.
    """
    if dataset.kind != "local":
        return []
    if dataset.task == "bitext":
        return list(dataset.options.get("paths", ()))
    return list(dataset.subsets) if "lang" in dataset.options else []


@contextlib.contextmanager
def scores_printed(runs: Sequence[Run], names: Sequence[str]) -> Iterator[None]:
    """Print the scores of the subsets at the end; before an error, those of the subsets that are finished.

    The runs, which may be added within, differ in their ks alone. A dry run prints no scores.
    """
    try:
        yield
    except Exception:
        done = [name for name in names if any(run.figures([name]) for run in runs if not run.dry_run)]
        if done:
            with contextlib.suppress(Exception):  # the error that ended the run is the one to be told
                print_scores(runs, done)
                print(f"not finished: the table has {len(done)} of {len(names)} subsets")
        raise
    if not any(run.dry_run for run in runs):
        print_scores(runs, names)


def print_scores(runs: Sequence[Run], names: Sequence[str]) -> None:
    """Print the main metric of every subset and k as percentages, their means, their bounds, and where records are.

    The runs differ in their ks alone.
    """
    from tabulate import tabulate

    first, *_ = runs
    found: dict[str, dict[int, dict[str, float]]] = {}
    for run in runs:
        for name, by_k in run.figures(names).items():
            found.setdefault(name, {}).update(by_k)
    ks = sorted({k for by_k in found.values() for k in by_k})
    rows: list[list[Any]] = [
        [name, *(100 * by_k[k][first.metric] if k in by_k else None for k in ks)] for name, by_k in found.items()
    ]
    columns = [[by_k[k] for by_k in found.values() if k in by_k] for k in ks]
    if len(found) > 1:
        rows.append(["mean", *(100 * sum(each[first.metric] for each in column) / len(column) for column in columns)])
    spec = TASKS[first.store.identity.task]
    bounds = [mean_bounds(bounds_of(each, first.metric, spec) for each in column) for column in columns]
    labels = dict.fromkeys(label for each in bounds for label in each)
    rows += [[label, *(100 * each[label] if label in each else None for each in bounds)] for label in labels]
    has_ks = "k" in first.arguments  # a script without --k has one column
    head = [f"{first.dataset.name}: {first.metric}{' at k' if has_ks else ''}", *(str(k) if has_ks else "" for k in ks)]
    print(tabulate(rows, head, floatfmt=".2f") if rows else f"{first.dataset.name}: {first.metric} of no subset")
    folders = [folder for run in runs for folder in run.store.folders(found, ks)]
    print(f"logs: {', '.join(map(str, dict.fromkeys(folders)))}")
