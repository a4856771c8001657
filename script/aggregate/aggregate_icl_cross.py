#!/usr/bin/env python3
"""Table of cross-lingual in-context learning: models by datasets, XL and XL CS means, and their mean.

python script/aggregate/aggregate_icl_cross.py
python script/aggregate/aggregate_icl_cross.py --k 0 1 --format latex
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.cli.main import run
from utils.reporting.tables import icl, tables

GROUPS = {"XL": ("nollysenti", "nusax", "sib200"), "XL CS": ("fire",)}
EXAMPLES = """
python script/aggregate/aggregate_icl_cross.py
python script/aggregate/aggregate_icl_cross.py --k 0 1 --format latex --output icl_cross.tex
python script/aggregate/aggregate_icl_cross.py --balance --metric f1
"""


def main(argv: Sequence[str]) -> None:
    """Print the table of the logged records."""
    args = icl.parse(
        argv,
        "Table of cross-lingual in-context learning: models by datasets, XL and XL CS means, and their mean.",
        EXAMPLES,
        cross=True,
    )
    results = icl.select(args, cross=True)
    kind = tables.Kind("icl", args.metric, cross=True, ci=args.ci)
    tables.show(args, tables.build(results, kind), kind, GROUPS, icl.order(results))


if __name__ == "__main__":
    run(main)
