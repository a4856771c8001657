#!/usr/bin/env python3
"""Table of in-context learning: models by data sets, Mono and CS means, and their mean.

python script/aggregate/aggregate_icl.py
python script/aggregate/aggregate_icl.py --k 0 1 --format latex --output icl.tex
"""

from __future__ import annotations

from collections.abc import Sequence

import _path  # noqa: F401

from utils.cli.main import run
from utils.reporting.tables.aggregate import aggregate

EXAMPLES = """
python script/aggregate/aggregate_icl.py
python script/aggregate/aggregate_icl.py --k 0 1 --format latex --output icl.tex
python script/aggregate/aggregate_icl.py --balance --metric f1
"""


def main(argv: Sequence[str]) -> None:
    """Print the table of the logged records."""
    aggregate(argv, "icl", EXAMPLES)


if __name__ == "__main__":
    run(main)
