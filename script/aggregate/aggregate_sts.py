#!/usr/bin/env python3
"""Table of semantic textual similarity: models by data sets.

python script/aggregate/aggregate_sts.py
python script/aggregate/aggregate_sts.py --metric pearson --ci
"""

from __future__ import annotations

from collections.abc import Sequence

import _path  # noqa: F401

from utils.cli.main import run
from utils.reporting.tables.aggregate import aggregate

EXAMPLES = """
python script/aggregate/aggregate_sts.py
python script/aggregate/aggregate_sts.py --metric pearson --ci
python script/aggregate/aggregate_sts.py --format md --logs logs
"""


def main(argv: Sequence[str]) -> None:
    """Print the table of the logged records."""
    aggregate(argv, "sts", EXAMPLES)


if __name__ == "__main__":
    run(main)
