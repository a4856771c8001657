"""Language models as encoders: how token vectors are pooled, and whether tokens attend to those behind them."""

from __future__ import annotations

import sys
from typing import Any

from utils.errors import UserError
from utils.schema import EncoderSpec

MODES = {"mean": "mean", "last": "lasttoken", "weighted_mean": "weightedmean", "cls": "cls"}  # ours -> the library's
FAMILIES = {  # model_type -> name; their masks follow `is_causal` of the configuration
    "llama": "Llama",
    "mistral": "Mistral",
    "qwen2": "Qwen2",
    "qwen3": "Qwen3",
    "gemma": "Gemma",
    "gemma2": "Gemma 2",
    "gemma3_text": "Gemma 3",
}


def set_pooling(model: Any, spec: EncoderSpec) -> None:
    """Let a model pool its token vectors as the spec says: their mean, the last, the mean weighted by place, the first.

    Raises UserError for a model that pools nothing. Weights by place are those of SGPT (Muennighoff 2022).
    """
    if not spec.pooling:
        return
    found = [module for module in model if hasattr(module, "pooling_mode")]
    if not found:
        raise UserError(
            f"--pooling {spec.pooling} with {spec.name}", "it has no vectors of tokens to pool: leave --pooling out"
        )
    for module in found:
        module.pooling_mode = MODES[spec.pooling]
    if spec.pooling == "cls" and is_causal(model):
        print(
            f"warning: the first token of {spec.name} attends to no other, so it has the same vector in all texts that "
            "begin alike: use another --pooling, or --attention bidirectional",
            file=sys.stderr,
        )


def set_attention(model: Any, spec: EncoderSpec) -> None:
    """Let the tokens of a decoder attend to those before them only (causal), or to all (bidirectional).

    Windows of local attention reach as far to the right as to the left. The method is that of LLM2Vec (BehnamGhader et
    al. 2024), without its training. Raises UserError for models whose mask is not known to follow.
    """
    if not spec.attention:
        return
    wanted, config = spec.attention == "causal", getattr(_inner(model), "config", None)
    family = getattr(config, "model_type", None)
    if family not in FAMILIES and not (wanted and is_causal(model)):
        raise UserError(
            f"--attention {spec.attention} with {spec.name}, which is a {family or 'model without attention'}",
            f"its mask can be chosen for {', '.join(FAMILIES.values())}: leave --attention out",
        )
    if is_causal(model) == wanted:
        return
    assert config is not None
    config.is_causal = wanted
    if hasattr(config, "use_bidirectional_attention"):
        config.use_bidirectional_attention = False
    for module in _attentions(model):
        module.is_causal = wanted


def is_causal(model: Any) -> bool:
    """Return whether all attention of a model is causal."""
    config, modules = getattr(_inner(model), "config", None), _attentions(model)
    masked = getattr(config, "is_causal", True) is not False
    return masked and bool(modules) and all(module.is_causal for module in modules)


def _inner(model: Any) -> Any:
    return getattr(model[0], "model", None)


def _attentions(model: Any) -> list[Any]:
    inner = _inner(model)
    return (
        [] if inner is None else [part for part in inner.modules() if isinstance(getattr(part, "is_causal", 0), bool)]
    )
