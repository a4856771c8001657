"""baseline/char_ngram: a lexical baseline of hashed character n-grams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.retrieval.mapped_rows import blocks, new_rows
from utils.schema import EncoderSpec

if TYPE_CHECKING:
    from utils.schema import Rows


NGRAM_FEATURES = 4096  # hashed columns
NGRAM_LENGTHS = (2, 4)
BLANK = "\0"  # what a text without n-grams is read as: its vector is not zero, and unlike those of other texts


def load_char_ngram(spec: EncoderSpec, device: str, cache_dir: Path) -> NgramEncoder:
    """Return the baseline, which is fitted on the candidates of each search; it runs on the CPU and is not cached."""
    return NgramEncoder(spec, cache_dir)


class NgramEncoder:
    """Hashed character n-grams with tf-idf weights fitted on the candidates."""

    client = None

    def __init__(self, spec: EncoderSpec, folder: Path) -> None:
        self.spec, self.folder = spec, folder
        self.counts = {"hits": 0, "misses": 0}
        self._last: tuple[tuple[str, ...], CharNgram, Rows] | None = None  # candidates, fitted on them, their rows

    def embed(self, queries: Sequence[str], candidates: Sequence[str]) -> tuple[Rows, Rows]:
        """Fit on the candidates and return the vectors of both sides, (n, 4096) and (m, 4096)."""
        self.counts["misses"] = len(self.missing(queries, candidates))
        texts = tuple(candidates)
        if self._last is None or self._last[0] != texts:  # with --cross, the same for every test language
            fitted = CharNgram().fit(texts)
            self._last = texts, fitted, fitted.encode(texts, self.folder)
        _, fitted, rows = self._last
        return fitted.encode(queries, self.folder), rows

    def missing(self, queries: Sequence[str], candidates: Sequence[str] = ()) -> list[str]:
        """Return the distinct texts: every run encodes all of them."""
        return list(dict.fromkeys([*queries, *candidates]))

    def quote(self, queries: Sequence[str], candidates: Sequence[str] = ()) -> str:
        """Return nothing: a local encoder has no costs."""
        return ""


class CharNgram:
    """Hashed character 2- to 4-grams within words, tf-idf weighted (scikit-learn)."""

    def __init__(self) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

        self.hashing = HashingVectorizer(
            analyzer="char_wb", ngram_range=NGRAM_LENGTHS, n_features=NGRAM_FEATURES, norm=None, dtype=np.float32
        )
        self.tfidf = TfidfTransformer()

    def fit(self, texts: Iterable[str]) -> CharNgram:
        """Fit the inverse document frequencies on the candidates."""
        self.tfidf.fit(self.hashing.transform(texts))
        return self

    def encode(self, texts: Sequence[str], folder: Path | None = None) -> Rows:
        """Return unit vectors (n, 4096) float32; too large ones are in a file of the folder (`new_rows`).

        A blank text has a vector as it has of other encoders, and all blank texts have the same.
        """
        rows: Rows = new_rows((len(texts), NGRAM_FEATURES), folder)
        for part in blocks(rows):
            read = (text if text.strip() else BLANK for text in texts[part])
            self.tfidf.transform(self.hashing.transform(read)).toarray(out=rows[part])
        return rows
