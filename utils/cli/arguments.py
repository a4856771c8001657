"""The parser of every script, and the argument groups for data, retrieval and the run."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from utils.cli.types import name_or_path, path, positive, seed, tag, text
from utils.constants import DEFAULT_KS, DEFAULT_SEED, MARGINS, PAIRS, POOLS, SIMILARITIES
from utils.errors import UserError

NEAR = 0.75  # likeness of a mistyped flag to the one that a hint names
# flags of other scripts that mean the same: a run writes the folder that tables read
SAME = {
    "--output_dir": "--logs",
    "--logs": "--output_dir",
    "--model_checkpoint": "--models",
    "--model_checkpoints": "--models",
    "--gen_model_checkpoint": "--models",
    "--models": "--model_checkpoint",
}


class ListAction(argparse.Action):
    """Print the data sets, encoders and generators, and exit, whatever else is on the command line."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> NoReturn:
        """Print and exit with 0."""
        from utils.cli.listing import show_registry

        show_registry()
        sys.stdout.flush()
        parser.exit()


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
        self.register("type", None, text)  # of every argument that names no type, in groups too

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, except `--flag=--`, whose value argparse loses."""
        for arg in args or ():
            if arg.startswith("--") and arg.endswith("=--"):
                self.error(f"argument {arg.partition('=')[0]}: -- is not a value")
        return super().parse_known_args(args, namespace)

    def names(self) -> set[str]:
        """Return the names of all arguments that were added."""
        return {action.dest for action in self._actions}

    def hide(self, *flags: str) -> None:
        """Leave flags out of the help: those of other scripts that this one refuses with a hint."""
        for flag in flags:
            self._option_string_actions[flag].help = argparse.SUPPRESS

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage; a setting of records is given by --setting where there is no flag."""
        raise UserError(
            message, self._of_setting(message) or f"{self._near(message)}--help shows every flag, with examples"
        )

    def _near(self, message: str) -> str:
        """Return which flag an unknown one may stand for, empty where none is near."""
        unknown = re.match(r"unrecognized arguments: (--\w+)", message)
        if unknown is None:
            return ""
        import difflib

        same = [flag for flag in (SAME.get(unknown[1]),) if flag in self._option_string_actions]
        near = same or difflib.get_close_matches(unknown[1], self._option_string_actions, n=1, cutoff=NEAR)
        return f"did you mean {near[0]}? " if near else ""

    def _of_setting(self, message: str) -> str:
        unknown = re.match(r"unrecognized arguments: --(\w+)(?:[= ](\S+))?", message)
        if unknown is None or "--setting" not in self._option_string_actions:
            return ""
        from utils.tasks import TASKS

        name, value = unknown.groups()
        known = {setting for spec in TASKS.values() for setting in (*spec.table_settings, *spec.row_settings)}
        return f"settings of records are chosen by --setting {name}={value or 'true'}" if name in known else ""


def add_data_args(parser: argparse.ArgumentParser, meanings: Mapping[str, str]) -> None:
    """Add the flags that choose the data set and its languages; `meanings` has the help text of each flag."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--dataset",
        type=name_or_path,
        default="sample",
        metavar="NAME|PATH",
        help=f"{meanings['dataset']} (default: %(default)s)",
    )
    if "src_lang" in meanings:
        group.add_argument("--src_lang", metavar="LANG", help=meanings["src_lang"])
    group.add_argument("--langs", nargs="+", metavar="LANG", help=meanings["langs"])
    group.add_argument("--columns", nargs="+", metavar="COLUMN", help=meanings["columns"])
    group.add_argument(
        "--no_header", action="store_true", help="own table: the first line is data; its columns are called 1, 2, ..."
    )
    usual = "use only the first N test items; the records go to debug/"
    group.add_argument("--limit", type=positive, metavar="N", help=meanings.get("limit", usual))


def add_place_args(parser: argparse.ArgumentParser, *, mirror: bool = True) -> None:
    """Add the flags for the mirror of the data sets, unless a script reads none, and the cache."""
    group = parser.add_argument_group("places")
    if mirror:
        group.add_argument(
            "--data_dir",
            type=path,
            default=os.environ.get("MINERS_DATA_DIR") or None,
            metavar="FOLDER",
            help="a mirror of data sets, laid out as <owner>/<name>, read before the hub (default: $MINERS_DATA_DIR)",
        )
    group.add_argument(
        "--cache_dir",
        type=path,
        default=os.environ.get("MINERS_CACHE_DIR") or "~/.cache/miners",
        metavar="FOLDER",
        help="cache of embeddings and expanded checkpoints (default: $MINERS_CACHE_DIR or ~/.cache/miners)",
    )


def add_retrieval_args(
    parser: argparse.ArgumentParser, ks: Sequence[int] = DEFAULT_KS, others: str = ""
) -> argparse._ArgumentGroup:
    """Add the flags for the similarity and k; return the group, to which a task adds its own flags.

    ks: the default of k, and `others` what it is for some data sets.
    """
    group = add_similarity_arg(parser)
    group.add_argument(
        "--k",
        nargs="+",
        type=positive,
        metavar="K",
        help=f"numbers of neighbours (default: {' '.join(map(str, ks))}{others})",
    )
    return group


def add_pool_args(group: argparse._ArgumentGroup) -> None:
    """Add what chooses the pool of passages, and pairs of languages."""
    group.add_argument(
        "--pool",
        choices=POOLS[1:],
        help="the passages: in all languages, in the same as the question, or in the others (default: as the data set "
        "is used)",
    )
    group.add_argument(
        "--pairs",
        choices=PAIRS,
        help="of a data set of pairs of languages only those of one language, or of two; each pair has its own pool",
    )


def add_margin_args(group: argparse._ArgumentGroup) -> None:
    """Add the flags for margins."""
    group.add_argument(
        "--margin",
        choices=MARGINS,
        default="none",
        help="margin-based score in place of the cosine (default: %(default)s)",
    )
    group.add_argument("--margin_k", type=positive, metavar="K", help="neighbours in the margin (default: 4; csls 10)")


def add_similarity_arg(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the flags for the similarity; return the group."""
    group = parser.add_argument_group("retrieval")
    group.add_argument("--similarity", choices=SIMILARITIES, default="cosine", help="(default: %(default)s)")
    group.add_argument(
        "--exact_float32",
        action="store_true",
        help="scan in float32 instead of the fastest precision; the results are the same",
    )
    return group


def add_run_args(parser: argparse.ArgumentParser, output_dir: str = "logs", what: str = "logs") -> None:
    """Add the flags for places, outputs, the seed, the dry run and the list; `what` names the outputs."""
    add_place_args(parser)
    group = parser.add_argument_group("run")
    group.add_argument(
        "--seed",
        type=seed,
        default=DEFAULT_SEED,
        metavar="N",
        help="seed of everything random (default: %(default)s)",
    )
    group.add_argument(
        "--output_dir",
        type=path,
        default=Path(output_dir),
        metavar="FOLDER",
        help=f"folder of the {what} (default: %(default)s)",
    )
    if what == "logs":
        group.add_argument(
            "--tag",
            type=tag,
            metavar="NAME",
            help="name of a variant, shown in rows, figures and pages; its records have a folder of their own",
        )
    group.add_argument("--overwrite", action="store_true", help="compute again, and replace existing records")
    group.add_argument(
        "--dry_run",
        action="store_true",
        help="show subsets, sizes, cached texts, costs and paths without loading a model",
    )
    group.add_argument(
        "--list",
        action=ListAction,
        nargs=0,
        dest=argparse.SUPPRESS,
        help="list the data sets, encoders and generators, and exit",
    )
    group.add_argument("--verbose", action="store_true", help="show the traceback of an error")
