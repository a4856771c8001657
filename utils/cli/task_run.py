"""The flow that the tasks share: load, encode, search, score, log.

A task says what its data are, which texts query which, and how neighbours become a figure. The rest is here: what is
logged already, the numbers of neighbours that the data allow, the figures of an ensemble's members, weights tuned on
validation data, the dry run and the final table.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from utils.cli.plan import Plan
from utils.cli.reranking import before_figures
from utils.cli.run import scores_printed
from utils.errors import UserError
from utils.progress import Clock
from utils.retrieval.missing_vectors import n_present
from utils.tasks import TASKS

if TYPE_CHECKING:
    from utils.cli.reranking import Asked
    from utils.cli.run import Run
    from utils.retrieval.ensemble import Ensemble, Members
    from utils.schema import RunRecord, TopK

Data = TypeVar("Data")
Found = Mapping[str, "TopK"]  # neighbours by direction: forward, and backward where the candidates query too


class Ranked(NamedTuple):
    """The neighbours of a subset, those of each member of an ensemble by itself, and what a record says of them."""

    found: Found
    alone: Mapping[str, Found]
    about: Mapping[str, Any]


class TaskRun(ABC, Generic[Data]):
    """One task on one run; `headers` names the columns of a dry run: the subset, then its sizes."""

    headers: Sequence[str]

    def __init__(self, run: Run) -> None:
        self.run = run

    @abstractmethod
    def load(self, subset: str, *, validation: bool = False) -> Data:
        """Return the data of a subset, or its validation data, on which weights are tuned."""

    @abstractmethod
    def sizes(self, data: Data) -> Sequence[int]:
        """Return the sizes of a subset, in the order of `headers`."""

    @abstractmethod
    def sides(self, data: Data) -> tuple[Sequence[str], Sequence[str]]:
        """Return the texts that are encoded: the queries and the candidates."""

    @abstractmethod
    def n_candidates(self, data: Data) -> int:
        """Return the greatest number of neighbours that a query can have."""

    def largest_k(self, data: Data) -> int:
        """Return the largest k that is evaluated: by default, the number of neighbours that a query can have."""
        return self.n_candidates(data)

    @abstractmethod
    def evaluate(self, subset: str) -> None:
        """Compute and log the records of one subset that are missing."""

    def prepare(self, subsets: Sequence[str]) -> None:
        """Do what comes before the first subset; by default nothing."""

    def show_plan(self, subsets: Sequence[str]) -> None:
        """Print what the run would do, subset by subset."""
        reranking = self.run.reranking
        plan = Plan(self.run, [*self.headers, *(["pairs to rerank"] if reranking else []), "to encode", "records"])
        for subset in subsets:
            data = self.load(subset)
            queries, candidates = self.sides(data)
            sizes = list(self.sizes(data))
            if reranking:
                most = self.n_candidates(data), self.largest_k(data)
                sizes.append(plan.add_pairs(subset, self.n_asked(data), *most))
            plan.add(subset, sizes, queries, candidates)
        plan.show()

    def n_asked(self, data: Data) -> int:
        """Return how many queries there are, those of both directions together."""
        return len(self.sides(data)[0])

    def execute(self, subsets: Sequence[str]) -> None:
        """Show the plan of a dry run, or evaluate all subsets and print their scores."""
        with scores_printed([self.run], subsets):
            self.compute(subsets)

    def check(self, subsets: Sequence[str]) -> None:
        """Load all subsets of a user's own data, so that a fault of any of them is found before the first record."""
        for subset in subsets:
            self.run.ks.allowed(subset, self.largest_k(self.load(subset)))

    def compute(self, subsets: Sequence[str]) -> None:
        """Show the plan of a dry run, or evaluate all subsets."""
        if self.run.dry_run:
            self.show_plan(subsets)
            return
        if self.run.dataset.kind == "local":
            self.check(subsets)
        self.prepare(subsets)
        self.run.run_subsets(subsets, self.evaluate)


class RetrievalTask(TaskRun[Data]):
    """A task whose figures come from the neighbours of each query."""

    @abstractmethod
    def search(self, ensemble: Ensemble, members: Members, k: int) -> Found:
        """Return the k nearest candidates of each query; `members` may be the embeddings of one encoder alone."""

    def search_in(self, data: Data, ensemble: Ensemble, members: Members, k: int) -> Found:
        """Return the k nearest candidates of each query, as `search` does, or as the data say."""
        return self.search(ensemble, members, k)

    @abstractmethod
    def score(self, data: Data, found: Found, k: int) -> tuple[RunRecord, dict[str, Any]]:
        """Return the record at k, its `run` still empty, and the predictions."""

    @abstractmethod
    def describe(self, data: Data) -> dict[str, Any]:
        """Return what a record says of its data."""

    def evaluate(self, subset: str) -> None:
        """Load, encode, search, score and log one subset at every k that has no record yet."""
        clock, run = Clock(), self.run
        data = self.load(subset)
        ks = run.store.missing(subset, run.ks.allowed(subset, self.largest_k(data)))
        if not ks:
            return
        clock.lap("load")
        found, alone, about = self.rank(data, max(ks), clock)
        first = found
        if run.reranking:
            found = run.reranking.apply(first, self.asked(data))
            clock.lap("rerank")
        scored = [self.score_all(data, found, alone, k) for k in ks]
        if run.reranking:
            scored = [self.with_first_stage(data, first, *one) for one in scored]
        clock.lap("score")
        run.store.write_neighbors(subset, {side: one.first(ks[-1]) for side, one in found.items()}, ks[-1])
        for record, predictions in scored:
            run.log(subset, record, predictions, {**self.describe(data), **about}, clock.laps)

    def rank(self, data: Data, k: int, clock: Clock) -> Ranked:
        """Encode both sides, and return the k nearest candidates or more of each query."""
        members = self.embed(data)
        clock.lap("encode")
        k = self.deepest(k, self.n_reranked(data, members))
        found, alone = self.search_in(data, self.run.ensemble, members, k), self.search_members(data, members, k)
        clock.lap("retrieve")
        return Ranked(found, alone, self.run.size_of_vectors(members))

    def deepest(self, k: int, most: int) -> int:
        """Return how many candidates are searched for k: as many as are reranked, of `most`, where that is more."""
        return max(k, min(self.run.reranking.depth, most)) if self.run.reranking else k

    def asked(self, data: Data) -> Asked:
        """Return the texts that query and those that are searched, by direction, for a reranker."""
        return {"forward": self.sides(data)}

    def n_asked(self, data: Data) -> int:
        """Return how many texts query."""
        return len(self.asked(data)["forward"][0])

    def n_reranked(self, data: Data, members: Members) -> int:
        """Return how many candidates of a query can be reranked at most: those that can be found."""
        return min(self.n_candidates(data), n_present(members))

    def with_first_stage(
        self, data: Data, first: Found, record: RunRecord, predictions: dict[str, Any]
    ) -> tuple[RunRecord, dict[str, Any]]:
        """Return a record with the figures before reranking and the recall within its depth, and the predictions."""
        reranking = self.run.reranking
        deepest = min(one.indices.shape[1] for one in first.values())
        depth = min(reranking.depth, deepest) if reranking else deepest
        before, at_depth = (self.score(data, first, k)[0].metrics for k in (record.k, depth))
        figures = before_figures(before, at_depth, TASKS[self.run.store.identity.task].depth_metric)
        return dataclasses.replace(record, metrics={**record.metrics, **figures}), predictions

    def embed(self, data: Data) -> Members:
        """Return the vectors of both sides of each encoder."""
        return self.run.ensemble.embed(*self.sides(data))

    def search_members(self, data: Data, members: Members, k: int) -> dict[str, Found]:
        """Return the neighbours of each member of an ensemble by itself, by its name; nothing of a single encoder."""
        if len(members) == 1:
            return {}
        ensemble = self.run.ensemble
        each = zip(ensemble.names, members, strict=True)
        return {name: self.search_in(data, ensemble, [member], k) for name, member in each}

    def score_all(
        self, data: Data, found: Found, alone: Mapping[str, Found], k: int
    ) -> tuple[RunRecord, dict[str, Any]]:
        """Return the record at k with the metrics of an ensemble's members by themselves, and the predictions."""
        record, predictions = self.score(data, found, k)
        members = {name: self.score(data, one, k)[0].metrics for name, one in alone.items()}
        if members:
            record = dataclasses.replace(record, details={**record.details, "members": members})
        return record, predictions

    def prepare(self, subsets: Sequence[str]) -> None:
        """Choose the weights of the ensemble on validation data, if --tune_weights asks for it."""
        if self.run.tunes_weights:
            self.tune_weights(subsets)

    def validation_ks(self, subset: str, data: Data) -> list[int]:
        """Return the ks that the validation data allow. Raises UserError if there is none."""
        n = self.n_candidates(data)
        ks = [k for k in self.run.ks.values if k <= n]
        if not ks:
            what = f"--k {self.run.ks.values[0]}, but the validation split of {subset} has {n} candidates"
            raise UserError(what, f"--tune_weights needs at least one k from 1 to {n}")
        return ks

    def tune_weights(self, subsets: Sequence[str]) -> None:
        """Choose the ensemble's weights by the mean main metric over subsets and ks on the validation split."""
        run = self.run
        loaded = [self.load(subset, validation=True) for subset in subsets]
        embedded = [self.embed(data) for data in loaded]
        allowed = [self.validation_ks(subset, data) for subset, data in zip(subsets, loaded, strict=True)]

        def mean_score(ensemble: Ensemble) -> float:
            scores = []
            for data, members, ks in zip(loaded, embedded, allowed, strict=True):
                found = self.search(ensemble, members, max(ks))
                scores += [self.score(data, found, k)[0].metrics[run.metric] for k in ks]
            return sum(scores) / len(scores)

        run.tune(mean_score)
