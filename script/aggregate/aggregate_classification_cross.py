#!/usr/bin/env python3
"""Table of cross-lingual classification: models by data sets, XL and XL CS means, and their mean.

python script/aggregate/aggregate_classification_cross.py --k 1
python script/aggregate/aggregate_classification_cross.py --k 5 --metric f1 --format latex --output cross.tex
"""

from __future__ import annotations

from collections.abc import Sequence

import _path  # noqa: F401

from utils.cli.main import run
from utils.reporting.tables.aggregate import aggregate

EXAMPLES = """
python script/aggregate/aggregate_classification_cross.py --k 1
python script/aggregate/aggregate_classification_cross.py --k 5 --metric f1 --format latex --output cross.tex
python script/aggregate/aggregate_classification_cross.py --dataset sib200 --by family
"""


def main(argv: Sequence[str]) -> None:
    """Print the table of the logged records."""
    aggregate(argv, "classification_cross", EXAMPLES)


if __name__ == "__main__":
    run(main)
