"""What the tables of in-context learning share: their flags, which records they take, and what a row is called."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Any

from utils.cli import arguments
from utils.generators.registry import GENERATORS
from utils.records.original import generator_and_encoder
from utils.records.result import LoggedResult
from utils.reporting.tables import tables
from utils.reporting.tables.select import add_source_arg, of_datasets, of_one_source
from utils.schema import DECODES, DEMONSTRATIONS, LENGTH_NORMS, ORDERS, SIMILARITIES

USUAL_DECODE = {"base": "score", "chat": "generate", "seq2seq": "generate"}


def parse(argv: Sequence[str], description: str, examples: str, *, cross: bool = False) -> argparse.Namespace:
    """Parse the flags that say which records enter the table."""
    parser = parser_of(description, examples)
    if cross:
        add_source_arg(parser)
    return parser.parse_args(argv)


def parser_of(description: str, examples: str) -> arguments.Parser:
    """Return the parser of a table of in-context learning."""
    parser = arguments.Parser(description, examples)
    tables.add_table_args(parser, several_ks=True)
    parser.add_argument("--similarity", choices=SIMILARITIES, default="cosine", help="(default: %(default)s)")
    parser.add_argument("--demonstrations", choices=DEMONSTRATIONS, nargs="+", help="only these (default: all)")
    parser.add_argument("--order", choices=ORDERS, default="nearest_first", help="(default: %(default)s)")
    parser.add_argument("--balance", action="store_true", help="records made with --balance")
    parser.add_argument("--decode", choices=DECODES, help="only records decoded so (default: all)")
    parser.add_argument("--length_norm", choices=LENGTH_NORMS, default="token", help="(default: %(default)s)")
    parser.add_argument("--calibrate", action="store_true", help="records made with --calibrate")
    parser.add_argument("--split", choices=("test", "validation"), default="test", help="(default: %(default)s)")
    parser.add_argument("--legacy", action="store_true", help="records made with --legacy")
    return parser


def select(args: argparse.Namespace, *, cross: bool, bands: bool = False) -> list[LoggedResult]:
    """Return the results of these settings, each named as its row: generator, encoder, number of demonstrations."""
    settings: dict[str, Any] = {
        "cross": cross,
        "balance": args.balance,
        "order": args.order,
        "calibrate": args.calibrate,
        "split": args.split,
        "legacy": args.legacy,
        "similarity": "euclidean" if args.legacy else args.similarity,
        "length_norm": [args.length_norm, None],  # None: text was generated
        **({"demonstrations": args.demonstrations} if args.demonstrations else {}),
        **({"decode": args.decode} if args.decode else {}),
        **({} if bands else {"min_percentile": [None]}),
    }
    results = of_datasets(args, tables.select(args, "icl", settings))
    if cross:
        results = of_one_source(results, "icl", args.src_lang)
    return [dataclasses.replace(result, model=row_name(result)) for result in results]


def row_name(result: LoggedResult) -> str:
    """Return what a row is called: `generator (departures) + encoder, k-shot`."""
    generator = result.run.get("generator") or {}
    encoder = result.model
    if not generator:  # the original's file: its folders are the generator's name and the encoder's
        name, encoder = generator_and_encoder(result.model)
        generator = {"name": name, "quantization": result.run.get("quantization", "")}
    decode = result.run.get("decode")
    departures = [
        generator.get("quantization", ""),
        decode if decode and decode != USUAL_DECODE.get(generator.get("kind", ""), decode) else "",
    ]
    extra = f" ({', '.join(filter(None, departures))})" if any(departures) else ""
    shown = f" + {encoder}" if result.k and encoder else ""
    return f"{generator['name']}{extra}{shown}, {result.k}-shot"


def order(results: Sequence[LoggedResult]) -> list[str]:
    """Return the rows' names: generators as in the registry, fewer demonstrations first."""
    known = list(GENERATORS)

    def place(result: LoggedResult) -> tuple[int, str, int, str]:
        name = (result.run.get("generator") or {}).get("name", "")
        return known.index(name) if name in known else len(known), name, result.k, result.model

    return list(dict.fromkeys(result.model for result in sorted(results, key=place)))


def datasets_of(results: Sequence[LoggedResult], model: str) -> list[str]:
    """Return the data sets that a row's name has results of, in the order of their names."""
    return sorted({result.dataset for result in results if result.model == model})


def band(result: LoggedResult) -> tuple[int, int] | None:
    """Return the percentiles of the ranks that the demonstrations were taken from."""
    low, high = result.run.get("min_percentile"), result.run.get("max_percentile")
    return None if low is None or high is None else (low, high)
