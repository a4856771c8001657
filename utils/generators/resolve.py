"""What a generator's name means: a row of the registry, a folder, a GGUF file, a hub id, or a model of an API."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from utils.api.providers import DEFAULT_PROVIDER, PROVIDERS, resolve_base_url, server_label, split_name
from utils.checkpoints import (
    checkpoint_errors,
    checkpoint_file,
    checkpoint_json,
    hub_revision,
    local_digest,
    local_label,
    model_config,
)
from utils.constants import USUAL_DECODE
from utils.errors import UserError, suggest
from utils.generators.registry import GENERATORS
from utils.loaders import API_GENERATOR, BUNDLED_GENERATOR, TRANSFORMERS, VLLM
from utils.schema import GeneratorSpec

GENERATIVE = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "MTModel")  # names of architectures
TEMPLATE_FILES = ("chat_template.jinja", "chat_template.json")


@dataclass(frozen=True)
class GeneratorOptions:
    """How a generator is used; None leaves a value to the checkpoint, the registry or the device.

    kind is base, chat or seq2seq. base_url is for APIs; dtype, quantization and trust_remote_code (whether code of the
    checkpoint may run) and backend (`vllm` for its engine) are for local generators.
    """

    base_url: str | None = None
    kind: str | None = None
    dtype: str | None = None
    quantization: str = ""
    trust_remote_code: bool = False
    backend: str | None = None


def resolve(name: str, cache_dir: Path, options: GeneratorOptions | None = None, device: str = "cpu") -> GeneratorSpec:
    """Return the full spec of a generator: local folder or GGUF file, hub id, bundled model, or model of an API.

    A generator is one of an API where its name says so, or where the options have a base_url. The precision of a local
    one defaults to bf16 on a GPU and fp32 on the CPU. Raises UserError for a name that cannot be resolved, and for
    options that the model does not have.
    """
    options = options or GeneratorOptions()
    spec = resolve_api_generator(name, options.base_url, options.kind)
    if spec is None:
        dtype = options.dtype or usual_dtype(device)
        spec = resolve_local_generator(
            name, cache_dir, kind=options.kind, dtype=dtype, quantization=options.quantization
        )
        is_trusted = options.trust_remote_code and spec.loader == TRANSFORMERS
        spec = dataclasses.replace(spec, trust_remote_code=is_trusted)
        return _in_vllm(spec, device) if options.backend == VLLM else spec
    if options.backend == VLLM:
        raise UserError(f"--gen_backend vllm with {spec.checkpoint}", "its server decides how it is run: leave it out")
    if options.quantization or options.dtype:
        flag = f"--load_in_{options.quantization}" if options.quantization else "--gen_dtype"
        raise UserError(
            f"{flag} with {spec.checkpoint}", "the server of an API model decides its precision: leave it out"
        )
    return spec


def usual_dtype(device: str) -> str:
    """Return the precision that a local language model has by itself on a device."""
    return "fp32" if device == "cpu" else "bf16"


def _in_vllm(spec: GeneratorSpec, device: str) -> GeneratorSpec:
    """Return the spec of a checkpoint that runs in vLLM's engine; UserError where it cannot."""
    flag = f"--gen_backend vllm with {spec.name}"
    if spec.loader != TRANSFORMERS or spec.file or spec.kind == "seq2seq":
        raise UserError(flag, "it runs causal checkpoints of the hub or of a folder: leave it out")
    if spec.quantization:
        raise UserError(f"{flag} and --load_in_{spec.quantization}", "bitsandbytes is for transformers: leave one out")
    if importlib.util.find_spec("vllm") is None:
        raise UserError("--gen_backend vllm needs the package vllm", "pip install vllm, or leave --gen_backend out")
    if device != "cuda" and not _is_cpu_build():
        raise UserError("--gen_backend vllm without --cuda", "the vllm that is installed computes on a GPU: add --cuda")
    return dataclasses.replace(spec, loader=VLLM)


def _is_cpu_build() -> bool:
    """Return whether the package vllm is one of its builds for processors."""
    from vllm.platforms import current_platform

    return bool(current_platform.is_cpu())


def resolve_local_generator(
    name: str, cache_dir: Path, *, kind: str | None = None, dtype: str = "fp32", quantization: str = ""
) -> GeneratorSpec:
    """Return the full spec of a local generator: a row of the registry, a folder, a GGUF file, or a hub id.

    `kind` (base, chat, seq2seq) is read from the checkpoint's own files where it is not given. Raises UserError for a
    folder that does not exist, a hub id that cannot be resolved, or a missing package.
    """
    path = Path(name).expanduser()
    if name in GENERATORS:
        spec = GENERATORS[name]
    elif path.is_dir() or path.suffix == ".gguf":
        spec = _folder_spec(path, cache_dir, kind)
    elif name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise UserError(
            f"--gen_model_checkpoint {name}: no such folder, and not a known name",
            f"{suggest(name, GENERATORS)} Or give a folder, a .gguf file, a hub id, or "
            f"{' or '.join(f'{provider}:NAME' for provider in PROVIDERS)} for a model of an API",
        )
    else:
        spec = GeneratorSpec(name, "", "")
    if spec.loader == BUNDLED_GENERATOR:
        from utils.generators.bundled import bundled_revision

        spec = dataclasses.replace(spec, revision=bundled_revision())
    elif spec.revision is None:
        spec = dataclasses.replace(spec, revision=hub_revision(name, GENERATORS))
    if kind or not spec.kind:
        kind = kind or kind_of_generator(spec.checkpoint, spec.revision)
        print(f"note: {name} is used as a {kind} model (--gen_loader changes that)", file=sys.stderr)
        spec = dataclasses.replace(spec, kind=kind, loader=TRANSFORMERS, decode=USUAL_DECODE[kind])
    return dataclasses.replace(spec, dtype=dtype, quantization=quantization)


def _folder_spec(path: Path, cache_dir: Path, kind: str | None) -> GeneratorSpec:
    if path.suffix == ".gguf":
        if not path.is_file():
            raise UserError(f"--gen_model_checkpoint {path}: no such file", "give a .gguf file, a folder or a hub id")
        kind = kind or _gguf_kind(path)
    else:
        kind = kind or kind_of_generator(str(path), None)
    digest = local_digest(path, cache_dir)
    folder, file = (path.parent, path.name) if path.suffix == ".gguf" else (path, "")
    label = local_label(path, digest)
    decode = USUAL_DECODE[kind]
    return GeneratorSpec(str(folder), TRANSFORMERS, kind, f"sha256:{digest}", decode, label=label, file=file)


def kind_of_generator(checkpoint: str, revision: str | None) -> str:
    """Return seq2seq, chat or base, as the checkpoint's own files say; UserError for an encoder.

    revision: the commit on the hub, None for a folder.
    """
    config = model_config(checkpoint, revision)
    names = config.get("architectures")
    heads = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    if heads and not any(head.endswith(GENERATIVE) for head in heads):
        raise UserError(
            f"the checkpoint is not a generator: it is a {', '.join(heads)}",
            "give a causal or sequence-to-sequence language model (--gen_loader loads it as one anyway)",
        )
    if config.get("is_encoder_decoder"):
        return "seq2seq"
    has_template = bool(checkpoint_json(checkpoint, revision, "tokenizer_config.json").get("chat_template"))
    files = (checkpoint_file(checkpoint, revision, name) for name in TEMPLATE_FILES)
    return "chat" if has_template or any(file is not None for file in files) else "base"


def _gguf_kind(path: Path) -> str:
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise UserError("GGUF files need the package gguf", "pip install -r requirements-icl.txt") from error
    with checkpoint_errors(path.name, None, path, fails="is not a GGUF file"):
        return "chat" if "tokenizer.chat_template" in GGUFReader(path).fields else "base"


def resolve_api_generator(name: str, base_url: str | None, kind: str | None) -> GeneratorSpec | None:
    """Return the full spec of an API's generator, or None where the name is one of a local generator."""
    prefix, bare = split_name(name)
    row = GENERATORS.get(bare)
    provider = PROVIDERS.get(prefix or (row.provider if row else "") or (DEFAULT_PROVIDER if base_url else ""))
    if provider is None:
        return None
    listed = row is not None and bool(row.provider)
    url = resolve_base_url(provider.name, base_url)
    if kind is None:  # another server may have a local model of the registry
        kind = row.kind if row is not None and row.kind != "seq2seq" else "chat"
        if not listed:
            how = "chat completions (--gen_loader base: text completions)" if kind == "chat" else "text completions"
            print(f"note: {bare} is used through {how}", file=sys.stderr)
    if kind == "seq2seq":
        raise UserError("--gen_loader seq2seq with an API", "give chat (chat completions) or base (text completions)")
    if (provider.complete if kind == "base" else provider.chat) is None:
        only = f"{provider.title} has no {'text completions' if kind == 'base' else 'chat models'}"
        raise UserError(f"--gen_loader {kind} with {provider.title}", f"{only}: leave --gen_loader out")
    return GeneratorSpec(
        bare,
        API_GENERATOR,
        kind,
        decode=USUAL_DECODE[kind],
        dtype="",
        licence="API",
        label=server_label(bare, url) if url else "" if listed else f"{provider.name}/{bare}",
        provider=provider.name,
        base_url=url,
    )
