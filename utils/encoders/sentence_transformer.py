"""Sentence-transformers models: loading, precision, and encoding in batches by number of tokens."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.checkpoints import checkpoint_errors
from utils.encoders.backends import check_backend, swap_transformer
from utils.encoders.batching import TOKENS, Ints, batches
from utils.encoders.fast_tokens import FastTokens, fast_tokens
from utils.encoders.tokens import (
    check_ids,
    cut_padding,
    full_lengths,
    lengths_of,
    longest_text,
    n_added_tokens,
    prepare_tokenizer,
    right_padded,
    set_longest_text,
)
from utils.errors import UserError
from utils.hub import hub_token, is_offline
from utils.numerics import accelerate_linear_layers
from utils.parallel import Worker, cpu_workers, gpu_workers, map_parts
from utils.protocols import TextEncoder
from utils.schema import EncoderSpec
from utils.weights import load_whole

if TYPE_CHECKING:
    import torch

    from utils.encoders.cache import Counted, Lengths
    from utils.schema import Rows

STEP = {"cpu": None, "cuda": 1024}  # texts that are tokenised while a GPU computes those before them
UNPADDED_TEXTS = 256  # per batch, where texts are concatenated without padding
PROBE = "one, two, three"
LONG_PROBE = 8 * f"{PROBE}, "
CLOSE = {
    "fp32": 1e-4,
    "bf16": 0.1,
    "fp16": 0.02,
}  # largest change of a vector by padding, as a share of its largest value
ON_TEXTS = "check that the checkpoint is an encoder of texts; --verbose shows where its library failed"


def load_sentence_transformer(spec: EncoderSpec, device: str, cache_dir: Path) -> TextEncoder:
    """Load a checkpoint from the hub or a folder; a masked language model without pooling gets mean pooling."""
    revision = None if spec.label else spec.revision
    return SentenceTransformerEncoder(spec, spec.checkpoint, revision, device, cache_dir)


@dataclass(frozen=True)
class _Started:
    """Texts that a device encodes: parts of their places with their rows, and their tokens before and after cutting."""

    parts: list[tuple[Ints, torch.Tensor | Rows]]
    lengths: Lengths | None


class SentenceTransformerEncoder:
    """A sentence-transformers model in the requested precision, with the spec's prompt before every text.

    The transformer computes in that precision, and the modules after it (pooling, projections, norms) in float32.
    """

    def __init__(self, spec: EncoderSpec, path: str, revision: str | None, device: str, cache_dir: Path) -> None:
        check_backend(spec.backend, device, spec.dtype)
        self.spec, self.device = spec, device
        self.prompt = spec.prompt or ""
        self.is_padded = True
        self.fast: FastTokens | None = None
        with checkpoint_errors(spec.name, revision, path):
            self.model = load_model(spec, path, revision, device).eval()
            _check_route(self.model, spec.name)
            prepare_tokenizer(self.model)
            set_precision(self.model, spec)
            self.limit = set_max_length(self.model, spec)
            self.fast = fast_tokens(self.model, self.prompt, self.limit)
            if spec.backend != "torch":
                swap_transformer(self.model, spec, cache_dir, self._features([PROBE, "four"]))
            elif spec.dtype == "fp32":
                accelerate_linear_layers(self.model, lambda: self._embeddings(self._features([PROBE])))
            self.workers = gpu_workers(self.model) if device == "cuda" else cpu_workers(self.model)
            self.is_padded = not self._depends_on_neighbours()

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
                started = [self._start(texts[at : at + step]) for at in range(0, len(texts), step)]
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

    def _start(self, texts: Sequence[str]) -> _Started:
        """Tokenise texts and let the device begin to encode them; a GPU goes on by itself."""
        features = self._features(texts)
        kept = lengths_of(features, len(texts))
        full = None if kept is None else full_lengths(self.model, texts, self.prompt, kept, self.limit)
        lengths = None if kept is None or full is None else (full, kept)
        if kept is None or "attention_mask" not in features:
            return _Started([(np.arange(len(texts)), self._encode_by_library(texts))], lengths)
        check_ids(self.model, features, self.spec.name)
        most = TOKENS[self.device] if self.spec.batch_size is None else None

        def work(worker: Worker, part: Ints) -> torch.Tensor:
            return self._embeddings(cut_padding(features, part, int(kept[part].max())), worker)

        parts = batches(kept, most, self.spec.batch_size, equal=not self.is_padded)
        return _Started(list(map_parts(self.workers, work, parts, "texts")), lengths)

    def _finish(self, started: _Started) -> Rows:
        """Return the rows of texts (n, d) once the device has encoded them."""
        n_texts = sum(len(part) for part, _ in started.parts)
        rows = np.empty((n_texts, started.parts[0][1].shape[1]), dtype=np.float32)
        for part, part_rows in started.parts:
            rows[part] = part_rows if isinstance(part_rows, np.ndarray) else part_rows.cpu().numpy()
        return rows

    def _encode_by_library(self, texts: Sequence[str]) -> Rows:
        """Encode with the library, for models without padding (flash attention) and models without tokens."""
        rows = self.model.encode(
            list(texts),
            prompt=self.prompt,
            batch_size=(self.spec.batch_size or UNPADDED_TEXTS) if self.is_padded else 1,
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


def set_max_length(model: Any, spec: EncoderSpec) -> int | None:
    """Cut texts at the number of tokens that the spec asks for or the model takes, and return it; None for any number.

    Raises UserError for a number that the model does not take, or that leaves nothing of a text.
    """
    limit, asked = longest_text(model), spec.max_length
    if asked is not None and limit is not None and asked > limit:
        raise UserError(f"--max_length {asked}, but {spec.name} takes {limit} tokens at most", f"give 1 to {limit}")
    limit = limit if asked is None else asked
    if limit is not None:
        added = n_added_tokens(model)
        if limit <= added:  # tokenizers would not cut at all
            raise UserError(
                f"{spec.name} at a maximum length of {limit} reads nothing of a text: it adds {added} "
                "tokens of its own",
                f"give --max_length {added + 1} or more"
                if asked
                else "mend model_max_length in its tokenizer_config.json",
            )
        set_longest_text(model, limit)
    return limit


def set_precision(model: Any, spec: EncoderSpec) -> None:
    """Let the transformer compute in the precision of the spec, and the modules after it in float32."""
    import torch

    stored = next((p.dtype for p in model.parameters()), torch.float32)
    wanted = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[spec.dtype]
    if stored in (torch.float16, torch.bfloat16) and wanted == torch.float32:
        print(
            f"warning: {spec.name} is stored in half precision ({str(stored)[6:]}); "
            "it is computed in fp32 (--dtype changes that)",
            file=sys.stderr,
        )
    for place, module in enumerate(model):
        module.to(dtype=torch.float32 if place else wanted)
    model[0].register_forward_hook(_in_float32)


def _check_route(model: Any, name: str) -> None:
    """Raise UserError for a model with a module for queries and one for documents, and no default."""
    first = model[0]
    if hasattr(first, "default_route") and first.default_route is None:
        routes = " and ".join(map(repr, first.sub_modules))
        raise UserError(
            f"the checkpoint {name!r} has modules of their own for {routes} and no default route",
            "both sides of a search are encoded in one way: set default_route in its router_config.json",
        )


def _in_float32(module: Any, inputs: Any, output: dict[str, Any]) -> dict[str, Any]:
    """Convert token vectors to float32 before pooling: sums of many bfloat16 values lose digits."""
    import torch

    return {
        name: value.float() if isinstance(value, torch.Tensor) and value.is_floating_point() else value
        for name, value in output.items()
    }


def load_model(
    spec: EncoderSpec, path: str, revision: str | None, device: str, library_class: str = "SentenceTransformer"
) -> Any:
    """Return a model of one of the library's classes, all of whose weights came from the checkpoint."""
    import logging

    if revision is not None and not is_offline():  # its errors say what is wrong
        from huggingface_hub import HfApi

        HfApi().model_info(path, revision=revision, token=hub_token())
    import sentence_transformers
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.getLogger("sentence_transformers").setLevel(
        logging.ERROR
    )  # it warns of the mean pooling of a masked LM, which is intended
    kwargs: dict[str, Any] = {"device": device, "revision": revision, "token": hub_token()}
    kwargs["local_files_only"] = revision is None or is_offline()
    kwargs["trust_remote_code"] = spec.trust_remote_code

    def load(how: dict[str, Any]) -> Any:
        return getattr(sentence_transformers, library_class)(path, model_kwargs={"dtype": "auto", **how}, **kwargs)

    if device == "cuda" and spec.dtype != "fp32" and importlib.util.find_spec("flash_attn"):
        flash = {"attn_implementation": "flash_attention_2"}
        with contextlib.suppress(ValueError, ImportError):  # models without this attention
            return load_whole(lambda how: load({**flash, **how}), spec.name, _does_without)
    return load_whole(load, spec.name, _does_without)


def _does_without(model: Any, weight: str) -> bool:
    """Return whether a model pools token vectors and so makes no use of this weight of a pooler."""
    outputs = [
        way["method_output_name"]
        for module in model.modules()
        for way in getattr(module, "modality_config", {}).values()
    ]
    return "pooler" in weight.split(".") and "pooler_output" not in outputs
