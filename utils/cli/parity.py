"""Hold two encoders of the same checkpoint against each other: a served one against a local one, above all.

python -m utils.parity --model_checkpoint ORG/MODEL --served ORG/MODEL --base_url http://localhost:8000 --dataset nusax
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli import arguments
from utils.cli.choices import api_options, chosen_device, chosen_dtype
from utils.cli.model_arguments import add_api_args, add_encoding_args
from utils.cli.types import positive
from utils.encoders.registry import DEFAULT_ENCODER
from utils.errors import UserError

if TYPE_CHECKING:
    from utils.schema import EncoderSpec, Rows

EXAMPLES = """
python -m utils.parity --served e5-query --base_url http://localhost:8000 --served_prompt ''
python -m utils.parity --model_checkpoint BAAI/bge-m3 --served BAAI/bge-m3 --base_url http://localhost:8080
python -m utils.parity --model_checkpoint BAAI/bge-m3 --served baseline/char_ngram --langs fra --k 1
"""
LEGEND = """
1-cosine: between a text's two vectors (left out where their sizes differ); score: difference of a source's cosine with
its translation; others, order: share of sources whose {k} nearest are other texts, or in another order"""
MEANINGS = {
    "dataset": "whose texts are compared: a name that --list shows, or your own file",
    "src_lang": "source language (default: the dataset's pivot)",
    "langs": "only the pairs with these languages",
    "columns": "own table: the source's and the target's column",
}


def main(argv: Sequence[str]) -> None:
    """Encode each pair's texts by both encoders and print how far they are apart; UserError as the scripts have it."""
    args = parse(argv)
    from tabulate import tabulate

    from utils.data.bitext import bitext_pairs, load_bitext
    from utils.data.own_data import find_bitext
    from utils.data.sources import Where

    where = Where(args.data_dir.expanduser() if args.data_dir else None, args.cache_dir.expanduser())
    dataset = find_bitext(args.dataset, args.columns, args.src_lang, args.langs)
    specs = _specs(args)
    opened = [_open(spec, args, where.cache_dir) for spec in specs]
    found: dict[str, dict[str, float]] = {}
    for pair in bitext_pairs(dataset, args.src_lang, args.langs):
        subset = load_bitext(dataset, *pair, where)
        sources, targets = subset.sources[: args.limit], subset.targets
        if args.k > len(targets):
            raise UserError(f"--k {args.k}, but {subset.name} has {len(targets)} texts", f"give 1 to {len(targets)}")
        members = [encoder.embed(sources, targets) for encoder in opened]
        found[subset.name] = compare(members, subset.gold[: args.limit], args.k)
    print(f"{specs[0].name} against {specs[1].name}")
    names = list(next(iter(found.values())))
    rows = [[name, *values.values()] for name, values in found.items()]
    print(tabulate(rows, [dataset.name, *names], floatfmt=".3g", intfmt=","))
    print(LEGEND.format(k=args.k))
    if args.output:
        content = {"encoders": [spec.name for spec in specs], "k": args.k, "pairs": found}
        args.output.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = arguments.Parser("Differences between two encoders of the same checkpoint, vector by vector.", EXAMPLES)
    arguments.add_data_args(parser, MEANINGS)
    group = parser.add_argument_group("encoders")
    group.add_argument(
        "--model_checkpoint",
        metavar="NAME|PATH",
        default=DEFAULT_ENCODER,
        help="the local one (default: %(default)s)",
    )
    add_encoding_args(group)
    group.add_argument(
        "--served", metavar="NAME|PATH", required=True, help="the other encoder (of --base_url, usually)"
    )
    group.add_argument("--served_prompt", metavar="TEXT", help="put before every text of the other encoder")
    parser.add_argument("--k", type=positive, default=10, metavar="K", help="ranks compared (%(default)s)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the figures as JSON too")
    add_api_args(parser)
    arguments.add_place_args(parser)
    parser.add_argument("--verbose", action="store_true", help="show the traceback of an error")
    args = parser.parse_args(argv)
    if args.output and not args.output.expanduser().parent.is_dir():
        raise UserError(f"--output {args.output}: no such folder", "make it first")
    if args.prompt and len(args.prompt) > 1:
        raise UserError(f"{len(args.prompt)} prompts for one encoder", "give one, and --served_prompt for the other")
    return args


def _specs(args: argparse.Namespace) -> list[EncoderSpec]:
    """Return the specs of the local encoder and of the other."""
    from utils.encoders.resolve import api_encoder, is_api_encoder, resolve_encoder

    name, prompt = args.model_checkpoint, args.prompt[0] if args.prompt else None
    how: dict[str, Any] = {"max_length": args.max_length, "dtype": chosen_dtype(args)}
    cache_dir = args.cache_dir.expanduser()
    specs = [resolve_encoder(name, cache_dir, prompt=prompt, batch_size=args.batch_size, **how)]
    if args.base_url or is_api_encoder(args.served):
        asked = {"input_type": args.input_type, "dimensions": args.dimensions, "batch_size": args.batch_size}
        return [*specs, api_encoder(args.served, args.base_url, prompt=args.served_prompt, **asked)]
    return [*specs, resolve_encoder(args.served, cache_dir, prompt=args.served_prompt, **how)]


def _open(spec: EncoderSpec, args: argparse.Namespace, cache_dir: Path) -> Any:
    from utils.api.limiter import Budget
    from utils.encoders.cached import open_encoder

    return open_encoder(spec, chosen_device(args), cache_dir, (api_options(args), Budget(args.max_cost)))


def compare(members: Sequence[tuple[Rows, Rows]], gold: Sequence[int], k: int) -> dict[str, float]:
    """Return how far two encoders are apart on one pair's texts.

    members: sources (n, d) and targets (m, d) of each. `1 - cosine` between the two vectors of a text (where their
    sizes agree), the difference of the sources' cosines with their gold targets, the share of sources whose k nearest
    are other texts, or in another order, and accuracy at 1 of both.
    """
    import numpy as np

    from utils.retrieval.topk import topk

    answers = np.asarray(gold)
    ranked = [topk(sources, targets, k).indices for sources, targets in members]
    cosines = [_cosines(sources, targets[answers]) for sources, targets in members]
    figures: dict[str, float] = {"texts": sum(map(len, members[0]))}
    one, other = ([*sources, *targets] for sources, targets in members)
    if one[0].size == other[0].size:
        apart = 1 - _cosines(np.array(one), np.array(other))
        figures |= {"1-cosine, max": float(apart.max()), "mean": float(apart.mean())}
    differences = np.abs(cosines[0] - cosines[1])
    first, second = ranked
    return {
        **figures,
        "score, max": float(differences.max()),
        "mean ": float(differences.mean()),
        f"others in {k}": float((np.sort(first) != np.sort(second)).any(axis=1).mean()),
        f"order in {k}": float((first != second).any(axis=1).mean()),
        "acc local": float((first[:, 0] == answers).mean()),
        "acc served": float((second[:, 0] == answers).mean()),
    }


def _cosines(one: Rows, other: Rows) -> Any:
    """Return the cosine of each row with its counterpart (n,), float64."""
    import numpy as np

    a, b = one.astype(np.float64), other.astype(np.float64)
    return (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
