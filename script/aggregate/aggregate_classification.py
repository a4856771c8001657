#!/usr/bin/env python3
"""Table of classification: models by datasets, Mono and CS means, and their mean.

python script/aggregate/aggregate_classification.py --k 1
python script/aggregate/aggregate_classification.py --dataset sib200 --by family
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.cli.main import run
from utils.reporting.tables.classification import show_table

GROUPS = {"Mono": ("massive_intent", "nollysenti", "nusax", "sib200"), "CS": ("fire", "lince_sa")}
EXAMPLES = """
python script/aggregate/aggregate_classification.py --k 1
python script/aggregate/aggregate_classification.py --k 5 --metric f1 --format latex --output classification.tex
python script/aggregate/aggregate_classification.py --dataset sib200 --by family
"""


def main(argv: Sequence[str]) -> None:
    """Print the table of the logged records."""
    show_table(
        argv,
        "Table of classification: models by datasets, Mono and CS means, and their mean.",
        EXAMPLES,
        GROUPS,
        cross=False,
    )


if __name__ == "__main__":
    run(main)
