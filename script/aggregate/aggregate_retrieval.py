#!/usr/bin/env python3
"""Table of retrieval with judgements: models by data sets.

python script/aggregate/aggregate_retrieval.py
python script/aggregate/aggregate_retrieval.py --k 100 --metric recall --pool same
"""

from __future__ import annotations

from collections.abc import Sequence

import _path  # noqa: F401

from utils.cli.main import run
from utils.reporting.tables.aggregate import aggregate

EXAMPLES = """
python script/aggregate/aggregate_retrieval.py
python script/aggregate/aggregate_retrieval.py --k 100 --metric recall --pool same
python script/aggregate/aggregate_retrieval.py --ci --format md --logs logs
"""


def main(argv: Sequence[str]) -> None:
    """Print the table of the logged records."""
    aggregate(argv, "retrieval", EXAMPLES)


if __name__ == "__main__":
    run(main)
