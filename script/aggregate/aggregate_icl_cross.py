#!/usr/bin/env python3
"""Table of cross-lingual in-context learning: models by data sets, XL and XL CS means, and their mean.

python script/aggregate/aggregate_icl_cross.py
python script/aggregate/aggregate_icl_cross.py --k 0 1 --format latex --output icl_cross.tex
"""

from __future__ import annotations

from collections.abc import Sequence

import _path  # noqa: F401

from utils.cli.main import run
from utils.reporting.tables.aggregate import aggregate

EXAMPLES = """
python script/aggregate/aggregate_icl_cross.py
python script/aggregate/aggregate_icl_cross.py --k 0 1 --format latex --output icl_cross.tex
python script/aggregate/aggregate_icl_cross.py --balance --metric f1
"""


def main(argv: Sequence[str]) -> None:
    """Print the table of the logged records."""
    aggregate(argv, "icl_cross", EXAMPLES)


if __name__ == "__main__":
    run(main)
