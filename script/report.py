#!/usr/bin/env python3
"""Write a folder of logs as one page: leaderboards, languages, items, comparisons, and the provenance of each figure.

python script/report.py
python script/report.py --logs logs --output report.html --task classification
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _path  # noqa: F401

from utils.cli import arguments
from utils.cli.main import run
from utils.cli.types import path, positive
from utils.records.provenance import public_argument
from utils.reporting.tables.names import add_names_arg
from utils.tasks import TASKS

KEPT = "no page was written; run the same command again"  # shown when the script is interrupted
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
    parser.add_argument("--logs", type=path, default=Path("logs"), metavar="FOLDER", help="(default: %(default)s)")
    parser.add_argument(
        "--output", type=path, default=Path("report.html"), metavar="FILE", help="(default: %(default)s)"
    )
    add_names_arg(parser)
    parser.add_argument("--task", choices=tuple(TASKS), nargs="+", help="only these (default: all)")
    parser.add_argument("--dataset", nargs="+", metavar="NAME", help="only these (default: all)")
    parser.add_argument("--debug", action="store_true", help="include the records of --limit runs")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--no_items", action="store_true", help="leave out predictions, prompts and neighbours")
    size.add_argument(
        "--max_mb",
        type=positive,
        default=50,
        metavar="N",
        help="megabytes for predictions, prompts and neighbours, the small and recent first (default: %(default)s)",
    )
    arguments.add_place_args(parser)  # the page shows the texts of a mirror with the items
    args = parser.parse_args(argv)
    from utils.reporting.pages import page

    print(page.write_report(args, defaults()))


def defaults() -> dict[str, dict[str, Any]]:
    """Return the arguments of each task's script when none is given, as a record has them."""
    scripts = {name: importlib.import_module(spec.script.removesuffix(".py")) for name, spec in TASKS.items()}
    usual = {name: vars(script.parse([])) | {"data_dir": None} for name, script in scripts.items()}
    parsed: dict[str, dict[str, Any]] = json.loads(json.dumps(usual, default=public_argument))
    return parsed


if __name__ == "__main__":
    run(main, KEPT)
