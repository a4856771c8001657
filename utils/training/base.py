"""The checkpoint that a training begins with."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from utils.checkpoints import local_digest
from utils.encoders.bundled import expand_bundled
from utils.encoders.registry import ENCODERS
from utils.encoders.resolve import EncodingOptions, is_api_encoder, resolve_local_encoder
from utils.errors import UserError
from utils.generators.bundled import expand_bundled as expand_bundled_generator
from utils.generators.resolve import resolve_api_generator, resolve_local_generator
from utils.loaders import BUNDLED, BUNDLED_GENERATOR, SENTENCE_TRANSFORMERS
from utils.rerankers.resolve import RerankOptions, resolve_reranker
from utils.rerankers.spec import CROSS_ENCODER
from utils.schema import EncoderSpec, GeneratorSpec


@dataclass(frozen=True)
class Base:
    """A checkpoint that can be trained.

    name: as users call it. path: a folder, or an id of the hub. revision: the commit on the hub, None for a folder.
    digest: what identifies the weights: the revision, or the hash of the folder's content. prompt: the text that the
    checkpoint expects before a text, as the suite uses it; passage_prompt: before passages, None where they are alike.
    spec: the encoder that it is; None where it is none.
    """

    name: str
    path: str
    revision: str | None
    digest: str
    prompt: str
    passage_prompt: str | None
    trust_remote_code: bool = False
    spec: EncoderSpec | None = None

    def identity(self) -> dict[str, Any]:
        """Return what decides the weights that a training begins with."""
        return {"checkpoint": self.name, "revision": self.digest}


def encoder_base(
    name: str,
    cache_dir: Path,
    *,
    trust_remote_code: bool = False,
    sides: bool = False,
    pooling: str | None = None,
    attention: str | None = None,
) -> Base:
    """Return an encoder's checkpoint: a row of the registry, a folder, or an id of the hub.

    sides: whether queries and passages have prompts of their own. pooling and attention: of token vectors, None as the
    checkpoint has them. Raises UserError for what has no weights to train.
    """
    if is_api_encoder(name):
        raise UserError(f"training {name}", "an API model has no weights here: choose a local checkpoint")
    options = EncodingOptions(
        trust_remote_code=trust_remote_code, has_sides=sides, pooling=pooling, attention=attention
    )
    spec = resolve_local_encoder(name, cache_dir, options)
    if spec.loader not in (BUNDLED, SENTENCE_TRANSFORMERS):
        what = f"training {spec.name}, which is a {'baseline' if spec.fitted else f'{spec.kind} encoder'}"
        raise UserError(what, "choose an encoder with one dense vector for each text")
    path = str(expand_bundled(cache_dir)) if spec.loader == BUNDLED else spec.checkpoint
    is_folder = bool(spec.label) or spec.loader == BUNDLED
    digest = spec.revision or f"sha256:{local_digest(Path(path), cache_dir)}"
    prompts = spec.prompt or "", spec.passage_prompt
    return Base(spec.name, path, None if is_folder else spec.revision, digest, *prompts, trust_remote_code, spec)


def reranker_base(name: str, cache_dir: Path, *, trust_remote_code: bool = False) -> Base:
    """Return a checkpoint that a reranker begins with: a cross-encoder, or an encoder, which gets a new head.

    Raises UserError for what has no weights to train.
    """
    if is_api_encoder(name):
        raise UserError(f"training {name}", "an API model has no weights here: choose a local checkpoint")
    if name not in ENCODERS:
        with contextlib.suppress(UserError):  # what is no reranker may be an encoder
            found = resolve_reranker(name, cache_dir, RerankOptions(trust_remote_code=trust_remote_code))
            if found.kind == CROSS_ENCODER:
                spec = cast("EncoderSpec", found.model)
                revision = None if spec.label else spec.revision
                return Base(spec.name, spec.checkpoint, revision, str(spec.revision), "", None, trust_remote_code, spec)
    return encoder_base(name, cache_dir, trust_remote_code=trust_remote_code)


@dataclass(frozen=True)
class CausalBase:
    """A causal language model that can be trained. spec: what it is. path: a folder, or an id of the hub."""

    spec: GeneratorSpec
    path: str

    def identity(self) -> dict[str, Any]:
        """Return what decides the weights that a training begins with."""
        return {"checkpoint": self.spec.name, "revision": self.spec.revision}


def causal_base(
    name: str, cache_dir: Path, dtype: str, quantization: str, *, trust_remote_code: bool = False
) -> CausalBase:
    """Return a causal model's checkpoint: the bundled one, a row of the registry, a folder, or an id of the hub.

    dtype and quantization are of the weights that adapters stand beside. Raises UserError for what cannot be trained.
    """
    if resolve_api_generator(name, None, None) is not None:
        raise UserError(f"training {name}", "an API model has no weights here: choose a local checkpoint")
    try:
        spec = resolve_local_generator(name, cache_dir, dtype=dtype, quantization=quantization)
    except UserError as error:  # which names the flag of the scripts that generate
        what, hint = (text.replace("--gen_model_checkpoint", "--model_checkpoint") for text in (error.what, error.hint))
        raise UserError(what, hint) from error
    if spec.kind == "seq2seq":
        raise UserError(f"training {spec.name}, which has an encoder", "choose a causal language model")
    if spec.file:
        raise UserError(f"training {name}, a GGUF file", "choose the checkpoint from which it was made")
    path = str(expand_bundled_generator(cache_dir)) if spec.loader == BUNDLED_GENERATOR else spec.checkpoint
    if (Path(path) / "adapter_config.json").is_file():
        raise UserError(
            f"training {name}, which is an adapter", "merge it into its checkpoint first: --merge writes that"
        )
    return CausalBase(dataclasses.replace(spec, trust_remote_code=trust_remote_code), path)
