#!/usr/bin/env python3
"""Compare two models on the same items: whether their difference is larger than chance explains.

python script/aggregate/compare.py MODEL_A MODEL_B --task bitext
python script/aggregate/compare.py MODEL MODEL --task bitext --setting_b margin=ratio
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import _path  # noqa: F401

from utils.cli import arguments
from utils.cli.main import run
from utils.reporting.tables import paired, render, select
from utils.reporting.tables.comparison import as_json, as_text
from utils.reporting.tables.sides import add_both, checked, note_other_metrics, settings_of_both, side_of, with_metric
from utils.tasks import TASKS

EXAMPLES = """
python script/aggregate/compare.py intfloat/multilingual-e5-base sentence-transformers/LaBSE --task bitext
python script/aggregate/compare.py MODEL_A MODEL_B --task classification --dataset nusax sib200 --format md
python script/aggregate/compare.py MODEL_A MODEL_B --task classification --setting cross=true train_lang=eng
python script/aggregate/compare.py MODEL MODEL --task bitext --setting_b margin=ratio
"""


def main(argv: Sequence[str]) -> None:
    """Print the comparison of two models' logged predictions."""
    args = parse(argv)
    settings = settings_of_both(args)
    sides = {name: side_of(args, model, settings[name]) for name, model in (("A", args.a), ("B", args.b))}
    pairs = paired.pair_up(with_metric(args, sides), args.metric)
    note_other_metrics(args.task, args.metric, sides["A"].values())
    lines, means = paired.lines_of(pairs, args.seed), paired.means_of(pairs, args.seed)
    text = as_json(args, settings, lines, means) if args.format == "json" else as_text(args, lines, means)
    render.emit(args, text)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = arguments.Parser("Compare two models on the items that both were run on.", EXAMPLES)
    add_both(parser)
    parser.add_argument("--task", choices=tuple(TASKS), required=True)
    parser.add_argument("--dataset", nargs="+", metavar="NAME", help="only these (default: all that both have)")
    parser.add_argument(
        "--setting", nargs="+", default=[], metavar="NAME=VALUE", help="settings of both, instead of the plain ones"
    )
    select.add_output_args(parser)
    return checked(parser.parse_args(argv))


if __name__ == "__main__":
    run(main)
