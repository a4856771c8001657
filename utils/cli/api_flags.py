"""Which flags of APIs a run can have, by the models that it has."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from utils.api.providers import public_url
from utils.errors import UserError

if TYPE_CHECKING:
    from utils.rerankers.spec import RerankerSpec
    from utils.schema import EncoderSpec, GeneratorSpec

OF_ENCODERS = ("base_url", "input_type")
OF_REQUESTS = ("max_cost", "requests_per_minute", "tokens_per_minute", "batch_api")


def check_api_flags(
    args: argparse.Namespace,
    specs: Sequence[EncoderSpec],
    generator: GeneratorSpec | None,
    reranker: RerankerSpec | None = None,
    beside: Sequence[GeneratorSpec] = (),
) -> None:
    """Raise UserError for API flags without an API model, and for flags that API models do not have."""
    over_api = [spec for spec in specs if spec.provider]
    if not over_api:
        more = "; the generator's address is --gen_base_url" if generator else ""
        _refuse(args, OF_ENCODERS, "without an API encoder", f"choose one (--list shows them){more}")
    is_reranked_by_api = reranker is not None and bool(reranker.model.provider)
    generates = any(spec.provider for spec in (generator, *beside) if spec is not None)
    if not over_api and not generates and not is_reranked_by_api:
        _refuse(args, OF_REQUESTS, "without an API model", "leave it out, or choose an API model: --list shows them")
    if len(over_api) > 1 and args.base_url:
        names = ", ".join(spec.checkpoint for spec in over_api)
        print(
            f"note: {names} are requested at {public_url(args.base_url)} "
            "(write openai:NAME for the members that are served there)",
            file=sys.stderr,
        )
    if over_api:
        _refuse_local_flags(args, over_api[0].name)


def _refuse_local_flags(args: argparse.Namespace, name: str) -> None:
    """Raise UserError for a flag of local models beside a model of an API."""
    if args.backend != "torch":
        hint = "the backend of an API model is its provider's choice: leave --backend out"
        raise UserError(f"--backend with {name}", hint)
    _refuse(args, ("pooling", "attention"), f"with {name}", "an API model returns vectors of whole texts: leave it out")
    hint = "an API model truncates texts at its own limit: leave --max_length out"
    _refuse(args, ("max_length",), f"with {name}", hint)


def _refuse(args: argparse.Namespace, flags: Sequence[str], why: str, hint: str) -> None:
    """Raise UserError for the first of some flags that is given."""
    for flag in flags:
        if getattr(args, flag):
            raise UserError(f"--{flag} {why}", hint)
