#!/usr/bin/env python3
"""Convert records to results of mteb: one JSON file per task, in the layout of its results repository.

python script/aggregate/to_mteb.py --output mteb_cache/results
python script/aggregate/to_mteb.py --models intfloat/multilingual-e5-base --output mteb_cache/results --classification
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import _path  # noqa: F401

from utils.cli import arguments
from utils.cli.main import run
from utils.cli.types import path, seed
from utils.constants import DEFAULT_SEED
from utils.data.mteb_tasks import MAIN_SCORES
from utils.reporting.tables import mteb_records
from utils.reporting.tables.build import name_missing

EXAMPLES = """
python script/aggregate/to_mteb.py --output mteb_cache/results
python script/aggregate/to_mteb.py --models intfloat/multilingual-e5-base --output mteb_cache/results --classification
"""


def main(argv: Sequence[str]) -> None:
    """Write mteb's files from the logged records, and name the subsets that they lack."""
    args = parse(argv)
    tasks = [name for name in MAIN_SCORES if args.classification or name != "classification"]
    results = mteb_records.fitting(args.logs, args.seed, tasks)
    places = mteb_records.by_place(mteb_records.of_models(results, args.models))
    for place, chosen in places.items():
        for one in chosen:
            subsets = one.row.subsets
            missing = [name for name in subsets if name not in one.found]
            name_missing(missing, len(subsets), f"{one.name}, {place[0]}")
        for written in mteb_records.write_place(args.output, place, chosen):
            print(f"wrote {written}")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = arguments.Parser("Write records as results of mteb, which its ResultCache and TaskResult read.", EXAMPLES)
    parser.add_argument("--logs", type=path, default=Path("logs"), metavar="FOLDER", help="(default: %(default)s)")
    parser.add_argument(
        "--output",
        type=path,
        default=Path("mteb_cache/results"),
        metavar="FOLDER",
        help="the folder that holds one folder per model (default: %(default)s)",
    )
    parser.add_argument("--models", nargs="+", metavar="NAME", help="only these rows of the tables")
    parser.add_argument("--seed", type=seed, default=DEFAULT_SEED, metavar="N", help="(default: %(default)s)")
    parser.add_argument(
        "--classification",
        action="store_true",
        help="k-NN classification too, as the task <name>-kNN<k>: mteb's own score is of a logistic regression",
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    run(main)
