"""Reranking in a run: its flags, its settings, and how rankings of a first stage become new ones."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cli.choices import chosen_device
from utils.cli.types import any_text, name_or_path, positive
from utils.constants import DEFAULT_RERANK_DEPTH, DTYPES
from utils.errors import UserError

if TYPE_CHECKING:
    from utils.cli.task_run import Found
    from utils.protocols import Reranker
    from utils.rerankers.spec import RerankerSpec
    from utils.schema import TopK

Asked = Mapping[str, tuple[Sequence[str], Sequence[str]]]  # queries and candidates by direction
BASELINES = {"bm25": "baseline/bm25", "char_ngram": "baseline/char_ngram"}  # short names of --first_stage
OWN_FLAGS = ("rerank_depth", "rerank_url", "rerank_instruction", "rerank_max_length", "rerank_dtype")


@dataclass(frozen=True)
class Reranking:
    """A reranker, and how many of each query's candidates it scores."""

    reranker: Reranker
    depth: int

    def apply(self, found: Found, asked: Asked) -> Found:
        """Return the rankings with the first candidates of each query in the order of the reranker's scores.

        All pairs of both directions are scored in one call, so that batches are formed over all of them.
        """
        heads = {side: one.indices[:, : self.depth] for side, one in found.items()}
        pairs = [
            (asked[side][0][row], asked[side][1][place])
            for side, indices in heads.items()
            for row, places in enumerate(indices.tolist())
            for place in places
            if place >= 0
        ]
        scores = iter(self.reranker.score(pairs))
        return {side: _reordered(one, heads[side], scores) for side, one in found.items()}


def _reordered(found: TopK, head: Any, scores: Any) -> TopK:
    from utils.rerankers.order import reorder

    new = np.full(head.shape, np.nan, dtype=np.float32)
    for row, place in np.argwhere(head >= 0):
        new[row, place] = next(scores)
    return reorder(found, new)


def add_rerank_args(parser: argparse.ArgumentParser, *, first_stage: bool = False) -> argparse._ArgumentGroup:
    """Add the flags of a reranker, and --first_stage where asked for; return the group."""
    group = parser.add_argument_group("reranking")
    group.add_argument(
        "--rerank",
        type=name_or_path,
        metavar="NAME|PATH",
        help="order the first candidates anew: a cross-encoder or a language model (hub id or folder), or a model of "
        "an API, such as rerank-v3.5 or openai:NAME with --rerank_url",
    )
    group.add_argument(
        "--rerank_depth",
        type=positive,
        metavar="N",
        help=f"candidates of each query that are scored (default: {DEFAULT_RERANK_DEPTH})",
    )
    group.add_argument("--rerank_url", metavar="URL", help="address of a server that has /rerank")
    group.add_argument(
        "--rerank_instruction",
        type=any_text,
        metavar="TEXT",
        help="task that the prompt of a language model states (default: that of Qwen3-Reranker, web search)",
    )
    group.add_argument("--rerank_max_length", type=positive, metavar="N", help="tokens of a pair, or of a prompt")
    group.add_argument(
        "--rerank_dtype", choices=DTYPES, help="precision (default: fp32; language models on a GPU: bf16)"
    )
    if first_stage:
        group.add_argument(
            "--first_stage",
            type=name_or_path,
            metavar="NAME|PATH",
            help="what ranks the whole pool: bm25, or an encoder (the same as --model_checkpoint)",
        )
    return group


def chosen_reranker(args: argparse.Namespace) -> RerankerSpec | None:
    """Return the spec of --rerank, None without it. Raises UserError for its other flags without it."""
    if args.rerank is None:
        for name in OWN_FLAGS:
            if getattr(args, name) is not None:
                raise UserError(f"--{name} without --rerank", "name the reranker with --rerank, or leave it out")
        return None
    from utils.rerankers.resolve import RerankOptions, resolve_reranker

    options = RerankOptions(
        base_url=args.rerank_url,
        instruction=args.rerank_instruction,
        max_length=args.rerank_max_length,
        dtype=args.rerank_dtype,
        trust_remote_code=args.trust_remote_code,
    )
    return resolve_reranker(args.rerank, args.cache_dir, options, chosen_device(args))


def chosen_depth(args: argparse.Namespace) -> int:
    """Return how many candidates of each query are scored."""
    return int(args.rerank_depth or DEFAULT_RERANK_DEPTH)


def rerank_settings(args: argparse.Namespace, spec: RerankerSpec | None) -> dict[str, Any]:
    """Return the settings of a task that say what is reranked; None without a reranker."""
    return {"rerank": spec.name if spec else None, "rerank_depth": chosen_depth(args) if spec else None}


def before_figures(before: Mapping[str, float], at_depth: Mapping[str, float], metric: str) -> dict[str, float]:
    """Return what a record has of its first stage: each metric as `before_...`, and the recall within the depth.

    metric: the task's metric that is the recall at k.
    """
    names = [name for name in at_depth if name == metric or name.startswith(f"{metric}_")]
    return {
        **{f"before_{name}": float(value) for name, value in before.items() if not name.startswith("ceiling")},
        **{f"depth_recall{name.removeprefix(metric)}": float(at_depth[name]) for name in names},
    }


def with_first_stage(args: argparse.Namespace) -> argparse.Namespace:
    """Return the arguments with the encoder of --first_stage as --model_checkpoint."""
    if args.first_stage is None:
        return args
    if args.model_checkpoint or args.model_checkpoints:
        raise UserError(
            "--first_stage and --model_checkpoint are both given", "both name what ranks the whole pool: use one"
        )
    name = BASELINES.get(args.first_stage, args.first_stage)
    return argparse.Namespace(**{**vars(args), "model_checkpoint": name})
