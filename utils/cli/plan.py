"""What a run would do (--dry_run): sizes, texts to encode, the state of the records, costs; no model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from utils.cli.listing import kind_of
from utils.errors import counted

if TYPE_CHECKING:
    from utils.cli.run import Run

Sides = tuple[dict[str, None], dict[str, None]]  # texts that query and texts that are searched, in their order


class Plan:
    """The table of a dry run, one row per subset."""

    def __init__(self, run: Run, headers: Sequence[str]) -> None:
        self.run, self.headers = run, headers
        self.rows: list[list[Any]] = []
        self._to_rerank: list[tuple[int, int]] = []  # queries and pairs of each subset
        encoders = run.ensemble.encoders
        self._to_encode: list[Sides] = [({}, {}) for _ in encoders]  # the distinct texts of each encoder's sides

    def add(self, subset: str, sizes: Sequence[int], queries: Sequence[str], candidates: Sequence[str]) -> None:
        """Add a subset: its sizes, how many of its texts each encoder has to encode, and which records are there."""
        done = [k for k in self.run.ks.values if self.run.store.is_done(subset, k)]
        state = f"logged: k = {', '.join(map(str, done))}" if done else "to do"
        self.rows.append([subset, *sizes, self.to_encode(queries, candidates), state])

    def add_pairs(self, subset: str, n_queries: int, n_candidates: int, largest_k: int) -> int:
        """Return how many pairs of a subset are scored by the reranker at most, and remember them."""
        run = self.run
        if run.reranking is None or not run.store.missing(subset, [k for k in run.ks.values if k <= largest_k]):
            return 0
        n_pairs = n_queries * min(run.reranking.depth, n_candidates)
        self._to_rerank.append((n_queries, n_pairs))
        return n_pairs

    def to_encode(self, queries: Sequence[str], candidates: Sequence[str] = ()) -> str:
        """Return how many of these texts each encoder has to encode, and remember them."""
        counts = []
        for encoder, (asked, searched) in zip(self.run.ensemble.encoders, self._to_encode, strict=True):
            counts.append(str(len(encoder.missing(queries, candidates))))
            if encoder.client is not None:  # a text on both sides may have to be encoded for each
                asked.update(dict.fromkeys(encoder.missing(queries)))
                searched.update(dict.fromkeys(encoder.missing((), candidates)))
        return " + ".join(counts)

    def show(self, outputs: str = "") -> None:
        """Print the table, what APIs would cost, and where the outputs go (default: the folder of the records)."""
        from tabulate import tabulate

        run = self.run
        generator = f"generator {run.generator.spec.name}, " if run.generator else ""
        kinds = [kind_of(encoder.spec) for encoder in run.ensemble.encoders]
        kind = f" ({' + '.join(kinds)})" if any(encoder.spec.model for encoder in run.ensemble.encoders) else ""
        place = f"({run.dataset.source}), {generator}encoder {run.model}{kind}, device {run.device}"
        print(f"dataset {run.dataset.name} {place}")
        print(tabulate(self.rows, self.headers))
        for encoder, sides in zip(run.ensemble.encoders, self._to_encode, strict=True):
            if line := encoder.quote(*map(list, sides)):
                print(line)
        if run.reranking:
            n_queries, n_pairs = (sum(column) for column in zip((0, 0), *self._to_rerank, strict=True))
            name = run.reranking.reranker.spec.name
            print(f"reranker {name}: at most {counted(n_pairs, 'pair')}, without those in the cache")
            if line := run.reranking.reranker.quote(n_queries, n_pairs):
                print(line)
        print(outputs or f"logs: {run.store.folder}")
