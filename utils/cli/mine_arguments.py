"""The command line of mine.py: the collections, their cleaning, the search and the output."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from utils.cli.arguments import ListAction, add_place_args
from utils.cli.types import path, positive, seed
from utils.constants import DEFAULT_SEED
from utils.mining.cleaning import DEDUPLICATIONS
from utils.mining.collections import Collection
from utils.mining.margins import MINED_MARGINS
from utils.mining.output import FORMATS
from utils.mining.pairing import MINED_DIRECTIONS
from utils.mining.row_store import SHARD, STORE_DTYPES


def add_collection_args(parser: argparse.ArgumentParser) -> None:
    """Add the flags for the collections and their cleaning."""
    group = parser.add_argument_group("collections (default: two languages of the sample set)")
    meaning = "files, folders or patterns: .txt, .tsv, .csv, .jsonl (also .gz, .zst, .xz, .bz2), .parquet"
    for side in ("source", "target"):
        group.add_argument(f"--{side}", nargs="+", metavar="PATH", help=meaning)
    two = "one for both sides or one each; a number counts the fields of lines without a header"
    group.add_argument("--text_column", nargs="+", metavar="COLUMN", help=f"column of the texts: {two} (default: text)")
    group.add_argument(
        "--id_column", nargs="+", metavar="COLUMN", help="column of the ids (default: id, or the number of the text)"
    )
    group = parser.add_argument_group("cleaning")
    group.add_argument("--min_chars", type=positive, default=1, metavar="N", help="drop shorter texts")
    group.add_argument("--max_chars", type=positive, metavar="N", help="drop longer texts")
    group.add_argument(
        "--duplicates",
        choices=DEDUPLICATIONS,
        default="exact",
        help="drop all but the first of exact duplicates, or of near ones, which differ in case, punctuation, digits "
        "and blanks (default: %(default)s)",
    )
    group.add_argument(
        "--language_id",
        nargs="+",
        metavar="CODE",
        help="codes of pycld2, such as en de: drop texts that are surely in another language than their side's",
    )


def add_mining_args(parser: argparse.ArgumentParser) -> None:
    """Add the flags for the search and for which pairs are kept."""
    group = parser.add_argument_group("mining")
    group.add_argument("--margin", choices=MINED_MARGINS, default="ratio", help="(default: %(default)s)")
    group.add_argument("--margin_k", type=positive, metavar="K", help="neighbours in the margin (default: 4; csls 10)")
    group.add_argument(
        "--direction",
        choices=MINED_DIRECTIONS,
        default="union",
        help="best target of each source, best source of each target, pairs that are both, or either with each text "
        "used once (default: %(default)s)",
    )
    group.add_argument(
        "--one_to_one", action="store_true", help="forward and backward: use each text only once as well"
    )
    group.add_argument("--threshold", type=finite, metavar="SCORE", help="keep the pairs with at least this score")
    group.add_argument("--top", type=positive, metavar="N", help="keep the N best pairs")
    group.add_argument("--gold", type=path, metavar="FILE", help="known pairs of ids: precision, recall and F1")
    group.add_argument(
        "--exact_float32",
        action="store_true",
        help="scan in float32 instead of the fastest precision; the results are the same",
    )


def add_store_args(parser: argparse.ArgumentParser) -> None:
    """Add the flags for places, the output and the dry run."""
    add_place_args(parser)
    group = parser.add_argument_group("store and output")
    group.add_argument(
        "--store", type=path, metavar="FOLDER", help="texts, vectors and neighbours (default: mining in the cache)"
    )
    group.add_argument(
        "--store_dtype", choices=STORE_DTYPES, default="float16", help="type of stored vectors (default: %(default)s)"
    )
    group.add_argument(
        "--shard_size", type=positive, default=SHARD, metavar="N", help="texts of a shard (default: %(default)s)"
    )
    group.add_argument("--output", type=path, metavar="FILE", help="the pairs (default: mined/SOURCE_TARGET.FORMAT)")
    group.add_argument(
        "--format", choices=FORMATS, help="tsv: score, source, target; jsonl and parquet: ids too (default: tsv)"
    )
    group.add_argument(
        "--seed", type=seed, default=DEFAULT_SEED, metavar="N", help="of the halves of --gold (default: %(default)s)"
    )
    group.add_argument("--overwrite", action="store_true", help="replace the pairs of another mining")
    group.add_argument(
        "--dry_run", action="store_true", help="show texts, time, disk and memory, estimated from a short trial"
    )
    group.add_argument("--list", action=ListAction, nargs=0, dest=argparse.SUPPRESS, help="list the encoders, and exit")
    group.add_argument("--verbose", action="store_true", help="show the traceback of an error")


def finite(text: str) -> float:
    """Parse a number that is neither NaN nor infinite."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return value


def default_output(collections: Sequence[Collection], kind: str) -> Path:
    """Return the path of what is mined from collections, by the names of their first files."""
    return Path("mined") / f"{'_'.join(one.files[0].name.split('.')[0] for one in collections)}.{kind}"
