"""What an encoder's name means: a row of the registry, a local folder, a hub id, or a model of an API."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.api.limits import (
    COHERE_INPUT_TYPE,
    COHERE_INPUT_TYPES,
    FIXED_DIMENSIONS,
    MAX_DIMENSIONS,
    MAX_REQUEST_ITEMS,
    REQUEST_ITEMS,
    SERVED_ITEMS,
)
from utils.api.providers import _label, base_url_of, split_name
from utils.checkpoints import hub_revision, local_digest, local_label
from utils.encoders.registry import ENCODERS
from utils.errors import UserError
from utils.loaders import BUNDLED, COHERE_EMBEDDINGS, OPENAI_EMBEDDINGS, SENTENCE_TRANSFORMERS
from utils.schema import EncoderSpec


def resolve_encoder(
    name: str,
    cache_dir: Path,
    *,
    prompt: str | None = None,
    max_length: int | None = None,
    dtype: str = "fp32",
    batch_size: int | None = None,
    backend: str = "torch",
) -> EncoderSpec:
    """Return the full spec of a checkpoint as it was typed: a registry row, a local folder, or any hub id.

    Raises UserError for a folder that is not there, a hub id that cannot be resolved, or a missing package.
    """
    if name in ENCODERS:
        spec = ENCODERS[name]
    elif Path(name).expanduser().is_dir():
        spec = _local_spec(Path(name).expanduser(), cache_dir)
    elif name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise UserError(
            f"--model_checkpoint {name}: no such folder",
            "give a folder of a checkpoint, a hub id, or a name that --list shows",
        )
    else:
        print(
            f"note: {name} is not in the registry: taken for a sentence-transformers checkpoint of the hub "
            "(openai:NAME and cohere:NAME are models of APIs)",
            file=sys.stderr,
        )
        spec = EncoderSpec(name, SENTENCE_TRANSFORMERS)
    if spec.loader == BUNDLED:
        from utils.encoders.bundled import bundled_revision

        spec = dataclasses.replace(spec, revision=bundled_revision())
    elif spec.revision is None:
        spec = dataclasses.replace(spec, revision=hub_revision(name, ENCODERS))
    changes: dict[str, Any] = {"dtype": dtype, "max_length": max_length, "backend": backend}
    if prompt is not None:
        changes["prompt"] = prompt
    if batch_size is not None:
        changes["batch_size"] = batch_size
    return dataclasses.replace(spec, **changes)


def _local_spec(folder: Path, cache_dir: Path) -> EncoderSpec:
    digest = local_digest(folder, cache_dir)
    label = local_label(folder, digest)
    return EncoderSpec(str(folder), SENTENCE_TRANSFORMERS, f"sha256:{digest}", label=label)


def is_api_encoder(name: str) -> bool:
    """Whether a name says by itself that its model is asked over an API."""
    return bool(split_name(name)[0]) or (name in ENCODERS and bool(ENCODERS[name].provider))


def served_names(names: Sequence[str], base_url: str | None) -> set[str]:
    """Return which encoders are asked over an API; --base_url serves all of them, unless some say it themselves."""
    found = {name for name in names if is_api_encoder(name)}
    return set(names) if base_url and not found else found


def api_encoder(
    name: str,
    base_url: str | None,
    *,
    prompt: str | None = None,
    input_type: str | None = None,
    dimensions: int | None = None,
    batch_size: int | None = None,
) -> EncoderSpec:
    """Return the full spec of an API's encoder; UserError where the provider does not have what is asked for."""
    provider, bare = split_name(name)
    row = ENCODERS.get(bare)
    provider = provider or (row.provider if row else "") or "openai"
    if row is not None and row.provider != provider:
        if row.prompt and prompt is None:
            print(f"note: {bare} is sent {row.prompt!r} before every text (--prompt '' for none)", file=sys.stderr)
        prompt = row.prompt if prompt is None else prompt
        row = None
    url = base_url_of(provider, base_url)
    usual = SERVED_ITEMS if url else REQUEST_ITEMS[provider]
    loader = COHERE_EMBEDDINGS if provider == "cohere" else OPENAI_EMBEDDINGS
    spec = row or EncoderSpec(bare, loader, prompt="", dtype="", licence="API", provider=provider)
    if provider == "cohere" and not spec.input_type:
        spec = dataclasses.replace(spec, input_type=COHERE_INPUT_TYPE)
    changes: dict[str, Any] = {"base_url": url, "batch_size": batch_size or usual, "dimensions": dimensions}
    known = bare in ENCODERS and ENCODERS[bare].provider == provider
    label = _label(bare, url) if url else bare if known else f"{provider}/{bare}"
    label += f"-{dimensions}d" if dimensions else ""  # another encoder, in folders and tables
    label += f"-{input_type}" if input_type and input_type != spec.input_type else ""
    changes |= {"label": label} if label != bare else {}
    changes |= {"input_type": input_type} if input_type else {}
    changes |= {"prompt": prompt} if prompt is not None else {}
    _check(provider, url, bare, input_type, dimensions, batch_size)
    return dataclasses.replace(spec, **changes)


def _check(
    provider: str, url: str, name: str, input_type: str | None, dimensions: int | None, batch_size: int | None
) -> None:
    most = MAX_REQUEST_ITEMS[provider]
    if batch_size and not url and batch_size > most:
        raise UserError(f"--batch_size {batch_size}, but {provider} takes {most} texts a request", f"give 1 to {most}")
    if provider == "openai" and not url and input_type:
        raise UserError(f"--input_type {input_type} with {name}", "OpenAI's models know no input types: leave it out")
    if provider == "cohere" and input_type and not url and input_type not in COHERE_INPUT_TYPES:
        known = ", ".join(COHERE_INPUT_TYPES)
        raise UserError(f"--input_type {input_type}, which Cohere does not know", f"choose from: {known}")
    longest = MAX_DIMENSIONS.get(name)
    if dimensions and longest and dimensions > longest:
        raise UserError(f"--dimensions {dimensions}, but {name} gives {longest}", f"give 1 to {longest}")
    if dimensions and not url and name in FIXED_DIMENSIONS:
        raise UserError(f"--dimensions {dimensions} with {name}", "its vectors have one size: leave it out")
