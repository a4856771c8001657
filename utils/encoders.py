"""Encoders: resolving what a checkpoint is, loading it on first use, and encoding through the cache."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cache import EmbeddingCache
from utils.hub import WITHOUT_A_NETWORK, hub_errors, hub_token, is_offline
from utils.schema import Encoder, EncoderSpec, UserError

if TYPE_CHECKING:
    from utils.api_encoders import ApiEncoder
    from utils.schema import ApiOptions, Rows
    from utils.traffic import Budget

NGRAM_FEATURES = 4096  # hashed columns of baseline/char_ngram
NGRAM_LENGTHS = (2, 4)


def load_encoder(spec: EncoderSpec, device: str, cache_dir: Path) -> Encoder:
    """Load the model itself, by the loader that the spec names."""
    module, function = spec.loader.split(":")
    encoder: Encoder = getattr(importlib.import_module(module), function)(spec, device, cache_dir)
    return encoder


class CachedEncoder:
    """An encoder behind the embedding cache; the model is loaded when the first text is missing."""

    def __init__(self, spec: EncoderSpec, device: str, cache_dir: Path) -> None:
        self.spec, self.device, self.cache_dir = spec, device, cache_dir
        self.cache = EmbeddingCache(cache_dir, cache_settings(spec))
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


def open_encoder(
    spec: EncoderSpec, device: str, cache_dir: Path, api: tuple[ApiOptions, Budget] | None = None
) -> CachedEncoder | NgramEncoder | ApiEncoder:
    """Return an encoder that loads its model, or opens its client, only when a text is not in the cache."""
    if spec.provider:
        from utils.api_encoders import ApiEncoder
        from utils.schema import ApiOptions
        from utils.traffic import Budget, Traffic

        options, budget = api or (ApiOptions(), Budget(None))
        return ApiEncoder(spec, cache_dir, Traffic(spec.checkpoint, spec.provider, spec.base_url, options, budget))
    return NgramEncoder(spec) if spec.fitted else CachedEncoder(spec, device, cache_dir)


def cache_settings(spec: EncoderSpec) -> dict[str, Any]:
    """Return what decides a vector, the key of its cache folder; a local folder counts by its content alone."""
    return {
        "loader": spec.loader,
        "checkpoint": "local" if spec.label else spec.checkpoint,
        "revision": spec.revision,
        "prompt": spec.prompt,
        "max_length": spec.max_length,
        "dtype": spec.dtype,
    }


@contextmanager
def progress(total: int, name: str) -> Iterator[Callable[[int], object]]:
    """A bar over texts on a terminal; nothing elsewhere, or where no text is missing."""
    from tqdm import tqdm

    with tqdm(
        total=total, desc=f"encoding ({name})", unit=" texts", leave=False, disable=None if total else True
    ) as bar:
        yield bar.update


def load_sentence_transformer(spec: EncoderSpec, device: str, cache_dir: Path) -> Encoder:
    """Load a checkpoint of the hub or of a folder; a plain masked language model gets mean pooling."""
    return SentenceTransformerEncoder(spec, spec.checkpoint, None if spec.label else spec.revision, device)


class SentenceTransformerEncoder:
    """A sentence-transformers model in the asked precision, its prompt put before every text."""

    def __init__(self, spec: EncoderSpec, path: str, revision: str | None, device: str) -> None:
        from safetensors import SafetensorError

        self.spec = spec
        self.batch_size = spec.batch_size
        try:
            with hub_errors(f"the checkpoint {spec.name!r}", local=revision is None):
                self.model = _load_model(path, revision, device)
        except (OSError, SafetensorError, ImportError, RuntimeError, KeyError) as error:
            if revision is not None and is_offline():
                what = f"the checkpoint {spec.name!r} is not in the cache, and the hub is not reached"
                raise UserError(what, WITHOUT_A_NETWORK) from error
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UserError(
                f"the checkpoint {spec.name!r} does not load: {first}", "are all its files there and whole?"
            ) from error
        self._set_precision()
        self._set_max_length()

    def _set_precision(self) -> None:
        import torch

        stored = next((p.dtype for p in self.model.parameters()), torch.float32)
        wanted = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[self.spec.dtype]
        if stored in (torch.float16, torch.bfloat16) and wanted == torch.float32:
            print(
                f"warning: {self.spec.name} is stored in half precision ({str(stored)[6:]}); "
                "it is computed in fp32 (--dtype changes that)",
                file=sys.stderr,
            )
        self.model.to(dtype=wanted)

    def _set_max_length(self) -> None:
        limit = self.model.max_seq_length
        if self.spec.max_length is None:
            return
        if limit and self.spec.max_length > limit:
            raise UserError(
                f"--max_length {self.spec.max_length}, but {self.spec.name} takes {limit} tokens at most",
                f"give 1 to {limit}",
            )
        self.model.max_seq_length = self.spec.max_length

    def encode(self, texts: Sequence[str]) -> Rows:
        """Return one float32 row a text (n, d); the batch is halved when the device runs out of memory."""
        import torch

        while True:
            try:
                rows = self.model.encode(
                    list(texts),
                    prompt=self.spec.prompt,
                    batch_size=self.batch_size,
                    show_progress_bar=False,
                    convert_to_numpy=True,
                )
                return np.asarray(rows, dtype=np.float32)
            except torch.OutOfMemoryError as error:
                if self.batch_size == 1:
                    raise UserError(
                        f"{self.spec.name} runs out of device memory on one text", "use --max_length, or --dtype bf16"
                    ) from error
                self.batch_size //= 2
                torch.cuda.empty_cache()
                print(f"note: out of device memory: batches of {self.batch_size} from here on", file=sys.stderr)


def _load_model(path: str, revision: str | None, device: str) -> Any:
    import logging

    if revision is not None and not is_offline():  # asks for errors that say what is wrong
        from huggingface_hub import HfApi

        HfApi().model_info(path, revision=revision, token=hub_token())
    import transformers
    from sentence_transformers import SentenceTransformer

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)  # mean pooling for a masked LM is meant so
    kwargs = {"device": device, "revision": revision, "token": hub_token(), "model_kwargs": {"dtype": "auto"}}
    return SentenceTransformer(path, local_files_only=revision is None or is_offline(), **kwargs)


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
