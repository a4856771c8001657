"""Vectors of the layers inside a transformer: one layer, above which the model is cut, or several in one forward pass.

Layer N is `hidden_states[N]` of transformers: 0 the embeddings of tokens, the last one what the model puts out, with a
decoder's final norm. A model that is cut computes the layers below alone. Its states are compared with those of the
whole model when it is loaded; where they differ, or where it cannot be cut, the whole model is computed.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from utils.encoders.decoders import MODES
from utils.errors import UserError
from utils.schema import EncoderSpec

if TYPE_CHECKING:
    import torch

    Features = dict[str, Any]

STATES = "all_layer_embeddings"  # where sentence-transformers puts the states of all layers
STATES_BYTES = {"cpu": 2**28, "cuda": 2**33}  # that the states of a batch may take, in all layers together
FINAL_NORMS = ("ln_f", "norm_f")  # names of final norms whose classes are not called so


def set_layers(model: Any, spec: EncoderSpec, features: Features) -> None:
    """Let a sentence-transformers model end at the layer of its spec, or put out the vectors of all its places.

    features: those of a few texts, by which it is checked. Of several places the vectors stand side by side (n, the sum
    of their sizes). Raises UserError for a model that has no such layer, or shows no states of its layers.
    """
    if spec.layer is None and not spec.places:
        return
    _keep_encoder(model, spec)
    features = {name: value.to(model.device) if hasattr(value, "to") else value for name, value in features.items()}
    states = _states(model, spec, features)
    depth, wanted = len(states) - 1, [layer for layer, _ in spec.places] or [spec.layer or 0]
    if absent := [layer for layer in wanted if layer > depth]:
        raise layer_missing(spec.name, absent[0], depth)
    _tell_left_out(model, spec.name, min(wanted) < depth)
    if spec.places:
        _pool_places(model, spec.places, depth, features)
    elif wanted[0] < depth:
        tokens = features["attention_mask"].bool()
        if _cut(model, wanted[0], depth, features, states[wanted[0]][tokens]):
            _leave_out(model)
        elif spec.backend == "torch":
            _pool_places(model, ((wanted[0], ""),), depth, features)
        else:
            what = f"--backend {spec.backend} with --layer {wanted[0]} of {spec.name}"
            raise UserError(what, "its model cannot be cut at a layer, as an export needs: use --backend torch")


def layer_missing(name: str, layer: int, depth: int, flag: str = "--layer") -> UserError:
    """Return the error of a layer that a model of `depth` layers does not have."""
    hint = f"give 0 (the embeddings) to {depth}, or -1 (the last) to {-depth - 1}"
    return UserError(f"{flag} {layer}, but {name} has {depth} layers", hint)


def sizes_of(model: Any) -> list[int]:
    """Return the size of the vector of each place of a model that puts several out."""
    sizes: list[int] = list(model)[-1].sizes
    return sizes


def most_tokens(model: Any, spec: EncoderSpec, device: str, usual: int) -> int:
    """Return how many tokens a batch may have: the usual number, or fewer where the states of all layers are kept."""
    kept = getattr(list(model)[-1], "n_states", 0)
    if not kept:
        return usual
    width: int = model[0].get_embedding_dimension()
    size = 4 if spec.dtype == "fp32" else 2
    return max(1, min(usual, STATES_BYTES[device] // (kept * width * size)))


def _keep_encoder(model: Any, spec: EncoderSpec) -> None:
    """Take the encoder of an encoder-decoder whose decoder would make the vectors; its layers are the model's."""
    inner = getattr(model[0], "model", None)
    config = getattr(inner, "config", None)
    if (
        inner is not None
        and getattr(config, "is_encoder_decoder", False)
        and getattr(inner, "decoder", None) is not None
    ):
        print(f"note: {spec.name} has an encoder and a decoder: layers are those of the encoder", file=sys.stderr)
        model[0].model = inner.get_encoder()


def _states(model: Any, spec: EncoderSpec, features: Features) -> tuple[torch.Tensor, ...]:
    """Return the states of all layers for some texts, the embeddings first, each (n, t, d), of the whole model."""
    import torch

    config = getattr(getattr(model[0], "model", None), "config", None)
    pools = [module for module in model if hasattr(module, "pooling_mode")]
    if config is None or not pools or "attention_mask" not in features:
        raise UserError(f"--layer with {spec.name}", "it has no vectors of tokens to pool: leave the layers out")
    config.output_hidden_states = True
    try:
        with torch.inference_mode():
            found = model[0](dict(features)).get(STATES)
    finally:
        config.output_hidden_states = False
    if not found:
        raise UserError(f"--layer with {spec.name}", "its model does not show the states of its layers")
    return tuple(found)


def _cut(model: Any, layer: int, depth: int, features: Features, expected: torch.Tensor) -> bool:
    """Take the layers above one away; return whether the model's states are then those of the layer, else restore it.

    expected: the states of all tokens of the texts (t, d).
    """
    import torch

    inner = model[0].model
    before = inner.config.num_hidden_layers if hasattr(inner.config, "num_hidden_layers") else None
    undone: list[tuple[Any, str, Any]] = []
    for parent, name, blocks in _blocks(inner, depth):
        undone += [
            (parent, name, blocks),
            *((parent, norm, getattr(parent, norm)) for norm in _final_norms(parent, name)),
        ]
    for parent, name, part in undone:
        setattr(parent, name, part[:layer] if isinstance(part, torch.nn.ModuleList) else torch.nn.Identity())
    if before is not None:
        inner.config.num_hidden_layers = layer
    try:
        with torch.inference_mode():
            found = model[0](dict(features))["token_embeddings"][features["attention_mask"].bool()]
        limit = 1e-6 * max(1.0, float(expected.abs().max()))
        if found.shape == expected.shape and float((found - expected).abs().max()) <= limit:
            return True
    except Exception:  # a model may need its layers in many ways
        pass
    for parent, name, part in undone:
        setattr(parent, name, part)
    if before is not None:
        inner.config.num_hidden_layers = before
    return False


def _blocks(inner: Any, depth: int) -> list[tuple[Any, str, Any]]:
    """Return the list of a transformer's layers, with the module and the name that have it; none where none is sure."""
    import torch

    found = [
        (parent, name, child)
        for parent in inner.modules()
        for name, child in parent.named_children()
        if isinstance(child, torch.nn.ModuleList) and len(child) == depth
    ]
    return found[:1]


def _final_norms(parent: Any, blocks: str) -> list[str]:
    """Return the names of the norms that stand behind the layers in a module; those of embeddings are none."""
    names = [name for name, _ in parent.named_children()]
    behind = names[names.index(blocks) + 1 :]
    return [
        name
        for name in behind
        if "emb" not in name and (name in FINAL_NORMS or "norm" in type(getattr(parent, name)).__name__.lower())
    ]


def _tell_left_out(model: Any, name: str, is_below: bool) -> None:
    """Say which modules are left out below the last layer, for whose vectors they were trained."""
    others = [type(module).__name__ for module in list(model)[1:] if not _fits_all(module)]
    if others and is_below:
        print(
            f"note: {name}: {', '.join(others)} is left out below the last layer, whose vectors it was trained for",
            file=sys.stderr,
        )


def _fits_all(module: Any) -> bool:
    """Return whether a module behind the transformer fits the vectors of any layer."""
    return hasattr(module, "pooling_mode") or type(module).__name__ == "Normalize"


def _leave_out(model: Any) -> None:
    for place in reversed([place for place, module in enumerate(model) if place and not _fits_all(module)]):
        del model[place]


def _pool_places(model: Any, places: Sequence[tuple[int, str]], depth: int, features: Features) -> None:
    """Put one module in place of those behind the transformer, which pools the states of several layers."""
    import torch

    model[0].model.config.output_hidden_states = True
    whole, cut = list(model)[1:], model.truncate_dim
    for place in reversed(range(1, len(list(model)))):
        del model[place]
    model.truncate_dim = None
    pooled = _module(whole, tuple(places), depth, cut)
    with torch.inference_mode():
        given = model[0](dict(features))
        pooled.sizes = [one.shape[1] for one in pooled.each(given)]
    model.append(pooled)


def _module(whole: Sequence[Any], places: Sequence[tuple[int, str]], depth: int, cut: int | None) -> Any:
    """Return a module from the states of all layers to the vectors of the places (n, the sum of their sizes)."""
    import torch

    class Places(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.n_states, self.sizes = depth + 1, list[int]()
            modes = dict.fromkeys(mode for _, mode in places)
            for mode in modes:
                self.add_module(f"last_{mode}", torch.nn.ModuleList(_with_mode(whole, mode)))
                below = [module for module in _with_mode(whole, mode) if _fits_all(module)]
                self.add_module(f"below_{mode}", torch.nn.ModuleList(below))

        def each(self, features: Features) -> Iterator[torch.Tensor]:
            states = features[STATES]
            for layer, mode in places:
                given: Features = {name: value for name, value in features.items() if name != STATES}
                given["token_embeddings"] = states[layer].float()
                for module in self.get_submodule(f"{'last' if layer == depth else 'below'}_{mode}").children():
                    given = module(given)
                yield given["sentence_embedding"][:, :cut]

        def forward(self, features: Features) -> Features:
            return {"sentence_embedding": torch.cat(list(self.each(features)), dim=1)}

    return Places().eval()


def _with_mode(modules: Sequence[Any], mode: str) -> list[Any]:
    """Return modules whose poolings have another mode; an empty one leaves them as they are."""
    found = [copy.copy(module) if mode and hasattr(module, "pooling_mode") else module for module in modules]
    for module in found:
        if mode and hasattr(module, "pooling_mode"):
            module.pooling_mode = MODES[mode]
    return found
