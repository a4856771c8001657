#!/usr/bin/env python3
"""Table of in-context learning by the demonstrations' rank band: models and datasets by percentiles.

python script/aggregate/aggregate_icl_percentile.py
python script/aggregate/aggregate_icl_percentile.py --dataset nusax --format latex
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.cli.main import run
from utils.errors import UserError
from utils.reporting.tables import icl, select, tables

EXAMPLES = """
python script/aggregate/aggregate_icl_percentile.py
python script/aggregate/aggregate_icl_percentile.py --dataset nusax --k 1 --format latex --output percentile.tex
python script/aggregate/aggregate_icl_percentile.py --cross --metric acc
"""


def main(argv: Sequence[str]) -> None:
    """Print the table of the logged records."""
    parser = icl.parser_of("Table of in-context learning by the demonstrations' rank band.", EXAMPLES)
    parser.add_argument("--cross", action="store_true", help="records made with --cross")
    select.add_source_arg(parser)
    args = parser.parse_args(argv)
    if args.src_lang and not args.cross:
        raise UserError("--src_lang without --cross", "it chooses among cross-lingual records")
    results = [result for result in icl.select(args, cross=args.cross, bands=True) if icl.band(result) is not None]
    if not results:
        raise UserError("no results with a rank band", "run icl.py --sample_percentile first, or check --dataset")
    names = {(result.model, result.dataset): f"{result.model}, {result.dataset}" for result in results}
    kind, table = tables.Kind("icl", args.metric, args.cross, args.ci), dict[str, dict[str, tables.Cell]]()
    bands = sorted({found for result in results if (found := icl.band(result)) is not None})
    for low, high in bands:
        chosen = [result for result in results if icl.band(result) == (low, high)]
        for model, cells in tables.build(chosen, kind).items():
            for dataset, cell in cells.items():
                table.setdefault(names[model, dataset], {})[f"{low}-{high} %"] = cell
    rows = [names[model, dataset] for model in icl.order(results) for dataset in icl.datasets_of(results, model)]
    columns = [f"{low}-{high} %" for low, high in bands]
    rivals = [
        [name for (_, of), name in names.items() if of == dataset] for dataset in dict.fromkeys(of for _, of in names)
    ]
    tables.write(args, table, kind, tables.Layout(columns, rows, "icl_percentile", rivals=rivals))


if __name__ == "__main__":
    run(main)
