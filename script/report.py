#!/usr/bin/env python3
"""One page of a folder of logs: leaderboards, languages, items, comparisons, and where each figure comes from.

python script/report.py
python script/report.py --logs logs --output report.html --task classification
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from utils.cli import arguments
from utils.cli.main import run
from utils.cli.types import positive

KEPT = "no page is written; the same command begins anew"  # of an interruption
TASKS = ("bitext", "classification", "icl")
EXAMPLES = """
python script/report.py
python script/report.py --logs logs --output report.html --task classification --dataset nusax sib200
python script/report.py --max_mb 500
python script/report.py --no_items --debug
"""


def main(argv: Sequence[str]) -> None:
    """Write the page."""
    parser = arguments.Parser(
        "Write one HTML file, which opens without a network, to browse a folder of logs.", EXAMPLES
    )
    parser.add_argument("--logs", type=Path, default=Path("logs"), metavar="FOLDER", help="(default: %(default)s)")
    parser.add_argument(
        "--output", type=Path, default=Path("report.html"), metavar="FILE", help="(default: %(default)s)"
    )
    parser.add_argument("--task", choices=TASKS, nargs="+", help="only these (default: all)")
    parser.add_argument("--dataset", nargs="+", metavar="NAME", help="only these (default: all)")
    parser.add_argument("--debug", action="store_true", help="the records of --limit runs too")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--no_items", action="store_true", help="leave out predictions, prompts and neighbours")
    size.add_argument(
        "--max_mb",
        type=positive,
        default=50,
        metavar="N",
        help="room for predictions, prompts and neighbours, the small and recent first (default: %(default)s)",
    )
    arguments.add_place_args(parser)  # a mirror's texts are shown beside the items
    args = parser.parse_args(argv)
    from utils.reporting.pages import page

    print(page.write_report(args))


if __name__ == "__main__":
    run(main, KEPT)
