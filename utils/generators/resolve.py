"""What a generator's name means: a row of the registry, a folder, a GGUF file, a hub id, or a model of an API."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from utils.api.providers import _label, base_url_of, split_name
from utils.checkpoints import hub_revision, local_digest, local_label
from utils.errors import UserError, suggest
from utils.generators.registry import GENERATORS
from utils.hub import hub_errors, hub_token, is_offline
from utils.loaders import API_GENERATOR, BUNDLED_GENERATOR, TRANSFORMERS
from utils.schema import GeneratorSpec

GENERATIVE = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "MTModel")  # names of architectures
TEMPLATE_FILES = ("chat_template.jinja", "chat_template.json")
Reader = Callable[[str], "bytes | None"]  # a file of the checkpoint, or None where it has no such file


def resolve_generator(
    name: str, cache_dir: Path, *, kind: str | None = None, dtype: str = "fp32", quantization: str = ""
) -> GeneratorSpec:
    """Return the full spec of a generator as it was typed: a registry row, a local folder or GGUF file, or a hub id.

    `kind` (base, chat, seq2seq) is read off the checkpoint's own files where it is not given. Raises UserError for a
    folder that is not there, a hub id that cannot be resolved, or a missing package.
    """
    path = Path(name).expanduser()
    if name in GENERATORS:
        spec = GENERATORS[name]
    elif path.is_dir() or path.suffix == ".gguf":
        spec = _local_spec(path, cache_dir, kind)
    elif name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise UserError(
            f"--gen_model_checkpoint {name}: no such folder, and not a known name",
            f"{suggest(name, GENERATORS)} Or give a folder, a .gguf file, a hub id, or openai:NAME "
            "(cohere:NAME) for a model of an API",
        )
    else:
        spec = GeneratorSpec(name, "", "")
    if spec.loader == BUNDLED_GENERATOR:
        from utils.generators.bundled import bundled_revision

        spec = dataclasses.replace(spec, revision=bundled_revision())
    elif spec.revision is None:
        spec = dataclasses.replace(spec, revision=hub_revision(name, GENERATORS))
    if kind or not spec.kind:
        kind = kind or _kind_of(_hub_reader(spec))
        print(f"note: {name} is taken for a {kind} model (--gen_loader changes that)", file=sys.stderr)
        decode = "score" if kind == "base" else "generate"
        spec = dataclasses.replace(spec, kind=kind, loader=TRANSFORMERS, decode=decode)
    return dataclasses.replace(spec, dtype=dtype, quantization=quantization)


def _local_spec(path: Path, cache_dir: Path, kind: str | None) -> GeneratorSpec:
    if path.suffix == ".gguf":
        if not path.is_file():
            raise UserError(f"--gen_model_checkpoint {path}: no such file", "give a .gguf file, a folder or a hub id")
        kind = kind or _gguf_kind(path)
    else:
        kind = kind or _kind_of(lambda name: (path / name).read_bytes() if (path / name).is_file() else None)
    digest = local_digest(path, cache_dir)
    folder, file = (path.parent, path.name) if path.suffix == ".gguf" else (path, "")
    decode = "score" if kind == "base" else "generate"
    label = local_label(path, digest)
    return GeneratorSpec(str(folder), TRANSFORMERS, kind, f"sha256:{digest}", decode, label=label, file=file)


def _kind_of(read: Reader) -> str:
    """Return seq2seq, chat or base, from what the checkpoint's own files say; UserError for an encoder."""
    config = _json(read("config.json"))
    heads = config.get("architectures") or []
    if heads and not any(head.endswith(GENERATIVE) for head in heads):
        raise UserError(
            f"the checkpoint is no generator: it is a {', '.join(heads)}",
            "give a causal or sequence-to-sequence language model (--gen_loader takes it for one all the same)",
        )
    if config.get("is_encoder_decoder"):
        return "seq2seq"
    has_template = bool(_json(read("tokenizer_config.json")).get("chat_template"))
    return "chat" if has_template or any(read(name) is not None for name in TEMPLATE_FILES) else "base"


def _json(content: bytes | None) -> Mapping[str, Any]:
    try:
        found = json.loads(content) if content is not None else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _gguf_kind(path: Path) -> str:
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise UserError("GGUF files need the package gguf", "pip install -r requirements-icl.txt") from error
    try:
        return "chat" if "tokenizer.chat_template" in GGUFReader(path).fields else "base"
    except (ValueError, IndexError) as error:
        raise UserError(f"{path} is not a GGUF file: {error}", "is it whole?") from error


def _hub_reader(spec: GeneratorSpec) -> Reader:
    def read(name: str) -> bytes | None:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError

        with hub_errors(f"the checkpoint {spec.name!r}"):
            try:
                offline = is_offline()
                path = hf_hub_download(
                    spec.checkpoint, name, revision=spec.revision, token=hub_token(), local_files_only=offline
                )
                return Path(str(path)).read_bytes()
            except EntryNotFoundError:
                return None

    return read


def api_generator(name: str, base_url: str | None, kind: str | None) -> GeneratorSpec | None:
    """Return the full spec of an API's generator, or None where the name stands for a local one."""
    provider, bare = split_name(name)
    row = GENERATORS.get(bare)
    provider = provider or (row.provider if row else "") or ("openai" if base_url else "")
    if not provider:
        return None
    url = base_url_of(provider, base_url)
    if kind is None:  # a server may hold the very model of the registry
        kind = row.kind if row is not None and row.kind != "seq2seq" else "chat"
        if row is None or not row.provider:
            how = "chat completions (--gen_loader base: text completions)" if kind == "chat" else "text completions"
            print(f"note: {bare} is asked for {how}", file=sys.stderr)
    if kind == "seq2seq":
        raise UserError("--gen_loader seq2seq with an API", "give chat (chat completions) or base (text completions)")
    if kind == "base" and provider == "cohere":
        raise UserError("--gen_loader base with Cohere", "it has chat models alone: leave --gen_loader out")
    return GeneratorSpec(
        bare,
        API_GENERATOR,
        kind,
        decode="score" if kind == "base" else "generate",
        dtype="",
        licence="API",
        label=_label(bare, url) if url else "" if row is not None and row.provider else f"{provider}/{bare}",
        provider=provider,
        base_url=url,
    )
