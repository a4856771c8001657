"""Opening language models of transformers: their tokenizer, their weights, and how many tokens they take."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from utils.checkpoints import COMPLETE, check_adapter, checkpoint_errors
from utils.errors import UserError, first_line
from utils.generators.label_scoring import score_one_by_one
from utils.generators.tokenization import PromptReader
from utils.generators.tries import Tokenized
from utils.hub import hub_token, is_offline
from utils.numerics import accelerate_linear_layers, use_attention_of_any_shape
from utils.schema import GeneratorSpec
from utils.weights import check_vocabulary, load_whole, quantization_config

UNLIMITED = ("bloom", "t5", "mt5", "umt5")  # relative positions: prompts of any length
PACKING = "support_avx512bf16_for_cpu"  # by which bitsandbytes repacks weights that then have no gradients
FEW_TOKENS = Tokenized((1, 1), ((1,),), (0,))


def context_of(config: Any) -> int | None:
    """Return how many tokens a model takes, by its configuration; None where there is no limit."""
    text = config.get_text_config(decoder=True)
    limit = getattr(text, "max_position_embeddings", None) or getattr(text, "n_positions", None)
    return int(limit) if limit and config.model_type not in UNLIMITED else None


def check_lengths(name: str, limit: int | None, lengths: Sequence[int]) -> None:
    """Raise UserError where prompts with these numbers of tokens, and what is generated, are longer than a limit."""
    if limit and max(lengths, default=0) > limit:
        raise UserError(
            f"a prompt has {max(lengths)} tokens, but {name} takes {limit} at most",
            "use a smaller --k, or fewer --max_new_tokens",
        )


def load_whole_model(spec: GeneratorSpec, path: str, device: str) -> tuple[Any, Any]:
    """Return tokenizer and model in evaluation mode."""
    found: tuple[Any, Any] = _guarded(spec, path, lambda revision: _from_pretrained(spec, path, revision, device))
    return found


def _guarded(spec: GeneratorSpec, path: str, load: Callable[[str | None], Any]) -> Any:
    """Return what `load` returns for the checkpoint's revision, None for a folder; UserError where it fails."""
    revision = None if spec.label or spec.checkpoint.startswith("bundled/") else spec.revision
    hint = COMPLETE
    if spec.quantization:
        hint = f"if this machine does not support {spec.quantization}, leave out --load_in_{spec.quantization}"
    with checkpoint_errors(spec.name, revision, Path(path) / spec.file, hint=hint):
        try:
            return load(revision)
        except ImportError as error:
            hint = "pip install -r requirements.txt -r requirements-icl.txt"
            raise UserError(f"{spec.name} needs a package: {first_line(error)}", hint) from error


def _from_pretrained(spec: GeneratorSpec, path: str, revision: str | None, device: str) -> tuple[Any, Any]:
    import torch

    tokenizer, model = _opened(spec, path, revision, device)
    model.eval()
    if spec.quantization:  # missing hardware support shows only in a computation
        score_one_by_one(model, FEW_TOKENS)
    elif model.dtype == torch.float32 and not _has_several(device):
        accelerate_linear_layers(model, lambda: torch.tensor(score_one_by_one(model, FEW_TOKENS)))
    return tokenizer, model


def open_trainable(spec: GeneratorSpec, path: str, device: str) -> tuple[Any, Any]:
    """Return the tokenizer and the model of a checkpoint, with its layers as the library has them.

    Errors are those of a generator that is loaded.
    """

    def load(revision: str | None) -> tuple[Any, Any]:
        tokenizer, model = _opened(spec, path, revision, device)
        for layer in model.modules():
            if hasattr(layer, PACKING):
                setattr(layer, PACKING, False)
        if spec.quantization:  # missing hardware support shows only in a computation
            score_one_by_one(model, FEW_TOKENS)
        return tokenizer, model

    found: tuple[Any, Any] = _guarded(spec, path, load)
    return found


def _opened(spec: GeneratorSpec, path: str, revision: str | None, device: str) -> tuple[Any, Any]:
    import torch
    import transformers

    use_attention_of_any_shape(device)
    check_adapter(path, revision, spec.name)
    tokenizer = _tokenizer(spec, path, revision)
    place = _place(spec, revision)
    kind = transformers.AutoModelForSeq2SeqLM if spec.kind == "seq2seq" else transformers.AutoModelForCausalLM
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[spec.dtype]
    several = _has_several(device)
    if several or spec.quantization:
        place["device_map"] = "auto" if several else {"": device}
    if spec.quantization:
        place["quantization_config"] = quantization_config(spec.quantization, dtype)
    with (
        contextlib.redirect_stderr(io.StringIO()) if spec.file else contextlib.nullcontext()
    ):  # hides GGUF's progress bar
        model = load_whole(lambda how: kind.from_pretrained(path, dtype=dtype, **place, **how), spec.name)
    return tokenizer, model if "device_map" in place else model.to(device)


def _has_several(device: str) -> bool:
    """Return whether a model is spread over several GPUs."""
    import torch

    return device == "cuda" and torch.cuda.device_count() > 1


def _place(spec: GeneratorSpec, revision: str | None) -> dict[str, Any]:
    """Return the arguments by which transformers finds a checkpoint's files."""
    files = {"gguf_file": spec.file} if spec.file else {}
    offline = revision is None or is_offline()
    # False and not None, for which transformers asks on the terminal
    trusted = {"trust_remote_code": spec.trust_remote_code}
    return {"revision": revision, "token": hub_token(), "local_files_only": offline, **trusted, **files}


def _tokenizer(spec: GeneratorSpec, path: str, revision: str | None) -> Any:
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path, **_place(spec, revision))
    check_vocabulary(tokenizer, spec.name)
    tokenizer("a")  # some faults of its files show only when it reads a text
    return tokenizer


def open_reader(spec: GeneratorSpec, path: str) -> PromptReader:
    """Return the prompt reader of a checkpoint without loading its model; UserError where it has no tokenizer."""
    return PromptReader(spec, _guarded(spec, path, lambda revision: _tokenizer(spec, path, revision)))


def read_context(spec: GeneratorSpec, path: str) -> int | None:
    """Return how many tokens a checkpoint takes, without loading its model; None where there is no limit."""
    import transformers

    def load(revision: str | None) -> int | None:
        return context_of(transformers.AutoConfig.from_pretrained(path, **_place(spec, revision)))

    found: int | None = _guarded(spec, path, load)
    return found
