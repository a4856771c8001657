"""Sentence-transformers models with one dense vector for each text: encoding in batches by number of tokens."""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.checkpoints import checkpoint_errors
from utils.constants import QUANTIZATIONS
from utils.encoders.backends import check_backend, swap_transformer
from utils.encoders.batching import TOKENS, Ints, batches
from utils.encoders.decoders import set_attention, set_pooling
from utils.encoders.fast_tokens import FastTokens, fast_tokens
from utils.encoders.joined import batch_of, can_join, check_joined, describe, join, leave
from utils.encoders.layers import most_tokens, set_layers
from utils.encoders.library_models import ON_TEXTS, load_model, modules_of_side, set_max_length, set_precision
from utils.encoders.tokens import (
    check_ids,
    cut_padding,
    full_lengths,
    lengths_of,
    prepare_tokenizer,
    right_padded,
)
from utils.errors import UserError
from utils.numerics import accelerate_linear_layers
from utils.parallel import Worker, ahead, cpu_workers, gpu_workers, map_parts
from utils.progress import batch_done
from utils.protocols import TextEncoder
from utils.schema import EncoderSpec

if TYPE_CHECKING:
    import torch

    from utils.encoders.cache import Counted, Lengths
    from utils.schema import Rows

STEP = {"cpu": None, "cuda": 2048}  # texts that are tokenised while a GPU computes those before them
LIBRARY_TEXTS = 256  # per batch, where the library makes the batches
PROBE = "one, two, three"
MOST_POSITIONS = 8192  # that the comparison of joined with padded texts fills
LONG_PROBE = 8 * f"{PROBE}, "
CLOSE = {
    "fp32": 1e-4,
    "bf16": 0.1,
    "fp16": 0.02,
    **dict.fromkeys(QUANTIZATIONS, 0.2),
}  # largest change of a vector by padding, as a share of its largest value


def load_sentence_transformer(spec: EncoderSpec, device: str, cache_dir: Path) -> TextEncoder:
    """Load a checkpoint from the hub or a folder; a masked language model without pooling gets mean pooling."""
    revision = None if spec.label else spec.revision
    return SentenceTransformerEncoder(spec, spec.checkpoint, revision, device, cache_dir)


@dataclass(frozen=True)
class _Tokens:
    """The features of texts, and their numbers of tokens before and after cutting; None where they have no tokens."""

    texts: Sequence[str]
    features: dict[str, Any]
    lengths: Lengths | None


@dataclass(frozen=True)
class _Started:
    """Texts that a device encodes: parts of their places with their rows, and their tokens before and after cutting."""

    parts: list[tuple[Ints, torch.Tensor | Rows]]
    lengths: Lengths | None


def workers_of(model: Any, spec: EncoderSpec, device: str) -> list[Worker]:
    """Return what computes batches: the cores, or all GPUs; a quantised model, which cannot be copied, uses one."""
    if device != "cuda":
        return cpu_workers(model)
    return [Worker(model, "cuda:0", 1)] if spec.dtype in QUANTIZATIONS else gpu_workers(model)


class SentenceTransformerEncoder:
    """A sentence-transformers model in the requested precision, with the spec's prompt before every text.

    The transformer computes in that precision, and the modules after it (pooling, projections, norms) in float32.
    """

    def __init__(self, spec: EncoderSpec, path: str, revision: str | None, device: str, cache_dir: Path) -> None:
        check_backend(spec.backend, device, spec.dtype)
        self.spec, self.device = spec, device
        self.prompt = spec.prompt or ""
        self.is_padded, self.is_joined = True, False
        self.fast: FastTokens | None = None
        with checkpoint_errors(spec.name, revision, path):
            self.model = load_model(spec, path, revision, device).eval()
            self.model = modules_of_side(self.model, spec)
            prepare_tokenizer(self.model, spec.name)
            set_attention(self.model, spec)
            set_pooling(self.model, spec)
            set_precision(self.model, spec)
            self.limit = set_max_length(self.model, spec)
            self.fast = fast_tokens(self.model, self.prompt, self.limit)
            if spec.layer is not None or spec.places:
                set_layers(self.model, spec, self._features([PROBE, "four"]))
            self.most_tokens = most_tokens(self.model, spec, device, TOKENS[device])
            if spec.backend != "torch":
                swap_transformer(self.model, spec, cache_dir, self._features([PROBE, "four"]))
            elif spec.dtype == "fp32":
                accelerate_linear_layers(self.model, lambda: self._embeddings(self._features([PROBE])))
            self.workers = workers_of(self.model, spec, device)
            if device == "cuda" and can_join(self.model, spec.dtype):
                self._try_to_join()
            self.is_padded = not self._depends_on_neighbours()

    def as_side(self, spec: EncoderSpec) -> SentenceTransformerEncoder:
        """Return the same model for another side of a search, with the prompt of its spec."""
        other = copy.copy(self)
        other.spec, other.prompt = spec, spec.prompt or ""
        other.fast = fast_tokens(self.model, other.prompt, self.limit)
        return other

    def _try_to_join(self) -> None:
        """Join the texts of a batch without padding, if their vectors stay the same.

        The texts of the comparison have more tokens together than one text may have.
        """
        texts = [PROBE, "four", *[LONG_PROBE] * (min(self.limit or 0, MOST_POSITIONS) // len(LONG_PROBE.split()) + 2)]
        for worker in self.workers:
            join(worker.model)

        def rows(is_joined: bool) -> Rows:
            self.is_joined = is_joined
            return self.encode(texts)

        self.is_joined = check_joined(self.spec.name, rows, CLOSE[self.spec.dtype])
        if not self.is_joined:
            for worker in self.workers:
                leave(worker.model)

    def _depends_on_neighbours(self) -> bool:
        """Return whether a text's vector changes beside a longer text, for which it is padded."""
        alone, beside = self.encode([PROBE]), self.encode([PROBE, LONG_PROBE])[:1]
        difference = float(np.abs(alone - beside).max())
        if difference <= CLOSE[self.spec.dtype] * float(np.abs(alone).max()) or not np.isfinite(difference):
            return False
        print(
            f"note: {self.spec.name} takes padding for a part of the text (a vector changes by {difference:.1g}); "
            "only texts of equal length share a batch, which takes longer",
            file=sys.stderr,
        )
        return True

    def encode(self, texts: Sequence[str]) -> Rows:
        """Return one float32 row per text (n, d), as `SentenceTransformer.encode` does.

        A batch that does not fit into the device's memory is halved.
        """
        return self.encode_counted(texts)[0]

    def encode_counted(self, texts: Sequence[str]) -> Counted:
        """Return the rows of `encode`, and each text's number of tokens before and after it was cut.

        The numbers are None where the model has no tokens.
        """
        import torch

        step = STEP[self.device] or max(1, len(texts))
        try:
            with checkpoint_errors(self.spec.name, None, fails="cannot encode these texts", hint=ON_TEXTS):
                steps = [texts[at : at + step] for at in range(0, len(texts), step)]
                # the library's way to tokenise may be called by one thread at a time
                tokenised = map(self._tokenise, steps) if self.fast is None else ahead(self._tokenise, steps)
                started = [self._start(tokens) for tokens in tokenised]
                rows = np.concatenate([self._finish(some) for some in started])
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"{self.spec.name} runs out of device memory on one text", "use --max_length, or --dtype bf16"
            ) from error
        lengths = [some.lengths for some in started if some.lengths is not None]
        if len(lengths) < len(started):
            return rows, None
        full, kept = (np.concatenate(each) for each in zip(*lengths, strict=True))
        return rows, (full, kept)

    def _tokenise(self, texts: Sequence[str]) -> _Tokens:
        """Return the tokens of texts, which a thread of its own does for a GPU."""
        features = self._features(texts)
        kept = lengths_of(features, len(texts))
        if kept is None:
            return _Tokens(texts, features, None)
        full = full_lengths(self.model, texts, self.prompt, kept, self.limit)
        if "attention_mask" in features:
            check_ids(self.model, features, self.spec.name)
        return _Tokens(texts, features, (full, kept))

    def _start(self, tokens: _Tokens) -> _Started:
        """Let the device begin to encode texts; a GPU goes on by itself."""
        features = tokens.features
        if tokens.lengths is None or "attention_mask" not in features:
            rows = self._encode_by_library(tokens.texts)
            return _Started([(np.arange(len(rows)), rows)], tokens.lengths)
        kept = tokens.lengths[1]
        most = self.most_tokens if self.spec.batch_size is None else None

        def work(worker: Worker, part: Ints) -> torch.Tensor:
            return self._compute(features, kept, part, worker)

        parts = batches(kept, most, self.spec.batch_size, equal=not self.is_padded)
        done: list[tuple[Ints, torch.Tensor | Rows]] = []
        for part, part_rows in map_parts(self.workers, work, parts, "texts"):
            done.append((part, part_rows))
            batch_done(len(part))
        return _Started(done, tokens.lengths)

    def _compute(self, features: dict[str, Any], lengths: Ints, part: Ints, worker: Worker) -> torch.Tensor:
        """Return the vectors of some of the texts (n, d), on the worker's device; lengths are those of all texts."""
        width = max(1, int(lengths[part].max()))
        if self.is_joined:
            describe(worker.model, batch_of(lengths[part], width, partial(_placed, device=worker.device)))
        return self._embeddings(cut_padding(features, part, width), worker)

    def _finish(self, started: _Started) -> Rows:
        """Return the rows of texts (n, d) once the device has encoded them."""
        n_texts = sum(len(part) for part, _ in started.parts)
        rows = np.empty((n_texts, started.parts[0][1].shape[1]), dtype=np.float32)
        for part, part_rows in started.parts:
            rows[part] = part_rows if isinstance(part_rows, np.ndarray) else part_rows.cpu().numpy()
        return rows

    def _encode_by_library(self, texts: Sequence[str]) -> Rows:
        """Encode with the library, for models without tokens and those that join texts by themselves."""
        rows = self.model.encode(
            list(texts),
            prompt=self.prompt,
            batch_size=(self.spec.batch_size or LIBRARY_TEXTS) if self.is_padded else 1,
            show_progress_bar=False,
            convert_to_numpy=True,
        )
        return np.asarray(rows, dtype=np.float32)

    def _features(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return the features of all texts, padded to the longest behind their tokens."""
        if self.fast is not None:
            return self.fast.features(texts)
        features: dict[str, Any] = self.model.preprocess(list(texts), prompt=self.prompt)
        return right_padded(features) if lengths_of(features, len(texts)) is not None else features

    def _embeddings(self, features: dict[str, Any], worker: Worker | None = None) -> torch.Tensor:
        """Return the vectors of a batch (n, d), on its device."""
        import torch

        model, device = (worker.model, worker.device) if worker else (self.model, self.device)
        placed = {
            name: _placed(value, device) if isinstance(value, torch.Tensor) else value
            for name, value in features.items()
        }
        rows: torch.Tensor = model(placed)["sentence_embedding"]
        return rows[:, : model.truncate_dim] if model.truncate_dim else rows


def _placed(value: torch.Tensor, device: str) -> torch.Tensor:
    """Return a tensor on a device; a GPU copies it when it comes to it, and nothing waits for the copy."""
    return value if device == "cpu" else value.pin_memory().to(device, non_blocking=True)
