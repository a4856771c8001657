"""What the scripts' command lines share: argument groups, what they resolve to, and the wrapper around main."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from utils.cli.types import natural, positive
from utils.errors import UserError
from utils.schema import (
    SIMILARITIES,
)


class Parser(argparse.ArgumentParser):
    """An argument parser whose mistakes are UserErrors."""

    def __init__(self, description: str, examples: str) -> None:
        epilog = "examples:\n" + "\n".join(f"  {line.strip()}" for line in examples.strip().splitlines())
        super().__init__(
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise UserError(message, "--help shows every flag, with examples")


def add_data_args(parser: argparse.ArgumentParser, meanings: Mapping[str, str]) -> None:
    """Which texts: the dataset and its languages; `meanings` says what each flag means to the task."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--dataset", default="sample", metavar="NAME|PATH", help=f"{meanings['dataset']} (default: %(default)s)"
    )
    group.add_argument("--src_lang", metavar="LANG", help=meanings["src_lang"])
    group.add_argument("--langs", nargs="+", metavar="LANG", help=meanings["langs"])
    group.add_argument("--columns", nargs="+", metavar="COLUMN", help=meanings["columns"])
    usual = "only the first N test items; logged under debug/"
    group.add_argument("--limit", type=positive, metavar="N", help=meanings.get("limit", usual))


def add_place_args(parser: argparse.ArgumentParser) -> None:
    """Where data are read from, and where downloads and embeddings are kept."""
    group = parser.add_argument_group("places")
    group.add_argument(
        "--data_dir",
        type=Path,
        default=os.environ.get("MINERS_DATA_DIR") or None,
        metavar="FOLDER",
        help="a mirror laid out as <owner>/<name>, read before the hub (default: $MINERS_DATA_DIR)",
    )
    group.add_argument(
        "--cache_dir",
        type=Path,
        default=Path(os.environ.get("MINERS_CACHE_DIR") or "~/.cache/miners"),
        metavar="FOLDER",
        help="embeddings and expanded checkpoints (default: $MINERS_CACHE_DIR or ~/.cache/miners)",
    )


def add_retrieval_args(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """How neighbours are found; returns the group, for what only one task has."""
    group = add_similarity_arg(parser)
    group.add_argument("--k", nargs="+", type=positive, metavar="K", help="neighbours (default: 1 5 10)")
    return group


def add_similarity_arg(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Which similarity ranks the neighbours; returns the group."""
    group = parser.add_argument_group("retrieval")
    group.add_argument("--similarity", choices=SIMILARITIES, default="cosine", help="(default: %(default)s)")
    group.add_argument(
        "--exact_float32",
        action="store_true",
        help="scan in float32, not in the fastest precision (the answers are the same)",
    )
    return group


def add_run_args(parser: argparse.ArgumentParser, output_dir: str = "logs", what: str = "logs") -> None:
    """What happens around the run: places, outputs, seed, and runs that only tell."""
    add_place_args(parser)
    group = parser.add_argument_group("run")
    group.add_argument(
        "--seed", type=natural, default=42, metavar="N", help="seed of all that is drawn (default: %(default)s)"
    )
    group.add_argument(
        "--output_dir",
        type=Path,
        default=Path(output_dir),
        metavar="FOLDER",
        help=f"where the {what} go (default: %(default)s)",
    )
    group.add_argument("--overwrite", action="store_true", help="compute again and replace records that are there")
    group.add_argument(
        "--dry_run", action="store_true", help="show subsets, sizes, cache hits and paths; load no model"
    )
    group.add_argument("--list", action="store_true", help="show the datasets, encoders and generators, and exit")
    group.add_argument("--verbose", action="store_true", help="show the traceback of an error")
