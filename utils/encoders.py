"""Encoders: resolving what a checkpoint is, loading it on first use, and encoding through the cache."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils import registry
from utils.cache import EmbeddingCache, fingerprint, write_atomic
from utils.hub import WITHOUT_A_NETWORK, hub_errors, hub_token, is_offline, last_downloaded
from utils.schema import Encoder, EncoderSpec, UserError
from utils.sources import sha256_of

if TYPE_CHECKING:
    from utils.schema import Rows

NGRAM_FEATURES = 4096  # hashed columns of baseline/char_ngram
NGRAM_LENGTHS = (2, 4)
IGNORED_FILES = (
    ".git",
    ".cache",
    "README.md",
    ".gitattributes",
    "onnx",
    "openvino",
)  # not part of a checkpoint's content


def resolve_encoder(
    name: str,
    cache_dir: Path,
    *,
    prompt: str | None = None,
    max_length: int | None = None,
    dtype: str = "fp32",
    batch_size: int | None = None,
) -> EncoderSpec:
    """Return the full spec of a checkpoint as it was typed: a registry row, a local folder, or any hub id.

    Raises UserError for a folder that is not there, a hub id that cannot be resolved, or a missing package.
    """
    if name in registry.ENCODERS:
        spec = registry.ENCODERS[name]
    elif Path(name).expanduser().is_dir():
        spec = _local_spec(Path(name).expanduser(), cache_dir)
    elif name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise UserError(
            f"--model_checkpoint {name}: no such folder",
            "give a folder of a checkpoint, a hub id, or a name that --list shows",
        )
    else:
        print(
            f"note: {name} is not in the registry: taken for a sentence-transformers checkpoint of the hub",
            file=sys.stderr,
        )
        spec = EncoderSpec(name, registry.SENTENCE_TRANSFORMERS)
    if spec.loader == registry.BUNDLED:
        from utils.bundled import bundled_revision

        spec = dataclasses.replace(spec, revision=bundled_revision())
    elif spec.revision is None:
        spec = dataclasses.replace(spec, revision=_hub_revision(name))
    changes: dict[str, Any] = {"dtype": dtype, "max_length": max_length}
    if prompt is not None:
        changes["prompt"] = prompt
    if batch_size is not None:
        changes["batch_size"] = batch_size
    return dataclasses.replace(spec, **changes)


def _local_spec(folder: Path, cache_dir: Path) -> EncoderSpec:
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not set(path.relative_to(folder).parts) & set(IGNORED_FILES)
    )
    if not any(path.name in ("config.json", "modules.json") for path in files):
        raise UserError(
            f"{folder} holds no checkpoint",
            "expected config.json or modules.json in it, as save_pretrained() writes them",
        )
    digest = _folder_digest(folder, files, cache_dir)
    name = "".join(char if char.isalnum() or char in "._-" else "_" for char in folder.resolve().name)
    return EncoderSpec(
        str(folder), registry.SENTENCE_TRANSFORMERS, f"sha256:{digest}", label=f"local/{name}-{digest[:8]}"
    )


def _folder_digest(folder: Path, files: Sequence[Path], cache_dir: Path) -> str:
    """Hash a folder's content; the hash is remembered for as long as no size or time of a file changes."""
    stats = [(str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    memo = cache_dir / "fingerprints" / f"{fingerprint({'folder': str(folder.resolve()), 'files': stats})}.json"
    try:
        return str(json.loads(memo.read_text())["sha256"])
    except (OSError, ValueError, KeyError):
        pass
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(folder)} {sha256_of(path)}\n".encode())
    write_atomic(memo, json.dumps({"sha256": digest.hexdigest()}).encode())
    return digest.hexdigest()


def _hub_revision(checkpoint: str) -> str:
    """Return the commit that the hub's main branch, or the local hub cache without a network, stands at."""
    with hub_errors(f"the checkpoint {checkpoint!r}"):
        if not is_offline():
            from huggingface_hub import HfApi

            return str(HfApi().model_info(checkpoint, token=hub_token()).sha)
    commit = last_downloaded(checkpoint, "model")
    if commit is not None:
        print(f"note: {checkpoint} is used as it was last downloaded", file=sys.stderr)
        return commit
    close = registry.suggest(checkpoint, registry.ENCODERS) if checkpoint not in registry.ENCODERS else ""
    hint = f"{close} or: {WITHOUT_A_NETWORK}" if close.startswith("did") else WITHOUT_A_NETWORK
    raise UserError(f"the checkpoint {checkpoint!r} is not in the cache, and the hub is not reached", hint)


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
        with _progress(len(self.cache.missing(texts)), self.spec.name) as advance:
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


def open_encoder(spec: EncoderSpec, device: str, cache_dir: Path) -> CachedEncoder | NgramEncoder:
    """Return an encoder that loads its model only when a text is not in the cache."""
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
def _progress(total: int, name: str) -> Iterator[Callable[[int], object]]:
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
