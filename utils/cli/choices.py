"""Choices that follow from the arguments: encoders, generator, precision, device, API options."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

from utils.api.limits import ApiOptions
from utils.constants import DEFAULT_ENCODER, DEFAULT_MARGIN_K
from utils.errors import UserError, counted

if TYPE_CHECKING:
    from utils.encoders.resolve import EncodingOptions
    from utils.schema import GeneratorSpec
    from utils.settings.base import Settings


S = TypeVar("S", bound="Settings")


def build_settings(kind: type[S], args: argparse.Namespace, **derived: Any) -> S:
    """Return the settings of a run: the values in `derived`, else the arguments of the same names."""
    names = [field.name for field in dataclasses.fields(kind)]
    return kind(**{name: derived[name] if name in derived else getattr(args, name) for name in names})


def chosen_margin_k(args: argparse.Namespace) -> int | None:
    """Return the neighbours in the margin, None without one. Raises UserError for flags that exclude each other."""
    margin = args.margin
    if margin != "none" and args.similarity != "cosine":
        raise UserError(
            f"--margin {margin} with --similarity {args.similarity}",
            "margins are defined for the cosine: leave --similarity out",
        )
    found = neighbours_of_margin(margin, args.margin_k)
    if margin != "none" and (args.fuse != "score" or args.normalize != "none"):
        raise UserError(
            f"--margin {margin} with --fuse or --normalize",
            "the margin of an ensemble is taken of its mean cosine: leave --fuse and --normalize out",
        )
    return found


def neighbours_of_margin(margin: str, given: int | None) -> int | None:
    """Return the neighbours in a margin: those given, or the usual ones; None for a margin without a mean.

    Raises UserError where they are given for such a margin.
    """
    if given and margin not in DEFAULT_MARGIN_K:
        what = f"--margin_k {given} with --margin {margin}"
        raise UserError(what, f"it belongs to --margin {', '.join(DEFAULT_MARGIN_K)}")
    return given or DEFAULT_MARGIN_K.get(margin)


def encoding_options(args: argparse.Namespace, **more: Any) -> EncodingOptions:
    """Return how texts are encoded: by the flags of encoders that the command line has, and what else is given."""
    from utils.encoders.resolve import EncodingOptions

    names = {field.name for field in dataclasses.fields(EncodingOptions)} - {"dtype"}
    given = {name: value for name, value in vars(args).items() if name in names}
    return EncodingOptions(**{**given, **more}, dtype=chosen_dtype(args))


def api_options(args: argparse.Namespace) -> ApiOptions:
    """Return the options of API requests."""
    return ApiOptions(**{field.name: getattr(args, field.name) for field in dataclasses.fields(ApiOptions)})


# checkpoint, prompt, prompt of passages, layer (None: the usual ones), weight
Chosen = tuple[str, str | None, str | None, int | None, float]


def has_sides(args: argparse.Namespace) -> bool:
    """Return whether a script encodes queries and passages differently where the encoder does."""
    return hasattr(args, "passage_prompt")


def chosen_encoders(args: argparse.Namespace) -> list[Chosen]:
    """Return the name, the prompts, the layer and the weight of each encoder of the command line."""
    if args.model_checkpoint and args.model_checkpoints:
        raise UserError("--model_checkpoint and --model_checkpoints are both given", "use one of them")
    names = args.model_checkpoints or [args.model_checkpoint or DEFAULT_ENCODER]
    if args.weights and not args.model_checkpoints:
        raise UserError(
            "--weights without --model_checkpoints",
            "only an ensemble has weights: name its members with --model_checkpoints",
        )
    weights = args.weights or [1.0] * len(names)
    if len(weights) != len(names):
        raise UserError(
            f"--weights has {counted(len(weights), 'value')} for {counted(len(names), 'checkpoint')}",
            "give one weight per checkpoint",
        )
    if any(not 0 <= weight < float("inf") for weight in weights) or not any(weights):
        raise UserError(
            f"--weights {' '.join(map(str, weights))}", "weights must be at least 0, and at least one above 0"
        )
    _check_ensemble(args, len(names))
    usual = _for_each(args, "prompt", len(names))
    sides = [_for_each(args, name, len(names)) or usual for name in ("query_prompt", "passage_prompt")]
    given = (*sides, _for_each(args, "layer", len(names)))
    queries, passages, layers = (values or [None] * len(names) for values in given)
    return list(zip(names, queries, passages, layers, weights, strict=True))


def _for_each(args: argparse.Namespace, flag: str, n_encoders: int) -> list[Any]:
    """Return the value of a flag for each encoder; empty where it is not given."""
    given = getattr(args, flag, None) or []
    if len(given) not in (0, 1, n_encoders):
        raise UserError(
            f"--{flag} has {counted(len(given), 'value')} for {counted(n_encoders, 'checkpoint')}",
            f"give one {flag.rpartition('_')[2]}, or one per checkpoint",
        )
    return list(given) * n_encoders if len(given) == 1 else list(given)


def _check_ensemble(args: argparse.Namespace, n_members: int) -> None:
    """Raise UserError for flags of an ensemble that exclude each other."""
    if n_members == 1:
        plain = {"fuse": "score", "normalize": "none", "tune_weights": False}
        if given := [f"--{name}" for name, usual in plain.items() if getattr(args, name) != usual]:
            what = f"{' and '.join(given)} without an ensemble"
            raise UserError(what, "name its members: --model_checkpoints A B")
        return
    if args.tune_weights and args.weights:
        raise UserError("--weights and --tune_weights are both given", "use one of them")
    if args.fuse == "rank" and args.normalize != "none":
        raise UserError(
            f"--normalize {args.normalize} with --fuse rank", "ranks need no normalisation: leave --normalize out"
        )
    if args.fuse == "distance" and args.similarity == "dot":
        raise UserError(
            "--fuse distance with --similarity dot", "--fuse distance uses Euclidean distances: leave --similarity out"
        )


def chosen_dtype(args: argparse.Namespace) -> str:
    """Return the precision of the encoder, from --dtype and --fp16."""
    if args.fp16 and args.dtype not in (None, "fp16"):
        raise UserError(f"--fp16 and --dtype {args.dtype} are both given", "use one of them")
    return "fp16" if args.fp16 else args.dtype or "fp32"


def quantization(args: argparse.Namespace) -> str:
    """Return `8bit`, `4bit`, or an empty string for full precision."""
    if args.load_in_8bit and args.load_in_4bit:
        raise UserError("--load_in_8bit and --load_in_4bit are both given", "use one of them")
    return "8bit" if args.load_in_8bit else "4bit" if args.load_in_4bit else ""


def chosen_generator(args: argparse.Namespace) -> GeneratorSpec:
    """Return the spec of the generator, from --gen_model_checkpoint and the flags beside it."""
    from utils.generators.resolve import GeneratorOptions, resolve

    options = GeneratorOptions(
        args.gen_base_url,
        args.gen_loader,
        args.gen_dtype,
        quantization(args),
        args.trust_remote_code,
        args.gen_backend,
    )
    device = "cuda" if args.cuda else "cpu"
    return resolve(args.gen_model_checkpoint, args.cache_dir, options, device)


def chosen_device(args: argparse.Namespace) -> str:
    """Return "cuda" or "cpu". Raises UserError for --cuda without a CUDA device here; that of --ray knows its own."""
    if not args.cuda:
        return "cpu"
    if getattr(args, "ray", None) and not args.dry_run:
        return "cuda"  # the cluster is asked when it is joined
    import torch

    if not torch.cuda.is_available():
        raise UserError("--cuda, but no CUDA device was found", "leave --cuda out to run on the CPU")
    return "cuda"
