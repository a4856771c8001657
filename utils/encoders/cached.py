"""Encoders: resolving what a checkpoint is, loading it on first use, and encoding through the cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.encoders.cache import CHUNK, EmbeddingCache
from utils.encoders.char_ngram import NgramEncoder
from utils.loaders import cache_name, load_function
from utils.progress import progress
from utils.schema import Encoder, EncoderSpec

if TYPE_CHECKING:
    from utils.api.limiter import Budget
    from utils.api.limits import ApiOptions
    from utils.encoders.api import ApiEncoder
    from utils.schema import Rows

GPU_CHUNK = 4096  # texts that a GPU is given at once, and that a kill can cost


def load_encoder(spec: EncoderSpec, device: str, cache_dir: Path) -> Encoder:
    """Load the model itself, by the loader that the spec names."""
    encoder: Encoder = load_function(spec.loader)(spec, device, cache_dir)
    return encoder


class CachedEncoder:
    """An encoder behind the embedding cache; the model is loaded when the first text is missing."""

    def __init__(self, spec: EncoderSpec, device: str, cache_dir: Path) -> None:
        self.spec, self.device, self.cache_dir = spec, device, cache_dir
        self.cache = EmbeddingCache(cache_dir, cache_settings(spec), GPU_CHUNK if device == "cuda" else CHUNK)
        self._encoder: Encoder | None = None

    def embed(self, queries: Sequence[str], candidates: Sequence[str]) -> tuple[Rows, Rows]:
        """Return the rows of both sides, (n, d) and (m, d); each distinct text is encoded once."""
        texts = [*queries, *candidates]
        with progress(len(self.cache.missing(texts)), self.spec.name) as advance:
            rows = self.cache.rows(texts, lambda chunk: self._encode(chunk, advance))
        return rows[: len(queries)], rows[len(queries) :]

    @property
    def counts(self) -> dict[str, int]:
        """Distinct texts of the last call that the cache had, and that it had not."""
        return {"hits": self.cache.hits, "misses": self.cache.misses}

    def n_missing(self, texts: Sequence[str]) -> int:
        """Return how many distinct texts the cache does not have."""
        return len(self.cache.missing(texts))

    def _encode(self, texts: list[str], advance: Callable[[int], object]) -> Rows:
        if self._encoder is None:
            self._encoder = load_encoder(self.spec, self.device, self.cache_dir)
        rows = self._encoder.encode(texts)
        advance(len(texts))
        return rows


def open_encoder(
    spec: EncoderSpec, device: str, cache_dir: Path, api: tuple[ApiOptions, Budget] | None = None
) -> CachedEncoder | NgramEncoder | ApiEncoder:
    """Return an encoder that loads its model, or opens its client, only when a text is not in the cache."""
    if spec.provider:
        from utils.api.client import Traffic
        from utils.api.limiter import Budget
        from utils.api.limits import ApiOptions
        from utils.encoders.api import ApiEncoder

        options, budget = api or (ApiOptions(), Budget(None))
        return ApiEncoder(spec, cache_dir, Traffic(spec.checkpoint, spec.provider, spec.base_url, options, budget))
    return NgramEncoder(spec) if spec.fitted else CachedEncoder(spec, device, cache_dir)


def cache_settings(spec: EncoderSpec) -> dict[str, Any]:
    """Return what decides a vector, the key of its cache folder; a local folder counts by its content alone."""
    return {
        "loader": cache_name(spec.loader),
        "checkpoint": "local" if spec.label else spec.checkpoint,
        "revision": spec.revision,
        "prompt": spec.prompt,
        "max_length": spec.max_length,
        "dtype": spec.dtype,
        **({"pooled_in": "fp32"} if spec.dtype != "fp32" else {}),
        **({"backend": spec.backend} if spec.backend != "torch" else {}),
    }
