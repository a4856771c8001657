"""Sentence-transformers models: loading, precision, and encoding in batches by number of tokens."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.encoders.backends import check_backend, swap_transformer
from utils.encoders.batching import TOKENS, Ints, batches
from utils.errors import UserError, first_line
from utils.hub import WITHOUT_A_NETWORK, hub_errors, hub_token, is_offline
from utils.numerics import accelerate_linear_layers
from utils.parallel import Worker, cpu_workers, gpu_workers, map_parts
from utils.protocols import TextEncoder
from utils.schema import EncoderSpec
from utils.weights import load_whole

if TYPE_CHECKING:
    import torch

    from utils.schema import Rows

UNPADDED_TEXTS = 256  # per batch, where texts are concatenated without padding
PROBE = "one, two, three"


def load_sentence_transformer(spec: EncoderSpec, device: str, cache_dir: Path) -> TextEncoder:
    """Load a checkpoint from the hub or a folder; a masked language model without pooling gets mean pooling."""
    revision = None if spec.label else spec.revision
    return SentenceTransformerEncoder(spec, spec.checkpoint, revision, device, cache_dir)


class SentenceTransformerEncoder:
    """A sentence-transformers model in the requested precision, with the spec's prompt before every text.

    The transformer computes in that precision, and the modules after it (pooling, projections, norms) in float32.
    """

    def __init__(self, spec: EncoderSpec, path: str, revision: str | None, device: str, cache_dir: Path) -> None:
        from safetensors import SafetensorError

        check_backend(spec.backend, device, spec.dtype)
        self.spec, self.device = spec, device
        try:
            with hub_errors(f"the checkpoint {spec.name!r}", local=revision is None):
                self.model = _load_model(spec, path, revision, device).eval()
        except (OSError, SafetensorError, ImportError, RuntimeError, KeyError) as error:
            if revision is not None and is_offline():
                what = f"the checkpoint {spec.name!r} is not in the cache, and the hub cannot be reached"
                raise UserError(what, WITHOUT_A_NETWORK) from error
            raise UserError(
                f"the checkpoint {spec.name!r} does not load: {first_line(error)}",
                "check that all its files are there and complete",
            ) from error
        self._set_precision()
        self._set_max_length()
        if spec.backend != "torch":
            swap_transformer(self.model, spec, cache_dir, self._features([PROBE, "four"]))
        elif spec.dtype == "fp32":
            accelerate_linear_layers(self.model, lambda: self._embeddings(self._features([PROBE])))
        self.workers = gpu_workers(self.model) if device == "cuda" else cpu_workers(self.model)

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
        for place, module in enumerate(self.model):
            module.to(dtype=torch.float32 if place else wanted)
        self.model[0].register_forward_hook(_in_float32)

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
        """Return one float32 row per text (n, d), as `SentenceTransformer.encode` does.

        A batch that does not fit into the device's memory is halved.
        """
        import torch

        try:
            features = self._features(texts)
            if "attention_mask" not in features or features["attention_mask"].shape[0] != len(texts):
                return self._encode_by_library(texts)
            return self._encode_by_tokens(features)
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"{self.spec.name} runs out of device memory on one text", "use --max_length, or --dtype bf16"
            ) from error

    def _encode_by_tokens(self, features: dict[str, Any]) -> Rows:
        lengths = features["attention_mask"].sum(dim=1).numpy()
        most = TOKENS[self.device] if self.spec.batch_size is None else None
        is_left = getattr(self.model.tokenizer, "padding_side", "right") == "left"

        def work(worker: Worker, part: Ints) -> torch.Tensor:
            return self._embeddings(_cut(features, part, int(lengths[part].max()), is_left), worker)

        found = list(map_parts(self.workers, work, batches(lengths, most, self.spec.batch_size), "texts"))
        rows = np.empty((len(lengths), found[0][1].shape[1]), dtype=np.float32)
        for part, part_rows in found:
            rows[part] = part_rows.cpu().numpy()
        return rows

    def _encode_by_library(self, texts: Sequence[str]) -> Rows:
        """Encode with the library, for models without padding (flash attention) and models without tokens."""
        rows = self.model.encode(
            list(texts),
            prompt=self.spec.prompt,
            batch_size=self.spec.batch_size or UNPADDED_TEXTS,
            show_progress_bar=False,
            convert_to_numpy=True,
        )
        return np.asarray(rows, dtype=np.float32)

    def _features(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return the features of all texts, padded to the longest."""
        features: dict[str, Any] = self.model.preprocess(list(texts), prompt=self._prompt())
        return features

    def _prompt(self) -> str | None:
        if self.spec.prompt is not None or self.model.default_prompt_name is None:
            return self.spec.prompt
        found: str = self.model.prompts[self.model.default_prompt_name]
        return found

    def _embeddings(self, features: dict[str, Any], worker: Worker | None = None) -> torch.Tensor:
        """Return the vectors of a batch (n, d), on its device."""
        import torch

        model, device = (worker.model, worker.device) if worker else (self.model, self.device)
        placed = {
            name: value.to(device, non_blocking=True) if isinstance(value, torch.Tensor) else value
            for name, value in features.items()
        }
        rows: torch.Tensor = model(placed)["sentence_embedding"]
        return rows[:, : model.truncate_dim] if model.truncate_dim else rows


def _cut(features: dict[str, Any], part: Ints, width: int, is_left: bool) -> dict[str, Any]:
    """Return the features of some texts, without the padding that only longer texts need."""
    import torch

    n_texts, full = features["attention_mask"].shape
    rows = torch.from_numpy(part)
    columns = slice(full - width, full) if is_left else slice(0, width)
    chosen = {}
    for name, value in features.items():
        if isinstance(value, torch.Tensor) and value.ndim and value.shape[0] == n_texts:
            value = value[rows]
            value = value[:, columns] if value.ndim > 1 and value.shape[1] == full else value
        chosen[name] = value
    return chosen


def _in_float32(module: Any, inputs: Any, output: dict[str, Any]) -> dict[str, Any]:
    """Convert token vectors to float32 before pooling: sums of many bfloat16 values lose digits."""
    import torch

    return {
        name: value.float() if isinstance(value, torch.Tensor) and value.is_floating_point() else value
        for name, value in output.items()
    }


def _load_model(spec: EncoderSpec, path: str, revision: str | None, device: str) -> Any:
    import logging

    if revision is not None and not is_offline():  # its errors say what is wrong
        from huggingface_hub import HfApi

        HfApi().model_info(path, revision=revision, token=hub_token())
    import transformers
    from sentence_transformers import SentenceTransformer

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.getLogger("sentence_transformers").setLevel(
        logging.ERROR
    )  # it warns of the mean pooling of a masked LM, which is intended
    kwargs: dict[str, Any] = {"device": device, "revision": revision, "token": hub_token()}
    kwargs["local_files_only"] = revision is None or is_offline()

    def load(how: dict[str, Any]) -> Any:
        return SentenceTransformer(path, model_kwargs={"dtype": "auto", **how}, **kwargs)

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
