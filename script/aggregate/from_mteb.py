#!/usr/bin/env python3
"""Convert mteb's results to a reference for the tables: a CSV file with one line per model and data set, in percent.

python script/aggregate/from_mteb.py mteb_cache/results --output mteb.csv
python script/aggregate/from_mteb.py NusaXBitextMining.json --model intfloat/multilingual-e5-base
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import _path  # noqa: F401

from utils.cli import arguments
from utils.cli.main import run
from utils.cli.types import path
from utils.errors import UserError
from utils.reporting.tables import mteb_results, render

EXAMPLES = """
python script/aggregate/from_mteb.py mteb_cache/results --output mteb.csv
python script/aggregate/from_mteb.py results/intfloat__multilingual-e5-base --partial
python script/aggregate/from_mteb.py NusaXBitextMining.json --model intfloat/multilingual-e5-base
"""


def main(argv: Sequence[str]) -> None:
    """Print the reference, or write it to --output."""
    args = parse(argv)
    paths = mteb_results.task_files(args.places)
    files = mteb_results.read_files(paths, args.model)
    lines = mteb_results.rows(mteb_results.read_results(files), partial=args.partial)
    lines += mteb_results.task_lines(files)
    if not lines:
        hint = "the notes above say what was left out; --partial also takes means that lack subsets"
        raise UserError(f"no figure of one of the suite's data sets in {len(paths)} JSON files", hint)
    render.emit(args, render.render_rows(mteb_results.HEADER, lines, "csv"))


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = arguments.Parser("Read mteb's results into a reference CSV for the tables; mteb is not needed.", EXAMPLES)
    parser.add_argument("places", type=path, nargs="+", metavar="PATH", help="folders of results, or files of tasks")
    parser.add_argument("--model", metavar="NAME", help="the model of files that do not name theirs")
    parser.add_argument("--partial", action="store_true", help="also take means that lack subsets, marked (n/N)")
    parser.add_argument("--output", type=path, metavar="FILE", help="write the CSV to this file instead of printing")
    return parser.parse_args(argv)


if __name__ == "__main__":
    run(main)
