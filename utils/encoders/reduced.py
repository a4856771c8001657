"""Vectors with fewer dimensions, or with fewer bits for each: what an index of that size would search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.errors import UserError

if TYPE_CHECKING:
    from utils.protocols import Encoder, UsageCounter
    from utils.schema import EncoderSpec, Rows

LEVELS = 255  # steps between the least and the greatest value of a dimension, in int8
UNIT = 1e-3  # by which the length of a unit vector may differ from 1


class ReducedEncoder:
    """A dense encoder whose vectors are cut and quantised behind the cache, which keeps them whole."""

    def __init__(self, spec: EncoderSpec, encoder: Encoder) -> None:
        self.spec, self.encoder = spec, encoder
        self.dimensions = None if spec.provider else spec.dimensions  # a provider cuts by itself

    @property
    def client(self) -> UsageCounter | None:
        """The client of an API; None for a local encoder."""
        return self.encoder.client

    @property
    def counts(self) -> Mapping[str, int]:
        """The counts of the encoder."""
        return self.encoder.counts

    def embed(self, queries: Sequence[str], candidates: Sequence[str]) -> tuple[Rows, Rows]:
        """Return the values that the kept dimensions have after quantisation, (n, d) and (m, d)."""
        rows: tuple[Any, Any] = self.encoder.embed(queries, candidates)
        if self.dimensions:
            width = rows[0].shape[1]
            if self.dimensions > width:
                what = f"--dimensions {self.dimensions}, but {self.spec.name} has {width}"
                raise UserError(what, f"give 1 to {width}")
            rows = cut(rows[0], self.dimensions), cut(rows[1], self.dimensions)
        return quantized(*rows, self.spec.embedding_precision)

    def missing(self, queries: Sequence[str], candidates: Sequence[str] = ()) -> list[str]:
        """Return the distinct texts that have to be encoded."""
        return self.encoder.missing(queries, candidates)

    def quote(self, missing: Sequence[str]) -> str:
        """Return a line with the costs of these texts; empty for a local encoder."""
        return self.encoder.quote(missing)


def cut(rows: Rows, dimensions: int) -> Rows:
    """Return the first dimensions of rows (n, d), of length 1 where the rows are (Kusupati et al. 2022).

    Sentence-transformers gives the same by `truncate_dim`, and of unit vectors by `normalize_embeddings` with it.
    """
    kept = np.array(rows[:, :dimensions], dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1)
    if not np.all(np.abs(lengths[np.isfinite(lengths)] - 1) < UNIT):
        return kept
    shorter = np.linalg.norm(kept, axis=1, keepdims=True)
    return np.asarray(kept / np.where(shorter == 0, np.float32(1), shorter), dtype=np.float32)


def quantized(queries: Rows, candidates: Rows, precision: str) -> tuple[Rows, Rows]:
    """Return the values that quantised rows stand for, (n, d) and (m, d); a row of NaN stays one.

    int8: the middle of one of 256 equal steps between the least and the greatest value that the candidates have in the
    dimension. binary: 1 for a value above 0, else -1, so that the cosine is 1 - 2 h / d for a Hamming distance h. The
    codes are those of sentence-transformers' `quantize_embeddings`.
    """
    if precision == "float32":
        return queries, candidates
    if precision == "binary":
        return _signs(queries), _signs(candidates)
    present = candidates[np.isfinite(candidates).all(axis=1)] if len(candidates) else queries
    least = present.min(axis=0) if len(present) else np.zeros(candidates.shape[1], dtype=np.float32)
    step = (present.max(axis=0) - least) / np.float32(LEVELS) if len(present) else np.ones_like(least)
    step = np.where(step == 0, np.float32(1), step)
    half = np.float32(0.5)
    first, second = (
        least + step * (np.clip(np.floor((rows - least) / step), 0, LEVELS) + half) for rows in (queries, candidates)
    )
    return first.astype(np.float32), second.astype(np.float32)


def bytes_of_vector(dimensions: int, precision: str) -> int:
    """Return how many bytes a vector takes in an index."""
    return {"float32": 4 * dimensions, "int8": dimensions, "binary": -(-dimensions // 8)}[precision]


def _signs(rows: Rows) -> Rows:
    signs = np.where(rows > 0, np.float32(1), np.float32(-1))
    return np.where(np.isfinite(rows), signs, np.float32(np.nan))
