"""One encoder at several layers and poolings: one forward pass a text, each place in the cache that `--layer` reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.encoders.cache import CHUNK, EmbeddingCache
from utils.encoders.cached import GPU_CHUNK, load_encoder, open_encoder
from utils.encoders.depth import at_place
from utils.encoders.layers import sizes_of
from utils.progress import by_batches, progress

if TYPE_CHECKING:
    from utils.protocols import Encoder
    from utils.schema import EncoderSpec, Vectors

Place = tuple[int, str]  # a layer, and a pooling; an empty one is the checkpoint's own
VECTORS_BYTES = 2**28  # that the vectors of a chunk of texts may take, in all places together


class LayeredEncoder:
    """A dense local encoder at several places; the model is loaded when a text is not in the cache of one of them.

    `encoders` has an encoder for each place, which reads what `fill` has put into its cache. `embed` returns the
    vectors of the last place.
    """

    client = None

    def __init__(self, spec: EncoderSpec, places: Sequence[Place], device: str, cache_dir: Path) -> None:
        import dataclasses

        self.places = tuple(places)
        self.spec = spec
        self.encoders: dict[Place, Encoder] = {
            place: open_encoder(at_place(spec, *place), device, cache_dir) for place in self.places
        }
        self._loaded: Any = None
        self._load: Callable[[], Any] = lambda: load_encoder(
            dataclasses.replace(spec, places=self.places), device, cache_dir
        )
        self._most_texts = GPU_CHUNK if device == "cuda" else CHUNK
        self.counts: dict[str, int] = {"hits": 0, "misses": 0}

    def embed(self, queries: Sequence[str], candidates: Sequence[str]) -> tuple[Vectors, Vectors]:
        """Return the vectors of both sides at the last place, (n, d) and (m, d)."""
        self.fill([*queries, *candidates])
        return self.encoders[self.places[-1]].embed(queries, candidates)

    def missing(self, queries: Sequence[str], candidates: Sequence[str] = ()) -> list[str]:
        """Return the distinct texts that lack the vector of a place, longest first."""
        texts = [*queries, *candidates]
        found = {text for encoder in self.encoders.values() for text in encoder.missing(texts)}
        return sorted(found, key=lambda text: (-len(text), text))

    def quote(self, queries: Sequence[str], candidates: Sequence[str] = ()) -> str:
        """Return nothing: a local encoder has no costs."""
        return ""

    def fill(self, texts: Sequence[str]) -> None:
        """Put the vectors of texts at all places into the cache, by one forward pass of those that lack one."""
        missing = self.missing(texts)
        self.counts = {"hits": len(set(texts)) - len(missing), "misses": len(missing)}
        if not missing:
            return
        model = self._loaded = self._loaded or self._load()
        sizes = sizes_of(model.model)
        step = max(1, min(self._most_texts, VECTORS_BYTES // (4 * sum(sizes))))
        with progress(len(missing), self.spec.name) as advance:
            for start in range(0, len(missing), step):
                chunk = missing[start : start + step]
                with by_batches(len(chunk), advance):
                    rows, lengths = model.encode_counted(chunk)
                begin = 0
                for size, encoder in zip(sizes, self.encoders.values(), strict=True):
                    cache_of(encoder).add(chunk, rows[:, begin : begin + size], lengths)
                    begin += size


def cache_of(encoder: Any) -> EmbeddingCache:
    """Return the cache of a local encoder, be its vectors cut or quantised behind it or not."""
    cache: EmbeddingCache = getattr(encoder, "encoder", encoder).cache
    return cache
