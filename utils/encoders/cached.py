"""Opening an encoder, and local encoders behind the embedding cache."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.api.limiter import Budget
from utils.api.limits import ApiOptions
from utils.constants import DENSE
from utils.encoders.asymmetric import SIDES, AsymmetricEncoder
from utils.encoders.cache import CHUNK, EmbeddingCache
from utils.encoders.own_pooling import own_pooling
from utils.encoders.reduced import ReducedEncoder
from utils.loaders import cache_name, load_function, load_model
from utils.progress import by_batches, progress
from utils.protocols import Encoder, TextEncoder
from utils.schema import EncoderSpec

if TYPE_CHECKING:
    from utils.encoders.cache import Counted
    from utils.schema import Rows

GPU_CHUNK = 16_384  # texts that a GPU encodes in one call, and that a killed run may lose


def open_encoder(
    spec: EncoderSpec, device: str, cache_dir: Path, api: tuple[ApiOptions, Budget] | None = None
) -> Encoder:
    """Return an encoder; nothing is loaded, and no server contacted, before a text is missing in the cache."""
    if spec.fitted:
        encoder: Encoder = load_function(spec.loader)(spec, device, cache_dir)
        return encoder
    if spec.kind != DENSE:
        from utils.encoders.cached_ragged import CachedRaggedEncoder

        return CachedRaggedEncoder(
            spec, device, cache_dir, cache_settings(spec), lambda: load_encoder(spec, device, cache_dir)
        )
    encoder = _open_dense(spec, device, cache_dir, api)
    is_whole = spec.embedding_precision == "float32" and (spec.provider or not spec.dimensions)
    return encoder if is_whole else ReducedEncoder(spec, encoder, cache_dir)


def _open_dense(spec: EncoderSpec, device: str, cache_dir: Path, api: tuple[ApiOptions, Budget] | None) -> Encoder:
    opened = _open_api(spec, cache_dir, api) if spec.provider else _open_local(device, cache_dir)
    sides = [spec.of_side(side) for side in SIDES]
    return opened(spec) if sides[0] == sides[1] else AsymmetricEncoder(spec, *map(opened, sides))


def _open_api(
    spec: EncoderSpec, cache_dir: Path, api: tuple[ApiOptions, Budget] | None
) -> Callable[[EncoderSpec], Encoder]:
    from utils.api.client import ApiClient
    from utils.encoders.api import ApiEncoder

    client = ApiClient(spec, *(api or (ApiOptions(), Budget(None))))
    return lambda side: ApiEncoder(side, client, cache_dir)


def _open_local(device: str, cache_dir: Path) -> Callable[[EncoderSpec], Encoder]:
    """Return what opens the encoder of a side; both have one model, unless a side has modules of its own."""
    loaded: list[TextEncoder] = []

    def load(side: EncoderSpec) -> TextEncoder:
        if loaded and not side.side and hasattr(loaded[0], "as_side"):
            shared: TextEncoder = loaded[0].as_side(side)
            return shared
        loaded.append(load_encoder(side, device, cache_dir))
        return loaded[-1]

    return lambda side: CachedEncoder(side, device, cache_dir, load)


def load_encoder(spec: EncoderSpec, device: str, cache_dir: Path) -> TextEncoder:
    """Load the model of a local encoder that is not fitted."""
    encoder: TextEncoder = load_model(spec.loader, spec, device, cache_dir)
    return encoder


class CachedEncoder:
    """A local encoder behind the embedding cache; the model is loaded when a text is not in the cache."""

    client = None

    def __init__(
        self, spec: EncoderSpec, device: str, cache_dir: Path, load: Callable[[EncoderSpec], TextEncoder]
    ) -> None:
        self.spec, self._load = spec, load
        chunk, same = GPU_CHUNK if device == "cuda" else CHUNK, [cache_settings(twin) for twin in twins_of(spec)]
        self.cache = EmbeddingCache(cache_dir, cache_settings(spec), chunk, same=same)
        self._encoder: TextEncoder | None = None
        self._cut: dict[str, int] = {}

    def embed(self, queries: Sequence[str], candidates: Sequence[str]) -> tuple[Rows, Rows]:
        """Return the vectors of both sides, (n, d) and (m, d); each distinct text is encoded once."""
        texts = [*queries, *candidates]
        with progress(len(self.missing(texts)), self.spec.name) as advance:
            rows = self.cache.rows(texts, lambda chunk: self._encode(chunk, advance))
        self._cut = self.cache.cut_texts(texts)
        return rows[: len(queries)], rows[len(queries) :]

    @property
    def counts(self) -> dict[str, int]:
        """The distinct texts of the last call that the cache had (hits) and did not have (misses).

        Also how many were cut, with the tokens of all texts and those lost, where the cache knows it of every text.
        """
        return {"hits": self.cache.hits, "misses": self.cache.misses, **self._cut}

    def missing(self, queries: Sequence[str], candidates: Sequence[str] = ()) -> list[str]:
        """Return the distinct texts that the cache does not have, longest first."""
        return self.cache.missing([*queries, *candidates])

    def quote(self, queries: Sequence[str], candidates: Sequence[str] = ()) -> str:
        """Return nothing: a local encoder has no costs."""
        return ""

    def _encode(self, texts: list[str], advance: Callable[[int], object]) -> Rows | Counted:
        if self._encoder is None:
            self._encoder = self._load(self.spec)
        encode = getattr(self._encoder, "encode_counted", self._encoder.encode)  # also counts tokens
        with by_batches(len(texts), advance):
            encoded: Rows | Counted = encode(texts)
        return encoded


def twins_of(spec: EncoderSpec) -> list[EncoderSpec]:
    """Return specs of the same vectors: the pooling of a checkpoint without its name where it is named, and with it.

    A spec that names neither a pooling nor a layer has none, so that plain runs read no file of a checkpoint.
    """
    if not spec.pooling and spec.layer is None:
        return []
    own = own_pooling(spec)
    other = "" if spec.pooling == own else own
    return [dataclasses.replace(spec, pooling=other)] if own and spec.pooling in ("", own) else []


def cache_settings(spec: EncoderSpec) -> dict[str, Any]:
    """Return the settings that decide a vector; they are the key of the cache. A local folder counts by its content."""
    return {
        "loader": cache_name(spec.loader),
        "checkpoint": "local" if spec.label else spec.checkpoint,
        "revision": spec.revision,
        "prompt": None if spec.has_own_prompt else spec.prompt,  # None: as the checkpoint's configuration says
        "max_length": spec.max_length,
        "dtype": spec.dtype,
        **({"trust_remote_code": True} if spec.trust_remote_code else {}),
        **({"pooled_in": "fp32"} if spec.dtype != "fp32" else {}),
        **({"kind": spec.kind} if spec.kind != DENSE else {}),
        **({"backend": spec.backend} if spec.backend != "torch" else {}),
        **({"pooling": spec.pooling} if spec.pooling else {}),
        **({"attention": spec.attention} if spec.attention else {}),
        **({"layer": spec.layer} if spec.layer is not None else {}),
        **({"side": spec.side} if spec.side else {}),
        **({"passage_prompt": spec.passage_prompt} if spec.kind != DENSE and spec.passage_prompt is not None else {}),
    }
