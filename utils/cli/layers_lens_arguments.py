"""The flags of the logit lens in layers.py: the language model and the prompts of icl.py."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from utils.cli.arguments import Parser
from utils.cli.icl_arguments import add_demonstration_args, add_template_args
from utils.cli.model_arguments import add_generator_args
from utils.cli.types import path
from utils.errors import UserError
from utils.layers.measures import MEASURES
from utils.loaders import VLLM

LENS = "lens"
OF_ANSWERS = ("decode", "length_norm", "calibrate", "max_new_tokens", "temperature", "pmi")  # nothing is answered here
OF_TEXTS = ("bleu_tokenize", "comet", "mined", "mined_threshold", "prompt_lang")  # of answers that are written


def add_prompt_args(parser: Parser, retrieval: argparse._ArgumentGroup) -> Mapping[str, Any]:
    """Add the flags of the lens; return their names with their defaults.

    retrieval: the group of the flags for retrieval, to which those of the demonstrations are added.
    """
    before = parser.names()
    group = add_generator_args(parser)
    group.add_argument(
        "--tuned_lens",
        type=path,
        metavar="FILE",
        help="lens: the params.pt of a tuned lens (Belrose et al. 2023), or its folder",
    )
    add_demonstration_args(retrieval)
    add_template_args(parser)
    parser.set_defaults(k=[0])
    parser.hide(*(f"--{name}" for name in (*OF_ANSWERS, *OF_TEXTS)))
    return {name: parser.get_default(name) for name in sorted(parser.names() - before)}


def checked_prompt_args(args: argparse.Namespace, usual: Mapping[str, Any]) -> argparse.Namespace:
    """Return the arguments, without k for other measures than the lens.

    usual: the flags of the lens with their defaults. Raises UserError for those that the measure does not have.
    """
    given = [name for name, default in usual.items() if getattr(args, name) != default]
    if MEASURES[args.measure].needs != "prompts":
        if given:
            raise UserError(f"--{given[0]} with --measure {args.measure}", f"it is for prompts: add --measure {LENS}")
        return argparse.Namespace(**{**vars(args), "k": None})
    if named := [name for name in given if name in OF_ANSWERS]:
        raise UserError(f"--{named[0]} with --measure {LENS}", "no answer is written or scored: leave it out")
    if args.gen_backend == VLLM:
        raise UserError(
            f"--gen_backend {VLLM} with --measure {LENS}", "its engine does not show the layers: leave it out"
        )
    if args.poolings:
        raise UserError(f"--poolings with --measure {LENS}", "it reads the last token of a prompt: leave it out")
    if len(set(args.k)) > 1:
        raise UserError(f"--k {' '.join(map(str, args.k))} with --measure {LENS}", "give one number of demonstrations")
    if len(args.instruction or ()) > 1:
        raise UserError(f"{len(args.instruction)} instructions with --measure {LENS}", "give one")
    return args
