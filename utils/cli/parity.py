"""Compare two encoders of the same checkpoint, above all an API endpoint with a local encoder.

python -m utils.parity --model_checkpoint ORG/MODEL --served ORG/MODEL --base_url http://localhost:8000 --dataset nusax
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli import arguments
from utils.cli.choices import api_options, chosen_device, encoding_options
from utils.cli.model_arguments import add_api_args, add_encoding_args
from utils.cli.types import name_or_path, path, positive, prompt
from utils.constants import DEFAULT_ENCODER
from utils.errors import UserError
from utils.files import write_output

if TYPE_CHECKING:
    from utils.protocols import Encoder
    from utils.schema import Rows

EXAMPLES = """
python -m utils.parity --served e5-query --base_url http://localhost:8000 --served_prompt ''
python -m utils.parity --model_checkpoint BAAI/bge-m3 --served BAAI/bge-m3 --base_url http://localhost:8080
python -m utils.parity --model_checkpoint BAAI/bge-m3 --served baseline/char_ngram --langs fra --k 1
"""
LEGEND = """
1-cosine: between the two vectors of a text (left out where their sizes differ); score: difference between the cosines
of a source and its translation; others, order: share of sources whose {k} nearest texts differ, or their order does"""
MEANINGS = {
    "dataset": "the texts to compare on: a name that --list shows, or your own file",
    "src_lang": "source language (default: the dataset's pivot)",
    "langs": "only the pairs with these languages",
    "columns": "own table: the columns of the source and of the target",
}


def main(argv: Sequence[str]) -> None:
    """Encode the texts of each language pair with both encoders and print how far the vectors differ."""
    args = parse(argv)
    from tabulate import tabulate

    from utils.cli.data_choice import chosen_pairs
    from utils.data.bitext import bitext_pairs, load_bitext
    from utils.data.sources import Sources

    sources = Sources(args.data_dir, args.cache_dir)
    dataset = chosen_pairs(args)
    encoders = _open_encoders(args, sources.cache_dir)
    found: dict[str, dict[str, float]] = {}
    for pair in bitext_pairs(dataset, args.src_lang, args.langs):
        subset = load_bitext(dataset, *pair, sources)
        queries, candidates = subset.sources[: args.limit], subset.targets
        if args.k > len(candidates):
            raise UserError(
                f"--k {args.k}, but {subset.name} has {len(candidates)} texts", f"give 1 to {len(candidates)}"
            )
        members = [encoder.embed(queries, candidates) for encoder in encoders]
        found[subset.name] = compare(members, subset.gold[: args.limit], args.k)
    print(" against ".join(encoder.spec.name for encoder in encoders))
    names = list(next(iter(found.values())))
    rows = [[name, *values.values()] for name, values in found.items()]
    print(tabulate(rows, [dataset.name, *names], floatfmt=".3g", intfmt=","))
    print(LEGEND.format(k=args.k))
    if args.output:
        content = {"encoders": [encoder.spec.name for encoder in encoders], "k": args.k, "pairs": found}
        write_output(args.output, (json.dumps(content, indent=2) + "\n").encode())


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = arguments.Parser("Compare two encoders of the same checkpoint, vector by vector.", EXAMPLES)
    arguments.add_data_args(parser, MEANINGS)
    group = parser.add_argument_group("encoders")
    group.add_argument(
        "--model_checkpoint",
        type=name_or_path,
        metavar="NAME|PATH",
        default=DEFAULT_ENCODER,
        help="the local encoder (default: %(default)s)",
    )
    add_encoding_args(group)
    group.add_argument(
        "--served",
        type=name_or_path,
        metavar="NAME|PATH",
        required=True,
        help="the other encoder, usually of the server at --base_url",
    )
    group.add_argument(
        "--served_prompt", type=prompt, metavar="TEXT", help="put before every text of the other encoder"
    )
    parser.add_argument(
        "--k", type=positive, default=10, metavar="K", help="neighbours compared (default: %(default)s)"
    )
    parser.add_argument("--output", type=path, metavar="FILE", help="also write the figures to a JSON file")
    add_api_args(parser)
    arguments.add_place_args(parser)
    parser.add_argument("--verbose", action="store_true", help="show the traceback of an error")
    args = parser.parse_args(argv)
    if args.output and not args.output.parent.is_dir():
        raise UserError(f"--output {args.output}: no such folder", "create it first")
    if args.prompt and len(args.prompt) > 1:
        raise UserError(f"{len(args.prompt)} prompts for one encoder", "give one, and --served_prompt for the other")
    if args.layer and len(args.layer) > 1:
        raise UserError(f"{len(args.layer)} layers for one encoder", "give one: that of the local encoder")
    return args


def _open_encoders(args: argparse.Namespace, cache_dir: Path) -> list[Encoder]:
    """Return the local encoder and the one that it is compared with."""
    from utils.api.limiter import Budget
    from utils.cli.other_kinds import require_dense
    from utils.encoders.cached import open_encoder
    from utils.encoders.depth import with_layer
    from utils.encoders.resolve import resolve, resolve_local_encoder

    prompt = args.prompt[0] if args.prompt else None
    options = encoding_options(args)
    local = resolve_local_encoder(args.model_checkpoint, cache_dir, options, prompt)
    specs = [
        with_layer(local, args.layer[0]) if args.layer else local,
        resolve(args.served, cache_dir, options, args.served_prompt),
    ]
    require_dense(specs, "a comparison of vectors", "since vectors are compared one by one")
    api = api_options(args), Budget(args.max_cost)
    return [open_encoder(spec, chosen_device(args), cache_dir, api) for spec in specs]


def compare(members: Sequence[tuple[Rows, Rows]], gold: Sequence[int], k: int) -> dict[str, float]:
    """Return how far two encoders differ on the texts of one language pair.

    members: the vectors of sources (n, d) and targets (m, d) of each encoder. gold: index of each source's translation.
    The figures are `1 - cosine` between the two vectors of a text (where their sizes agree), the difference of the
    sources' cosines with their gold targets, the share of sources whose k nearest are other texts or in another order,
    and the accuracy at 1 of both.
    """
    import numpy as np

    from utils.retrieval.topk import topk

    answers = np.asarray(gold)
    ranked = [topk(sources, targets, k).indices for sources, targets in members]
    cosines = [_cosines(sources, targets[answers]) for sources, targets in members]
    figures: dict[str, float] = {"texts": sum(map(len, members[0]))}
    one, other = ([*sources, *targets] for sources, targets in members)
    if one[0].size == other[0].size:
        distances = 1 - _cosines(np.array(one), np.array(other))
        figures |= {"1-cosine, max": float(distances.max()), "mean": float(distances.mean())}
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
