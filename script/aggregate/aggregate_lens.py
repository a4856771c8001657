#!/usr/bin/env python3
"""Table of the logit lens: the accuracy of each model at its best layer by data sets.

python script/aggregate/aggregate_lens.py
python script/aggregate/aggregate_lens.py --metric last
"""

from __future__ import annotations

from collections.abc import Sequence

import _path  # noqa: F401

from utils.cli.main import run
from utils.reporting.tables.aggregate import aggregate

EXAMPLES = """
python script/aggregate/aggregate_lens.py
python script/aggregate/aggregate_lens.py --metric last
python script/aggregate/aggregate_lens.py --format md --logs logs
"""


def main(argv: Sequence[str]) -> None:
    """Print the table of the logged records."""
    aggregate(argv, "lens", EXAMPLES)


if __name__ == "__main__":
    run(main)
