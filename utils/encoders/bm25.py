"""baseline/bm25: BM25 as an encoder of sparse rows, fitted on the candidates of each search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.words import words

if TYPE_CHECKING:
    from utils.schema import EncoderSpec, SparseRows


def load_bm25(spec: EncoderSpec, device: str, cache_dir: Path) -> Bm25Encoder:
    """Return the baseline; it runs on the CPU and is not cached."""
    return Bm25Encoder(spec)


class Bm25Encoder:
    """BM25 (Robertson and Zaragoza 2009, k1 = 1.5, b = 0.75) as implemented by bm25s (arXiv 2407.03618)."""

    client = None

    def __init__(self, spec: EncoderSpec) -> None:
        self.spec = spec
        self.counts = {"hits": 0, "misses": 0}
        self._last: tuple[tuple[str, ...], dict[str, int], SparseRows] | None = None  # candidates, columns, their rows

    def embed(self, queries: Sequence[str], candidates: Sequence[str]) -> tuple[SparseRows, SparseRows]:
        """Return the rows of both sides, (n, d) and (m, d), whose products are the BM25 scores.

        All candidates have the same length, by a column that queries do not have. So the order by cosine is the order
        by BM25 too. A query without a word of the candidates has a column of its own, and the score 0 with all.
        """
        self.counts["misses"] = len(self.missing(queries, candidates))
        texts = tuple(candidates)
        if self._last is None or self._last[0] != texts:
            self._last = texts, *_fit(texts)
        _, columns, rows = self._last
        return _query_rows(queries, columns, rows.shape[1]), rows

    def missing(self, queries: Sequence[str], candidates: Sequence[str] = ()) -> list[str]:
        """Return the distinct texts: every run encodes all of them."""
        return list(dict.fromkeys([*queries, *candidates]))

    def quote(self, queries: Sequence[str], candidates: Sequence[str] = ()) -> str:
        """Return nothing: a local encoder has no costs."""
        return ""


def _fit(texts: Sequence[str]) -> tuple[dict[str, int], SparseRows]:
    """Return the column of each word, and the rows of the candidates (m, words + 2): their weights and the filling."""
    import bm25s
    from scipy.sparse import csc_array, csr_array, hstack

    of_text = [words(text) for text in texts]
    columns: dict[str, int] = {}
    weights: Any = csr_array((len(texts), 0))
    if any(of_text):  # the library cannot index an empty vocabulary
        retriever = bm25s.BM25()
        retriever.index(of_text, show_progress=False)
        columns = dict(retriever.vocab_dict)
        parts = [np.asarray(retriever.scores[name]) for name in ("data", "indices", "indptr")]
        weights = csc_array(tuple(parts), shape=(len(texts), len(parts[2]) - 1))
        weights = weights.astype(np.float64).tocsr()
    squares = np.asarray(weights.multiply(weights).sum(axis=1)).reshape(-1)
    filling = np.sqrt(max(float(squares.max()), 1.0) - squares)
    extra = csr_array(np.stack([filling, np.zeros(len(texts))], axis=1))
    return columns, csr_array(hstack([weights, extra], format="csr"))


def _query_rows(queries: Sequence[str], columns: dict[str, int], width: int) -> SparseRows:
    """Return how often each word of the candidates is in each query (n, width); the last column marks none."""
    from scipy.sparse import csr_array

    starts, places, values = [0], list[int](), list[float]()
    for text in queries:
        found = Counter(columns[word] for word in words(text) if word in columns) or {width - 1: 1}
        places += found.keys()
        values += map(float, found.values())
        starts.append(len(places))
    return csr_array((values, places, starts), shape=(len(queries), width))
