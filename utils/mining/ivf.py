"""Approximate neighbours by an inverted file (IVF) of faiss: rows are kept in lists, of which a query reads a few.

The lists are those of the nearest of about 4 sqrt(n) centroids, which spherical k-means finds in a seeded sample (Sivic
and Zisserman, 2003; Jegou et al., 2011, arXiv 1702.08734 for faiss). What the lists give is scored again from the
stored rows in float64, so that the cosines are exact and only the set of candidates is not.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cluster.joining import import_extra
from utils.errors import counted
from utils.files import fingerprint, write_atomic
from utils.mining.margins import cosines_of
from utils.mining.row_store import is_whole
from utils.progress import bar, watched
from utils.retrieval.rows import row_norms
from utils.retrieval.topk import topk
from utils.schema import TopK

if TYPE_CHECKING:
    import numpy.typing as npt

    from utils.mining.row_store import RowStore
    from utils.mining.work import Desk
    from utils.schema import Rows

    Ints = npt.NDArray[np.int64]

NPROBE = 32  # lists that a query reads
PER_LIST = 50  # rows of the sample for each list
ITERATIONS = 10  # of k-means
MORE = 8  # candidates beyond k that are scored again: the index rounds rows to float16
SAMPLE = 1000  # queries whose exact neighbours are searched
BROKEN = "this part of the index is made again"
SCORED = 1024  # queries whose candidates are read at once
AT_ONCE = 8192  # rows that the index is given at once


@dataclass(frozen=True)
class Ivf:
    """How approximate neighbours are searched."""

    nprobe: int
    seed: int


@dataclass(frozen=True)
class IvfIndex:
    """An index of the rows of a store: a file with the centroids, and one for each shard with the list of each row."""

    store: RowStore
    folder: Path

    @property
    def centroids(self) -> Path:
        """The file of the centroids (lists, d)."""
        return self.folder / "centroids.npy"

    def lists(self, number: int) -> Path:
        """Return the file with the list of each row of a shard (n,)."""
        return self.folder / f"{self.store.paths[number].stem}.npy"

    def missing(self) -> list[AssignShard]:
        """Return the tasks for the shards whose file of lists is not there or broken."""
        shards = [AssignShard(self, number) for number in range(len(self.store.paths))]
        return [shard for shard in shards if not is_whole(self.lists(shard.number), (shard.size,), "int32", BROKEN)]

    def n_lists(self) -> int:
        """Return the number of lists."""
        return n_lists(len(self.store))


def n_lists(n: int) -> int:
    """Return how many lists n rows have: 4 sqrt(n), and fewer where there would not be 39 rows for each."""
    return max(1, min(int(4 * n**0.5), n // 39))


def index_of(store: RowStore, ivf: Ivf, root: Path) -> IvfIndex:
    """Return the index of a store, whose centroids are computed unless they are there."""
    key = fingerprint({"store": store.key(), "lists": n_lists(len(store)), "sample": PER_LIST, "seed": ivf.seed})
    index = IvfIndex(store, root / "index" / key)
    if not is_whole(index.centroids, (index.n_lists(), store.dimensions), "float32", BROKEN):
        draw = np.random.default_rng(ivf.seed)
        size = min(len(store), PER_LIST * index.n_lists())
        rows = store.rows(np.sort(draw.choice(len(store), size, replace=False)))
        _save(index.centroids, _means(_unit(rows, rows), index.n_lists(), ivf.seed))
    return index


def _means(rows: Rows, n: int, seed: int) -> Rows:
    """Return the n centroids of rows of length 1 (n, d), as `faiss.Kmeans` finds them; a bar shows the iterations."""
    faiss = import_extra("faiss")
    settings = faiss.ClusteringParameters()
    settings.niter, settings.seed, settings.spherical = ITERATIONS, seed % 2**31, True
    settings.min_points_per_centroid, settings.max_points_per_centroid = 1, len(rows)
    found = faiss.Clustering(rows.shape[1], n, settings)
    what = f"k-means of {len(rows):,} rows in {counted(n, 'list')}"
    with bar(ITERATIONS, what, "iterations") as advance, watched(found.iteration_stats.size, advance):
        found.train(rows, faiss.IndexFlatIP(rows.shape[1]))
    centroids: Rows = faiss.vector_to_array(found.centroids).reshape(n, -1)
    return centroids


@dataclass(frozen=True)
class AssignShard:
    """The task to find the list of each row of a shard."""

    index: IvfIndex
    number: int

    @property
    def size(self) -> int:
        """The number of rows."""
        return self.index.store.bounds[self.number + 1] - self.index.store.bounds[self.number]

    def __call__(self, desk: Desk, advance: Callable[[int], object]) -> None:
        """Write the file."""
        quantizer = _quantizer(self.index)
        rows = self.index.store.load(self.number, self.number + 1)
        rows = _unit(rows, rows)
        parts = []
        for start in range(0, len(rows), AT_ONCE):
            parts.append(quantizer.search(rows[start : start + AT_ONCE], 1)[1][:, 0])
            advance(len(parts[-1]))
        _save(self.index.lists(self.number), np.concatenate(parts).astype(np.int32))


@dataclass(frozen=True)
class SearchIndex:
    """The task to find the k nearest candidates of the rows of a block among the lists that are nearest to each."""

    queries: RowStore
    index: IvfIndex
    k: int
    nprobe: int

    @property
    def size(self) -> int:
        """The number of pairs of texts, of which few are read."""
        return len(self.queries) * len(self.index.store)

    def __call__(self, desk: Desk, advance: Callable[[int], object]) -> TopK:
        """Return the candidates of each query, best first; equal scores go to the lower index."""
        index = desk.kept(self.index, lambda: _assembled(self.index))
        queries = desk.rows("queries", self.queries)
        parts = []
        for start in range(0, len(queries), AT_ONCE):
            rows = queries[start : start + AT_ONCE]
            parts.append(self._search(index, rows))
            advance(len(rows) * len(self.index.store))
        return TopK(np.concatenate([part.indices for part in parts]), np.concatenate([part.scores for part in parts]))

    def _search(self, index: Any, rows: Rows) -> TopK:
        store, unit = self.index.store, _unit(rows)
        found = self._ask(index, unit, self.nprobe)
        few = np.flatnonzero((found >= 0).sum(axis=1) < self.k)
        if len(few):  # their lists have too few rows: all are read
            found[few] = self._ask(index, unit[few], self.index.n_lists())
        scores = np.full(found.shape, -np.inf, dtype=np.float32)
        for start in range(0, len(rows), SCORED):
            some = slice(start, start + SCORED)
            at, place = np.nonzero(found[some] >= 0)
            distinct, candidates = np.unique(found[some][at, place], return_inverse=True)
            theirs = store.rows(distinct)
            sides = (rows[some], 1 / row_norms(rows[some])), (theirs, 1 / row_norms(theirs))
            scores[some][at, place] = cosines_of(*sides, at, candidates)
        order = np.lexsort((found, -scores), axis=1)[:, : self.k]
        return TopK(np.take_along_axis(found, order, 1), np.take_along_axis(scores, order, 1))

    def _ask(self, index: Any, rows: Rows, nprobe: int) -> Ints:
        """Return the numbers of the candidates (q, k and a few more), -1 where there are none."""
        faiss = import_extra("faiss")
        wanted = min(self.k + MORE, len(self.index.store))
        found: Ints = index.search(rows, wanted, params=faiss.SearchParametersIVF(nprobe=nprobe))[1]
        return found


@dataclass(frozen=True)
class SearchSample:
    """The task to find the exact neighbours of some rows of a store among those of a block."""

    store: RowStore
    numbers: Ints
    candidates: RowStore
    k: int
    device: str
    precision: str | None

    @property
    def size(self) -> int:
        """The number of pairs of texts."""
        return len(self.numbers) * len(self.candidates)

    def __call__(self, desk: Desk, advance: Callable[[int], object]) -> TopK:
        """Return the candidates of each row, by their numbers in the block."""
        candidates = desk.rows("candidates", self.candidates)
        k = min(self.k, len(candidates))
        found = topk(self.store.rows(self.numbers), candidates, k, device=self.device, precision=self.precision)
        advance(self.size)
        return found


def recall_of(found: TopK, exact: TopK) -> dict[str, float]:
    """Return the percentages of the nearest and of the k nearest that were found; both are (q, k).

    One with the score of the last of the exact ones counts as found, whichever of equal ones it is.
    """
    is_first = found.scores[:, 0] >= exact.scores[:, 0]
    is_among = found.scores >= exact.scores[:, -1:]
    k = exact.scores.shape[1]
    return {"recall@1": round(100 * float(is_first.mean()), 4), f"recall@{k}": round(100 * float(is_among.mean()), 4)}


def _assembled(index: IvfIndex) -> Any:
    """Return the index of faiss, with all rows in float16, added shard by shard in their order."""
    faiss = import_extra("faiss")
    store = index.store
    found = faiss.IndexIVFScalarQuantizer(
        _quantizer(index), store.dimensions, index.n_lists(), faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    found.by_residual, found.is_trained = False, True
    for number in range(len(store.paths)):
        rows = store.load(number, number + 1)
        rows = _unit(rows, rows)
        numbers = np.arange(store.bounds[number], store.bounds[number + 1])
        lists = np.load(index.lists(number)).astype(np.int64)
        found.add_core(len(rows), *map(faiss.swig_ptr, (rows, numbers, lists)))
    return found


def _quantizer(index: IvfIndex) -> Any:
    faiss = import_extra("faiss")
    centroids = np.load(index.centroids)
    found = faiss.IndexFlatIP(centroids.shape[1])
    found.add(centroids)
    return found


def _unit(rows: Rows, into: Rows | None = None) -> Rows:
    """Return rows of length 1 (n, d), some at a time; `into` is the array that they are written to, a new one if None.

    It may be that of the rows.
    """
    found = np.empty(rows.shape, dtype=np.float32) if into is None else into
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        found[start : start + AT_ONCE] = some / row_norms(some)[:, None]
    return found


def _save(path: Path, content: npt.NDArray[Any]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, content)
    write_atomic(path, buffer.getvalue())
