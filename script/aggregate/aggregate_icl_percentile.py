#!/usr/bin/env python3
"""Table of in-context learning by the rank band of the demonstrations: models and data sets by percentiles.

python script/aggregate/aggregate_icl_percentile.py
python script/aggregate/aggregate_icl_percentile.py --dataset nusax --k 1 --format latex --output percentile.tex
"""

from __future__ import annotations

from collections.abc import Sequence

import _path  # noqa: F401

from utils.cli.main import run
from utils.reporting.tables.aggregate import aggregate

EXAMPLES = """
python script/aggregate/aggregate_icl_percentile.py
python script/aggregate/aggregate_icl_percentile.py --dataset nusax --k 1 --format latex --output percentile.tex
python script/aggregate/aggregate_icl_percentile.py --cross --metric acc
"""


def main(argv: Sequence[str]) -> None:
    """Print the table of the logged records."""
    aggregate(argv, "icl_percentile", EXAMPLES)


if __name__ == "__main__":
    run(main)
