#!/usr/bin/env python3
"""Table of cross-lingual classification: models by datasets, XL and XL CS means, and their mean.

python script/aggregate/aggregate_classification_cross.py --k 1
python script/aggregate/aggregate_classification_cross.py --dataset sib200 --by family
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.cli.main import run
from utils.reporting.tables.classification import show_table

GROUPS = {"XL": ("massive_intent", "nollysenti", "nusax", "sib200"), "XL CS": ("fire",)}
EXAMPLES = """
python script/aggregate/aggregate_classification_cross.py --k 1
python script/aggregate/aggregate_classification_cross.py --k 5 --metric f1 --format latex --output cross.tex
python script/aggregate/aggregate_classification_cross.py --dataset sib200 --by family
"""


def main(argv: Sequence[str]) -> None:
    """Print the table of the logged records."""
    show_table(
        argv,
        "Table of cross-lingual classification: models by datasets, XL and XL CS means, and their mean.",
        EXAMPLES,
        GROUPS,
        cross=True,
    )


if __name__ == "__main__":
    run(main)
