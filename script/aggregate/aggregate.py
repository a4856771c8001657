#!/usr/bin/env python3
"""Table of any task: models by data sets with the means of the task's row in utils/tasks.py.

python script/aggregate/aggregate.py --task bitext --k 1
python script/aggregate/aggregate.py --task icl --view icl_cross --k 0 1 --format latex
"""

from __future__ import annotations

from collections.abc import Sequence

import _path  # noqa: F401

from utils.cli import arguments
from utils.cli.main import run
from utils.errors import UserError
from utils.reporting.tables.aggregate import add_args, description_of, print_table
from utils.task_spec import TaskSpec
from utils.tasks import TASKS
from utils.views import View

DESCRIPTION = "Table of any task. --task NAME --help shows the flags of that task's table."
EXAMPLES = """
python script/aggregate/aggregate.py --task bitext --k 1
python script/aggregate/aggregate.py --task classification --view classification_cross --k 5 --format latex
python script/aggregate/aggregate.py --task icl --help
"""


def main(argv: Sequence[str]) -> None:
    """Print the table of the logged records."""
    spec, view = chosen_table(argv)
    parser = parser_of(description_of(view))
    add_args(parser, spec, view)
    print_table(parser.parse_args(argv), spec, view)


def parser_of(description: str) -> arguments.Parser:
    """Return a parser with the flags that choose a table."""
    parser = arguments.Parser(description, EXAMPLES)
    parser.add_argument("--task", choices=tuple(TASKS), required=True)
    views = [view.key for spec in TASKS.values() for view in spec.views]
    parser.add_argument("--view", metavar="NAME", help=f"a table of the task: {', '.join(views)} (default: its first)")
    return parser


def chosen_table(argv: Sequence[str]) -> tuple[TaskSpec, View]:
    """Return the task and the table that the flags choose; prints the help where they choose none and ask for it."""
    has_task = any(flag.partition("=")[0] == "--task" for flag in argv)
    asked = [flag for flag in argv if flag not in ("-h", "--help")] if has_task else argv
    args, _ = parser_of(DESCRIPTION).parse_known_args(asked)
    spec = TASKS[args.task]
    views = {view.key: view for view in spec.views}
    chosen = args.view or spec.views[0].key
    if chosen not in views:
        raise UserError(f"--view {chosen}: {spec.name} has no such table", f"choose from: {', '.join(views)}")
    return spec, views[chosen]


if __name__ == "__main__":
    run(main)
