#!/usr/bin/env python3
"""Our records as results of mteb: one JSON a task, laid out as its results repository is.

python script/aggregate/to_mteb.py --output mteb_cache/results
python script/aggregate/to_mteb.py --models intfloat/multilingual-e5-base --output mteb_cache/results --classification
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.cli import arguments
from utils.cli.main import run
from utils.cli.types import natural
from utils.reporting.tables import mteb_records

EXAMPLES = """
python script/aggregate/to_mteb.py --output mteb_cache/results
python script/aggregate/to_mteb.py --models intfloat/multilingual-e5-base --output mteb_cache/results --classification
"""


def main(argv: Sequence[str]) -> None:
    """Write mteb's files from the logged records, and say which subsets they lack."""
    args = parse(argv)
    tasks = ("bitext", "classification") if args.classification else ("bitext",)
    results = mteb_records.fitting(args.logs.expanduser(), args.seed, tasks)
    places = mteb_records.by_place(mteb_records.of_models(results, args.models))
    for place, chosen in places.items():
        for one in chosen:
            name_missing(one, place[0])
        for path in mteb_records.write_place(args.output.expanduser(), place, chosen):
            print(f"wrote {path}")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = arguments.Parser(
        "Write our records as results of mteb, which its ResultCache and TaskResult read.", EXAMPLES
    )
    parser.add_argument("--logs", type=Path, default=Path("logs"), metavar="FOLDER", help="(default: %(default)s)")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("mteb_cache/results"),
        metavar="FOLDER",
        help="the folder that holds a folder a model (default: %(default)s)",
    )
    parser.add_argument("--models", nargs="+", metavar="NAME", help="only these rows of the tables")
    parser.add_argument("--seed", type=natural, default=42, metavar="N", help="(default: %(default)s)")
    parser.add_argument(
        "--classification",
        action="store_true",
        help="k-NN classification too, as the task <name>-kNN<k>: mteb's own score is of a logistic regression",
    )
    return parser.parse_args(argv)


def name_missing(chosen: mteb_records.Chosen, model: str) -> None:
    """Name the subsets of a task for which there is no record."""
    missing = [name for name in chosen.row.subsets if name not in chosen.found]
    if missing:
        shown = ", ".join(missing[:8]) + (", ..." if len(missing) > 8 else "")
        total = len(chosen.row.subsets)
        print(f"missing: {chosen.name}, {model}: {len(missing)} of {total} subsets: {shown}", file=sys.stderr)


if __name__ == "__main__":
    run(main)
