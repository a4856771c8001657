"""How many layers an encoder has, as its checkpoint says, and the layer that a run takes its vectors from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from utils.checkpoints import checkpoint_file, checkpoint_json, model_config
from utils.constants import DENSE
from utils.encoders.kinds import STATIC
from utils.encoders.layers import layer_missing
from utils.errors import UserError
from utils.loaders import BUNDLED
from utils.schema import EncoderSpec

# keys of a configuration; those of encoders first, since an encoder-decoder has layers of both
DEPTHS = ("encoder_layers", "num_hidden_layers", "num_layers", "n_layer", "n_layers")
NESTED = ("text_config", "encoder")  # configurations within that of a model of several parts
WITHOUT = "a layer is chosen of a dense encoder whose transformer runs here"
HAS_LAYERS = "choose a dense encoder whose transformer runs here"


def with_layer(spec: EncoderSpec, layer: int, flag: str = "--layer") -> EncoderSpec:
    """Return the spec of an encoder that ends at a layer: 0 for the embeddings, negative numbers from the end.

    Raises UserError for encoders without layers, and for a layer that the model does not have.
    """
    if kind := _without_layers(spec):
        raise UserError(f"{flag} {layer} with {spec.name}, which is {kind}", f"{WITHOUT}: leave {flag} out")
    depth = depth_of(spec)
    if depth is None and layer < 0:
        what = f"{flag} {layer}, but the configuration of {spec.name} does not say how many layers it has"
        raise UserError(what, "count from the embeddings, which are 0")
    if depth is not None and not -depth - 1 <= layer <= depth:
        raise layer_missing(spec.name, layer, depth, flag)
    return dataclasses.replace(spec, layer=layer if layer >= 0 else layer + (depth or 0) + 1)


def at_place(spec: EncoderSpec, layer: int, pooling: str = "") -> EncoderSpec:
    """Return the spec of the same encoder at one layer with one pooling; an empty one is the checkpoint's own."""
    return dataclasses.replace(spec, layer=layer, pooling=pooling or spec.pooling, places=())


def layers_of(spec: EncoderSpec, asked: Sequence[int] | None) -> tuple[int, ...]:
    """Return the layers of an encoder that are asked for, each once from the first to the last; None for all.

    Raises UserError as `with_layer` does, and where the checkpoint does not say how many it has.
    """
    if kind := _without_layers(spec):
        raise UserError(f"{spec.name} is {kind} and has no layers to measure", HAS_LAYERS)
    if asked is not None:
        return tuple(sorted({with_layer(spec, layer, "--layers").layer or 0 for layer in asked}))
    depth = depth_of(spec)
    if depth is None:
        what = f"the configuration of {spec.name} does not say how many layers it has"
        raise UserError(what, "name them: --layers 0 4 8")
    return tuple(range(depth + 1))


def depth_of(spec: EncoderSpec) -> int | None:
    """Return how many layers an encoder's transformer has above its embeddings; None where its files do not say."""
    if spec.loader == BUNDLED:
        from utils.encoders.bundled import bundled_depth

        return bundled_depth()
    revision = None if spec.label else spec.revision
    return _depth(model_config(spec.checkpoint, revision)) or _depth(_first_module(spec.checkpoint, revision))


def _first_module(checkpoint: str, revision: str | None) -> dict[str, Any]:
    """Return the configuration of the first module of a sentence-transformers checkpoint, which may have a folder."""
    try:
        rows = json.loads(checkpoint_file(checkpoint, revision, "modules.json") or b"[]")
        folder = str(rows[0]["path"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return checkpoint_json(checkpoint, revision, f"{folder}/config.json") if folder else {}


def _depth(config: dict[str, Any]) -> int | None:
    for part in (config, *(config[name] for name in NESTED if isinstance(config.get(name), dict))):
        known = [part[name] for name in DEPTHS if type(part.get(name)) is int and part[name] >= 0]
        if known:
            return int(known[0])
    return None


def _without_layers(spec: EncoderSpec) -> str:
    """Return what an encoder is that has no layers to choose from; empty for one that has."""
    if spec.provider:
        return "a model of an API"
    if spec.fitted:
        return "a baseline"
    if spec.kind != DENSE:
        return f"a {spec.kind} encoder"
    return "a static encoder" if spec.model == STATIC else ""
