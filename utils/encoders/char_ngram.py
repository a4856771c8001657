"""baseline/char_ngram: a lexical baseline of hashed character n-grams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from utils.schema import EncoderSpec

if TYPE_CHECKING:
    from utils.schema import Rows


NGRAM_FEATURES = 4096  # hashed columns of baseline/char_ngram
NGRAM_LENGTHS = (2, 4)


class NgramEncoder:
    """baseline/char_ngram: hashed character n-grams, tf-idf weights learnt from the candidates; not cached."""

    def __init__(self, spec: EncoderSpec) -> None:
        self.spec = spec
        self.counts = {"hits": 0, "misses": 0}
        self._last: tuple[Sequence[str], CharNgram, Rows] | None = None  # candidates, fitted on them, their rows

    def embed(self, queries: Sequence[str], candidates: Sequence[str]) -> tuple[Rows, Rows]:
        """Fit on the candidates and return the rows of both sides, (n, 4096) and (m, 4096)."""
        self.counts["misses"] = self.n_missing([*queries, *candidates])
        if self._last is None or self._last[0] is not candidates:  # --cross searches the same ones for each language
            fitted = CharNgram().fit(candidates)
            self._last = candidates, fitted, fitted.encode(candidates)
        _, fitted, rows = self._last
        return fitted.encode(queries), rows

    def n_missing(self, texts: Sequence[str]) -> int:
        """Return the number of distinct texts: all are encoded in each run."""
        return len(set(texts))


class CharNgram:
    """Hashed character 2- to 4-grams within words, tf-idf weighted (scikit-learn): a lexical baseline."""

    def __init__(self) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

        self.hashing = HashingVectorizer(
            analyzer="char_wb", ngram_range=NGRAM_LENGTHS, n_features=NGRAM_FEATURES, norm=None, dtype=np.float32
        )
        self.tfidf = TfidfTransformer()

    def fit(self, texts: Iterable[str]) -> CharNgram:
        """Learn the inverse document frequencies of the candidates."""
        self.tfidf.fit(self.hashing.transform(texts))
        return self

    def encode(self, texts: Sequence[str]) -> Rows:
        """Return unit rows (n, 4096) float32."""
        rows: Rows = self.tfidf.transform(self.hashing.transform(texts)).toarray()
        return rows.astype(np.float32, copy=False)
