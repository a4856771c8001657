"""How many layers a language model has, as its files say, before it is loaded."""

from __future__ import annotations

from typing import Any

from utils.checkpoints import model_config
from utils.loaders import BUNDLED_GENERATOR
from utils.schema import GeneratorSpec

# keys of a configuration; those of decoders first, since a decoder may be a part of an encoder-decoder
DEPTHS = ("decoder_layers", "num_hidden_layers", "num_layers", "n_layer", "n_layers")


def depth_of_generator(spec: GeneratorSpec) -> int | None:
    """Return how many layers a causal model has above its embeddings; None where its files do not say.

    A GGUF file is not read.
    """
    if spec.loader == BUNDLED_GENERATOR:
        from utils.generators.bundled import LAYERS

        return LAYERS
    if spec.file or spec.provider:
        return None
    config = model_config(spec.checkpoint, None if spec.label else spec.revision)
    of_text = config.get("text_config")
    part: dict[str, Any] = of_text if isinstance(of_text, dict) else config
    known = [part[name] for name in DEPTHS if type(part.get(name)) is int and part[name] > 0]
    return known[0] if known else None
