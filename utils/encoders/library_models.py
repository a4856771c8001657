"""Models of sentence-transformers' classes: loading, their precision, and the number of tokens that they take."""

from __future__ import annotations

import sys
from typing import Any

from utils.constants import QUANTIZATIONS
from utils.encoders.quantized import quantized
from utils.encoders.static import model2vec_modules
from utils.encoders.tokens import longest_text, n_added_tokens, set_longest_text
from utils.errors import UserError, first_line
from utils.hub import hub_token, is_offline
from utils.numerics import use_attention_of_any_shape
from utils.schema import EncoderSpec
from utils.weights import load_whole

ON_TEXTS = "check that the checkpoint is an encoder of texts; --verbose shows where its library failed"


def set_max_length(model: Any, spec: EncoderSpec) -> int | None:
    """Cut texts at the number of tokens that the spec asks for or the model takes, and return it; None for any number.

    Raises UserError for a number that the model does not take, or that leaves nothing of a text.
    """
    limit, asked = longest_text(model), spec.max_length
    if asked is not None and limit is not None and asked > limit:
        raise UserError(f"--max_length {asked}, but {spec.name} takes {limit} tokens at most", f"give 1 to {limit}")
    limit = limit if asked is None else asked
    if limit is not None:
        check_length(spec.name, limit, n_added_tokens(model), is_asked=asked is not None)
        set_longest_text(model, limit)
    return limit


def check_length(name: str, limit: int, added: int, *, is_asked: bool) -> None:
    """Raise UserError where a maximum length leaves nothing of a text: tokenizers would not cut it at all.

    added: the tokens that the tokenizer puts around a text. is_asked: whether --max_length asks for the limit.
    """
    if limit <= added:
        raise UserError(
            f"{name} at a maximum length of {limit} reads nothing of a text: it adds {added} tokens of its own",
            f"give --max_length {added + 1} or more"
            if is_asked
            else "mend model_max_length in its tokenizer_config.json",
        )


def set_precision(model: Any, spec: EncoderSpec) -> None:
    """Let the transformer compute in the precision of the spec, and the modules after it in float32.

    The weights of a quantised one are so since they were loaded.
    """
    import torch

    stored = next((p.dtype for p in model.parameters()), torch.float32)
    transformer, *others = model
    transformer.register_forward_hook(_in_float32)
    for module in others:
        module.to(dtype=torch.float32)
    if spec.dtype in QUANTIZATIONS:
        return
    wanted = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[spec.dtype]
    if stored in (torch.float16, torch.bfloat16) and wanted == torch.float32:
        print(
            f"warning: {spec.name} is stored in half precision ({str(stored)[6:]}); "
            "it is computed in fp32 (--dtype changes that)",
            file=sys.stderr,
        )
    transformer.to(dtype=wanted)


def modules_of_side(model: Any, spec: EncoderSpec) -> Any:
    """Return a dense model without its router, with the modules of the spec's side; the model itself without either.

    Raises UserError where there are none for the side, or where a script has no sides and the router no default.
    """
    first, name = model[0], spec.name
    if not hasattr(first, "default_route"):
        return model
    if not spec.side and first.default_route is None:
        routes = " and ".join(map(repr, first.sub_modules))
        raise UserError(
            f"the checkpoint {name!r} has modules of their own for {routes} and no default route",
            "this script encodes both sides of a search in one way (retrieval.py uses both modules): set default_route "
            "in its router_config.json",
        )
    if not spec.side:
        return model
    try:
        route = first._resolve_route(task=spec.side, modality="text")
    except ValueError as error:
        raise UserError(f"the checkpoint {name!r}: {first_line(error)}", "mend its router_config.json") from error
    modules = [*first.sub_modules[route], *list(model)[1:]]
    found = type(model)(modules=modules, device=str(model.device), truncate_dim=model.truncate_dim)
    return found.eval()


def _in_float32(module: Any, inputs: Any, output: dict[str, Any]) -> dict[str, Any]:
    """Convert token vectors to float32 before pooling: sums of many bfloat16 values lose digits."""
    import torch

    return {
        name: value.float() if isinstance(value, torch.Tensor) and value.is_floating_point() else value
        for name, value in output.items()
    }


def load_model(
    spec: EncoderSpec, path: str, revision: str | None, device: str, library_class: str = "SentenceTransformer"
) -> Any:
    """Return a model of one of the library's classes, all of whose weights came from the checkpoint."""
    import logging

    if revision is not None and not is_offline():  # its errors say what is wrong
        from huggingface_hub import HfApi

        HfApi().model_info(path, revision=revision, token=hub_token())
    import sentence_transformers
    import transformers

    use_attention_of_any_shape(device)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.getLogger("sentence_transformers").setLevel(
        logging.ERROR
    )  # it warns of the mean pooling of a masked LM, which is intended
    kwargs: dict[str, Any] = {"device": device, "revision": revision, "token": hub_token()}
    kwargs["local_files_only"] = revision is None or is_offline()
    kwargs["trust_remote_code"] = spec.trust_remote_code

    def load(how: dict[str, Any]) -> Any:
        hub = {name: kwargs[name] for name in ("revision", "token", "local_files_only")}
        is_dense = library_class == "SentenceTransformer"
        if is_dense and (modules := model2vec_modules(path, revision, spec.name, hub)):
            return sentence_transformers.SentenceTransformer(modules=modules, device=device)
        precision = quantized(spec.dtype, device) if spec.dtype in QUANTIZATIONS else {"dtype": "auto"}
        return getattr(sentence_transformers, library_class)(path, model_kwargs={**precision, **how}, **kwargs)

    return load_whole(load, spec.name, _does_without)


def _does_without(model: Any, weight: str) -> bool:
    """Return whether a model pools token vectors and so makes no use of this weight of a pooler."""
    outputs = [
        way["method_output_name"]
        for module in model.modules()
        for way in getattr(module, "modality_config", {}).values()
    ]
    return "pooler" in weight.split(".") and "pooler_output" not in outputs
