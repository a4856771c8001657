"""Vectors with fewer dimensions, or with fewer bits for each: what an index of that size would search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.errors import UserError
from utils.retrieval.mapped_rows import blocks, new_rows

if TYPE_CHECKING:
    from utils.protocols import Encoder, UsageCounter
    from utils.schema import EncoderSpec, Rows

LEVELS = 255  # steps between the least and the greatest value of a dimension, in int8
UNIT = 1e-3  # by which the length of a unit vector may differ from 1


class ReducedEncoder:
    """A dense encoder whose vectors are cut and quantised behind the cache, which keeps them whole."""

    def __init__(self, spec: EncoderSpec, encoder: Encoder, folder: Path) -> None:
        self.spec, self.encoder, self.folder = spec, encoder, folder
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
            rows = first_dimensions(rows[0], self.spec, self.folder), first_dimensions(rows[1], self.spec, self.folder)
        return quantized(*rows, self.spec.embedding_precision, self.folder)

    def missing(self, queries: Sequence[str], candidates: Sequence[str] = ()) -> list[str]:
        """Return the distinct texts that have to be encoded."""
        return self.encoder.missing(queries, candidates)

    def quote(self, queries: Sequence[str], candidates: Sequence[str] = ()) -> str:
        """Return a line with the costs of these texts; empty for a local encoder."""
        return self.encoder.quote(queries, candidates)


def first_dimensions(rows: Rows, spec: EncoderSpec, folder: Path | None = None) -> Rows:
    """Return the dimensions of rows (n, d) that a spec asks for; raises UserError where there are fewer."""
    width, dimensions = rows.shape[1], spec.dimensions or rows.shape[1]
    if dimensions > width:
        raise UserError(f"--dimensions {dimensions}, but {spec.name} has {width}", f"give 1 to {width}")
    return cut(rows, dimensions, folder)


def cut(rows: Rows, dimensions: int, folder: Path | None = None) -> Rows:
    """Return the first dimensions of rows (n, d), of length 1 where the rows are (Kusupati et al. 2022).

    Sentence-transformers gives the same by `truncate_dim`, and of unit vectors by `normalize_embeddings` with it. What
    is too large for memory is in a file of the folder (`new_rows`).
    """
    kept: Rows = new_rows((len(rows), dimensions), folder)
    are_unit = True
    for part in blocks(rows, kept):
        kept[part] = rows[part, :dimensions]
        lengths = np.linalg.norm(rows[part], axis=1)
        are_unit &= bool(np.all(np.abs(lengths[np.isfinite(lengths)] - 1) < UNIT))
    for part in blocks(kept) if are_unit else ():
        shorter = np.linalg.norm(kept[part], axis=1, keepdims=True)
        kept[part] /= np.where(shorter == 0, np.float32(1), shorter)
    return kept


def quantized(queries: Rows, candidates: Rows, precision: str, folder: Path | None = None) -> tuple[Rows, Rows]:
    """Return the values that quantised rows stand for, (n, d) and (m, d); a row of NaN stays one.

    int8: the middle of one of 256 equal steps between the least and the greatest value that the candidates have in the
    dimension. binary: 1 for a value above 0, else -1, so that the cosine is 1 - 2 h / d for a Hamming distance h. The
    codes are those of sentence-transformers' `quantize_embeddings`. What is too large for memory is in a file of the
    folder (`new_rows`).
    """
    if precision == "float32":
        return queries, candidates
    values = _signs if precision == "binary" else _middles(candidates if len(candidates) else queries)
    return _changed(queries, values, folder), _changed(candidates, values, folder)


def bytes_of_vector(dimensions: int, precision: str) -> int:
    """Return how many bytes a vector takes in an index."""
    return {"float32": 4 * dimensions, "int8": dimensions, "binary": -(-dimensions // 8)}[precision]


def _changed(rows: Rows, values: Callable[[Rows], Rows], folder: Path | None) -> Rows:
    """Return `values` of rows (n, d), a block at a time."""
    found: Rows = new_rows(rows.shape, folder)
    for part in blocks(rows, found):
        found[part] = values(rows[part])
    return found


def _middles(known: Rows) -> Callable[[Rows], Rows]:
    """Return what rounds values to the middles of the steps of int8 in the ranges of known rows."""
    least, most = (np.full(known.shape[1], sign * np.inf, dtype=np.float32) for sign in (1, -1))
    for part in blocks(known):
        present = known[part][np.isfinite(known[part]).all(axis=1)]
        if len(present):
            least, most = np.minimum(least, present.min(axis=0)), np.maximum(most, present.max(axis=0))
    step, half = (most - least) / np.float32(LEVELS), np.float32(0.5)
    least, step = np.where(np.isfinite(least), least, np.float32(0)), np.where(step > 0, step, np.float32(1))

    def middles(rows: Rows) -> Rows:
        found: Rows = (least + step * (np.clip(np.floor((rows - least) / step), 0, LEVELS) + half)).astype(np.float32)
        return found

    return middles


def _signs(rows: Rows) -> Rows:
    signs = np.where(rows > 0, np.float32(1), np.float32(-1))
    return np.where(np.isfinite(rows), signs, np.float32(np.nan))
