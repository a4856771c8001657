"""Encoders whose rows are ragged behind the embedding cache: multi-vector and sparse ones.

They encode queries and documents in different ways, as the checkpoint says: by its prompts, lengths and modules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.constants import MEAN_MAX_SIM, MULTI_VECTOR
from utils.encoders.cache import CHUNK, EmbeddingCache
from utils.encoders.chunk_forms import SPARSE, TOKENS
from utils.progress import progress
from utils.retrieval.mapped_rows import blocks, new_rows

if TYPE_CHECKING:
    from utils.encoders.other_kinds import LibraryEncoder
    from utils.retrieval.token_rows import TokenRows
    from utils.schema import EncoderSpec, Vectors

QUERY, DOCUMENT = "query", "document"


class CachedRaggedEncoder:
    """A local encoder with one cache for queries and one for documents; both are one where a text is encoded alike.

    The model is loaded when a text is not in the cache.
    """

    client = None

    def __init__(
        self, spec: EncoderSpec, device: str, cache_dir: Path, settings: Mapping[str, Any], load: Callable[[], Any]
    ) -> None:
        self.spec = spec
        self._load = load
        self._model: LibraryEncoder | None = None
        form = TOKENS if spec.kind == MULTI_VECTOR else SPARSE

        def cache(side: str) -> EmbeddingCache:
            return EmbeddingCache(cache_dir, {**settings, "side": side}, CHUNK, form)

        documents = cache(DOCUMENT)
        self.caches = {QUERY: cache(QUERY) if spec.has_sides else documents, DOCUMENT: documents}
        self._counts = {"hits": 0, "misses": 0}

    def embed(self, queries: Sequence[str], candidates: Sequence[str]) -> tuple[Vectors, Vectors]:
        """Return the rows of both sides, (n, d) and (m, d); each distinct text of a side is encoded once."""
        sides = {QUERY: queries, DOCUMENT: candidates}
        rows: dict[str, Any] = {}
        self._counts = {"hits": 0, "misses": 0}
        total = sum(len(self.caches[side].missing(texts)) for side, texts in sides.items())
        with progress(total, self.spec.name) as advance:
            for side, texts in sides.items():
                rows[side] = self._rows(side, texts, advance) if len(texts) else None
                found = self._counts_of(side, texts) if len(texts) else {}
                self._counts = {key: self._counts.get(key, 0) + found.get(key, 0) for key in {**self._counts, **found}}
        if self.spec.own_similarity == MEAN_MAX_SIM and rows[QUERY] is not None:
            rows[QUERY] = _divided_by_lengths(rows[QUERY], self.caches[QUERY].folder)
        return rows[QUERY], rows[DOCUMENT]

    @property
    def counts(self) -> dict[str, int]:
        """The distinct texts of each side of the last call that the cache had (hits) and did not have (misses).

        Also how many were cut, with the tokens of all texts and those lost, where the cache knows it.
        """
        return self._counts

    def _counts_of(self, side: str, texts: Sequence[str]) -> dict[str, int]:
        cache = self.caches[side]
        return {"hits": cache.hits, "misses": cache.misses, **cache.cut_texts(texts)}

    def missing(self, queries: Sequence[str], candidates: Sequence[str] = ()) -> list[str]:
        """Return the distinct texts that have to be encoded; one that both sides lack is there twice if they differ."""
        if not self.spec.has_sides:
            return self.caches[DOCUMENT].missing([*queries, *candidates])
        return [*self.caches[QUERY].missing(queries), *self.caches[DOCUMENT].missing(candidates)]

    def quote(self, queries: Sequence[str], candidates: Sequence[str] = ()) -> str:
        """Return nothing: a local encoder has no costs."""
        return ""

    def _rows(self, side: str, texts: Sequence[str], advance: Callable[[int], object]) -> Any:
        def encode(chunk: list[str]) -> Any:
            if self._model is None:
                self._model = self._load()
            rows = self._model.encode_side(chunk, side)
            advance(len(chunk))
            return rows, self._model.count_tokens(chunk, side)

        return self.caches[side].rows(texts, encode)


def _divided_by_lengths(rows: TokenRows, folder: Path) -> TokenRows:
    """Return rows whose MaxSim is the mean of the maxima, where that of the given rows is their sum."""
    import numpy as np

    from utils.retrieval.token_rows import TokenRows

    divisor = np.repeat(np.maximum(rows.lengths, 1), rows.lengths).astype(np.float32)
    vectors = new_rows(rows.vectors.shape, folder)
    for part in blocks(rows.vectors, vectors):
        vectors[part] = rows.vectors[part] / divisor[part, None]
    return TokenRows(vectors, rows.offsets)
