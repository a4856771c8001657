#!/usr/bin/env python3
"""The bitext table: models by datasets, with the cross-lingual and code-switching means of the paper.

python script/aggregate/aggregate_bitext_mining.py --k 1
python script/aggregate/aggregate_bitext_mining.py --k 5 --metric acc --format latex --output bitext.tex
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.cli import arguments
from utils.cli.main import run
from utils.reporting.tables import select, tables
from utils.schema import DIRECTIONS, MARGINS, SIMILARITIES

GROUPS = {"XL": ("bucc", "nollysenti", "nusax", "nusatranslation", "tatoeba"), "CS": ("lince_mt", "phinc")}
EXAMPLES = """
python script/aggregate/aggregate_bitext_mining.py --k 1
python script/aggregate/aggregate_bitext_mining.py --k 5 --metric acc --format latex --output bitext.tex
python script/aggregate/aggregate_bitext_mining.py --margin ratio --logs logs
"""


def main(argv: Sequence[str]) -> None:
    """Print the table of the logged bitext records."""
    parser = arguments.Parser(
        "Table of bitext retrieval: models by datasets, XL and CS means, and their mean.", EXAMPLES
    )
    tables.add_table_args(parser)
    parser.add_argument("--similarity", choices=SIMILARITIES, default="cosine", help="(default: %(default)s)")
    parser.add_argument("--margin", choices=MARGINS, default="none", help="(default: %(default)s)")
    parser.add_argument("--direction", choices=DIRECTIONS, default="forward", help="(default: %(default)s)")
    args = parser.parse_args(argv)
    settings = {"similarity": args.similarity, "margin": args.margin, "direction": args.direction}
    kind = tables.Kind("bitext", args.metric, ci=args.ci)
    results = select.of_datasets(args, tables.select(args, kind.task, settings))
    tables.show(args, tables.build(results, kind), kind, GROUPS)


if __name__ == "__main__":
    run(main)
