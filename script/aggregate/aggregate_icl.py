#!/usr/bin/env python3
"""Table of in-context learning: models by datasets, Mono and CS means, and their mean.

python script/aggregate/aggregate_icl.py
python script/aggregate/aggregate_icl.py --k 0 1 --format latex
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.cli.main import run
from utils.reporting.tables import icl, tables

GROUPS = {"Mono": ("nollysenti", "nusax", "sib200"), "CS": ("fire", "lince_sa")}
EXAMPLES = """
python script/aggregate/aggregate_icl.py
python script/aggregate/aggregate_icl.py --k 0 1 --format latex --output icl.tex
python script/aggregate/aggregate_icl.py --balance --metric f1
"""


def main(argv: Sequence[str]) -> None:
    """Print the table of the logged records."""
    args = icl.parse(
        argv, "Table of in-context learning: models by datasets, Mono and CS means, and their mean.", EXAMPLES
    )
    results = icl.select(args, cross=False)
    kind = tables.Kind("icl", args.metric, cross=False, ci=args.ci)
    tables.show(args, tables.build(results, kind), kind, GROUPS, icl.order(results))


if __name__ == "__main__":
    run(main)
