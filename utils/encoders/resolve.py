"""What an encoder's name means: a row of the registry, a local folder, a hub id, or a model of an API."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.api.provider import Provider
from utils.api.providers import (
    DEFAULT_PROVIDER,
    PROVIDERS,
    SERVER_ITEMS,
    resolve_base_url,
    server_label,
    split_name,
)
from utils.checkpoints import hub_revision, local_digest, local_label
from utils.constants import DENSE, QUANTIZATIONS
from utils.encoders.depth import with_layer
from utils.encoders.kinds import STATIC, kind_of_encoder, own_prompt, own_sides, tell_missing_prompts, tell_unused_code
from utils.encoders.quantized import check_quantized
from utils.encoders.registry import ENCODERS, api_spec
from utils.encoders.task_prompts import task_sides
from utils.errors import UserError
from utils.loaders import BUNDLED, OTHER_KIND, SENTENCE_TRANSFORMERS
from utils.schema import EncoderSpec


@dataclass(frozen=True)
class EncodingOptions:
    """How encoders are used; None leaves a value to the checkpoint, the registry or the provider.

    base_url and input_type are for APIs; max_length, dtype, backend, pooling, attention and
    trust_remote_code (whether code of the checkpoint may run) are for local encoders. has_sides: whether queries and
    passages may be encoded differently, as in retrieval; if not, both are encoded as queries. own_pooling: whether the
    pooling of the checkpoint is used where `pooling` names no other.
    task: of mteb, whose prompts a checkpoint is given: its `name`, its `type` and its instruction, `query`.
    """

    base_url: str | None = None
    input_type: str | None = None
    dimensions: int | None = None
    batch_size: int | None = None
    max_length: int | None = None
    dtype: str = "fp32"
    backend: str = "torch"
    pooling: str | None = None
    own_pooling: bool = True
    attention: str | None = None
    embedding_precision: str = "float32"
    trust_remote_code: bool = False
    has_sides: bool = False
    task: Mapping[str, str] | None = None


def resolve(
    name: str,
    cache_dir: Path,
    options: EncodingOptions | None = None,
    prompt: str | None = None,
    passage_prompt: str | None = None,
    layer: int | None = None,
) -> EncoderSpec:
    """Return the full spec of an encoder: local folder, hub id, bundled model, or model of an API.

    An encoder is one of an API where its name says so, or where the options have a base_url. passage_prompt: before
    passages, where the options say that the sides differ. layer: whose states are pooled, negative from the end.
    Raises UserError for a name that cannot be resolved, and for options that the provider or the model does not have.
    """
    options = options or EncodingOptions()
    if options.base_url or is_api_encoder(name):
        spec = resolve_api_encoder(name, options, prompt, passage_prompt)
    else:
        spec = resolve_local_encoder(name, cache_dir, options, prompt, passage_prompt)
    return spec if layer is None else with_layer(spec, layer)


def resolve_local_encoder(
    name: str,
    cache_dir: Path,
    options: EncodingOptions,
    prompt: str | None = None,
    passage_prompt: str | None = None,
) -> EncoderSpec:
    """Return the full spec of a local encoder: a row of the registry, a folder, or any hub id."""
    return _finished(_local_spec(name, cache_dir, options, prompt), options, passage_prompt)


def _finished(spec: EncoderSpec, options: EncodingOptions, passage_prompt: str | None) -> EncoderSpec:
    """Return a spec with its sides and the size of its vectors. Raises UserError where they have none to change."""
    asked = f"--dimensions {options.dimensions}" if options.dimensions else ""
    asked = asked or f"--embedding_precision {options.embedding_precision}"
    if (spec.kind != DENSE or spec.fitted) and asked != "--embedding_precision float32":
        kind = "baseline" if spec.fitted else f"{spec.kind} encoder"
        what = f"{asked} with {spec.name}, which is a {kind}"
        raise UserError(what, f"it needs an encoder with one dense vector for each text: leave {asked.split()[0]} out")
    spec = dataclasses.replace(spec, embedding_precision=options.embedding_precision)
    return _with_sides(spec, options, passage_prompt)


def _with_sides(spec: EncoderSpec, options: EncodingOptions, passage_prompt: str | None) -> EncoderSpec:
    """Return a spec whose passages are encoded as asked or as is usual for it, or as queries are without sides."""
    if not options.has_sides or spec.fitted:
        is_dense_with_sides = spec.kind == DENSE and spec.has_sides and not spec.fitted
        changes: dict[str, Any] = {"has_sides": False} if is_dense_with_sides else {}
        return dataclasses.replace(spec, passage_prompt=None, passage_input_type="", **changes)
    asked = spec.passage_prompt if passage_prompt is None else passage_prompt
    row = ENCODERS.get(spec.checkpoint)
    usual = row.passage_prompt if row is not None else None
    differs = asked is not None and (usual is not None or asked != (spec.prompt or "") or spec.prompt is None)
    told = PROVIDERS[spec.provider].passage_input_type if spec.provider else ""
    return dataclasses.replace(
        spec,
        passage_prompt=asked if differs else None,
        passage_input_type=(options.input_type or told) if told else "",
        has_sides=spec.has_sides or (spec.kind != DENSE and differs),
    )


def resolve_members(names: Sequence[tuple[Any, ...]], cache_dir: Path, options: EncodingOptions) -> list[EncoderSpec]:
    """Return the full specs of an ensemble's members, each given by what `resolve` takes: name, prompts and layer.

    base_url is for the members whose names say that they are models of an API; where no name does, it is for all.
    """
    over_api = api_names([each[0] for each in names], options.base_url)
    local = dataclasses.replace(options, base_url=None)
    return [resolve(name, cache_dir, options if name in over_api else local, *prompts) for name, *prompts in names]


def is_api_encoder(name: str) -> bool:
    """Return whether a name says by itself that it is a model of an API."""
    return bool(split_name(name)[0]) or (name in ENCODERS and bool(ENCODERS[name].provider))


def api_names(names: Sequence[str], base_url: str | None) -> set[str]:
    """Return which encoders are models of an API: those whose names say so, or all where only --base_url says so."""
    found = {name for name in names if is_api_encoder(name)}
    return set(names) if base_url and not found else found


def _local_spec(name: str, cache_dir: Path, options: EncodingOptions, prompt: str | None) -> EncoderSpec:
    if name in ENCODERS:
        spec = ENCODERS[name]
    elif Path(name).expanduser().is_dir():
        spec = _folder_spec(Path(name).expanduser(), cache_dir)
    elif name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise UserError(
            f"--model_checkpoint {name}: no such folder",
            "give the folder of a checkpoint, a hub id, or a name that --list shows",
        )
    else:
        prefixes = " and ".join(f"{provider}:NAME" for provider in PROVIDERS)
        print(
            f"note: {name} is not in the registry; it is loaded from the hub as a sentence-transformers checkpoint "
            f"({prefixes} are models of APIs)",
            file=sys.stderr,
        )
        spec = EncoderSpec(name, SENTENCE_TRANSFORMERS)
    if spec.loader == BUNDLED:
        from utils.encoders.bundled import bundled_revision

        spec = dataclasses.replace(spec, revision=bundled_revision())
    elif spec.revision is None:
        spec = dataclasses.replace(spec, revision=hub_revision(name, ENCODERS))
    revision = None if spec.label else spec.revision
    if spec.loader == SENTENCE_TRANSFORMERS and name not in ENCODERS:
        spec = _as_the_checkpoint_says(spec, revision, options, prompt)
    changes: dict[str, Any] = {"dtype": options.dtype, "max_length": options.max_length, "backend": options.backend}
    is_of_library = spec.loader in (SENTENCE_TRANSFORMERS, OTHER_KIND)
    if options.dtype in QUANTIZATIONS:
        check_quantized(spec, options.dtype)
    changes |= _of_tokens(spec, options)
    changes |= {"dimensions": options.dimensions}
    changes |= {"trust_remote_code": options.trust_remote_code and is_of_library}
    changes |= {"prompt": prompt} if prompt is not None else {}
    changes |= {"batch_size": options.batch_size} if options.batch_size is not None else {}
    return dataclasses.replace(spec, **changes)


def _of_tokens(spec: EncoderSpec, options: EncodingOptions) -> dict[str, str]:
    """Return the pooling and the attention of a dense local model. Raises UserError for encoders without them."""
    asked = {name: value for name in ("pooling", "attention") if (value := getattr(options, name))}
    if asked and (spec.kind != DENSE or spec.fitted):
        (name, value), *_ = asked.items()
        what = f"--{name} {value} with {spec.name}, which is a {'baseline' if spec.fitted else f'{spec.kind} encoder'}"
        raise UserError(what, f"only dense encoders pool the vectors of tokens: leave --{name} out")
    return asked


def _as_the_checkpoint_says(
    spec: EncoderSpec, revision: str | None, options: EncodingOptions, prompt: str | None
) -> EncoderSpec:
    """Return the spec of a checkpoint that is not listed, with its kind, and of a dense one with its own prompt.

    The library takes the prompts of the other kinds from the checkpoint, one for each side.
    """
    tells_pooling = options.own_pooling and options.pooling is None
    found = kind_of_encoder(spec.checkpoint, revision, spec.name, tells_pooling=tells_pooling)
    if not options.trust_remote_code:
        tell_unused_code(spec.checkpoint, revision, spec.name)
    if found.kind != DENSE:
        _check_other_kind(spec, found.kind, options)
        return dataclasses.replace(spec, loader=OTHER_KIND, **vars(found))
    if found.model == STATIC and options.max_length:
        what = f"--max_length {options.max_length} with {spec.name}, which is a static encoder"
        raise UserError(what, "it reads all tokens of a text: leave --max_length out")
    spec = dataclasses.replace(spec, has_sides=found.has_sides, model=found.model)
    if prompt is None and options.task is not None:
        both = task_sides(spec.checkpoint, revision, spec.name, options.task, has_sides=options.has_sides)
        if both is not None:
            return dataclasses.replace(spec, prompt=both[0], passage_prompt=both[1])
    if options.has_sides and (sides := own_sides(spec.checkpoint, revision, spec.name)):
        return dataclasses.replace(spec, prompt=sides[0], passage_prompt=sides[1])
    if prompt is None and (own := own_prompt(spec.checkpoint, revision, spec.name)) is not None:
        return dataclasses.replace(spec, prompt=own, has_own_prompt=True)
    if prompt is None:
        tell_missing_prompts(spec.checkpoint, revision, spec.name, has_sides=options.has_sides)
    return spec


def _check_other_kind(spec: EncoderSpec, kind: str, options: EncodingOptions) -> None:
    if options.backend != "torch":
        raise UserError(
            f"--backend {options.backend} with {spec.name}",
            f"a {kind} encoder is computed by torch: leave --backend out",
        )


def _folder_spec(folder: Path, cache_dir: Path) -> EncoderSpec:
    digest = local_digest(folder, cache_dir)
    label = local_label(folder, digest)
    return EncoderSpec(str(folder), SENTENCE_TRANSFORMERS, f"sha256:{digest}", label=label)


def resolve_api_encoder(
    name: str, options: EncodingOptions, prompt: str | None = None, passage_prompt: str | None = None
) -> EncoderSpec:
    """Return the full spec of an API's encoder; UserError where the provider does not have what the options say."""
    return _finished(_api_spec(name, options, prompt), options, passage_prompt)


def _api_spec(name: str, options: EncodingOptions, prompt: str | None) -> EncoderSpec:
    prefix, bare = split_name(name)
    row = ENCODERS.get(bare)
    provider = PROVIDERS[prefix or (row.provider if row else "") or DEFAULT_PROVIDER]
    listed = row if row is not None and row.provider == provider.name else None
    passage_prompt = row.passage_prompt if row is not None else None
    if listed is None and row is not None and prompt is None:  # another server has the registry's local model
        prompt = row.prompt
        if row.prompt:
            print(f"note: {row.prompt!r} is put before every text for {bare} (--prompt '' for none)", file=sys.stderr)
    url = resolve_base_url(provider.name, options.base_url)
    _check(provider, url, bare, options)
    spec = listed or api_spec(bare, provider.name)
    label = server_label(bare, url) if url else bare if listed else f"{provider.name}/{bare}"
    # other dimensions or another input type make another encoder, with folders of its own
    label += f"-{options.dimensions}d" if options.dimensions else ""
    label += f"-{options.input_type}" if options.input_type and options.input_type != spec.input_type else ""
    return dataclasses.replace(
        spec,
        base_url=url,
        batch_size=options.batch_size or (SERVER_ITEMS if url else provider.request_items),
        dimensions=options.dimensions,
        label=label if label != bare else spec.label,
        input_type=options.input_type or spec.input_type,
        prompt=spec.prompt if prompt is None else prompt,
        passage_prompt=passage_prompt,
    )


def _check(provider: Provider, url: str, name: str, options: EncodingOptions) -> None:
    """Raise UserError for options that the provider, or its model of this name, does not have."""
    batch_size, input_type, dimensions = options.batch_size, options.input_type, options.dimensions
    if provider.embed is None:
        raise UserError(f"--model_checkpoint {name}", f"{provider.title} has no embeddings: choose another encoder")
    most = provider.max_request_items
    if batch_size and not url and batch_size > most:
        what = f"--batch_size {batch_size}, but {provider.name} takes {most} texts a request"
        raise UserError(what, f"give 1 to {most}")
    if input_type and not url and not provider.input_types:
        hint = f"{provider.title}'s models have no input types: leave it out"
        raise UserError(f"--input_type {input_type} with {name}", hint)
    if input_type and not url and input_type not in provider.input_types:
        what = f"--input_type {input_type}, which {provider.title} does not know"
        raise UserError(what, f"choose from: {', '.join(provider.input_types)}")
    longest = provider.max_dimensions.get(name)
    if dimensions and longest and dimensions > longest:
        raise UserError(f"--dimensions {dimensions}, but {name} has at most {longest}", f"give 1 to {longest}")
    if dimensions and not url and name in provider.fixed_dimensions:
        raise UserError(f"--dimensions {dimensions} with {name}", "its vectors have one size only: leave it out")
