#!/usr/bin/env python3
"""In-context learning by the demonstrations' rank band, a line a generator and encoder; zero-shot as a level.

python script/plot/plot_icl_percentile.py --dataset nusax
python script/plot/plot_icl_percentile.py --setting cross=true train_lang=eng --metric acc
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.cli.main import run
from utils.errors import UserError
from utils.reporting.charts import drawing, means, plots
from utils.reporting.charts.lines import Panel, Scale, draw
from utils.reporting.tables import icl
from utils.reporting.tables.cells import Cell

EXAMPLES = """
python script/plot/plot_icl_percentile.py --dataset nusax
python script/plot/plot_icl_percentile.py --dataset nusax sib200 --metric f1 --format pdf svg
python script/plot/plot_icl_percentile.py --dataset nusax --setting cross=true --output figures/bands
"""
X_LABEL = "Ranks of the demonstrations (% of the training texts, 0: most similar)"
BANDS = ("min_percentile", "max_percentile")


def main(argv: Sequence[str]) -> None:
    """Draw the mean over languages in each logged band."""
    parser = plots.parser_of("In-context learning by the demonstrations' rank band.", EXAMPLES, ("icl",), datasets="+")
    plots.add_model_args(parser, k="+")
    args = parser.parse_args(argv)
    results = [result for result in plots.choose(args, BANDS) if result.k == 0 or icl.band(result) is not None]
    banded = [result for result in results if icl.band(result) is not None]
    if not banded:
        raise UserError("no results with a rank band", "run icl.py --sample_percentile first, or check --dataset")
    bands = sorted({band for result in banded if (band := icl.band(result)) is not None})
    panels, rows = [], list[plots.Row]()
    for dataset in args.dataset or sorted({result.dataset for result in banded}):
        metric = plots.metric_of(args, dataset)
        of_set = means.finite([result for result in results if result.dataset == dataset], metric)
        names = means.expected(args, dataset, of_set)
        lines: dict[str, dict[float, Cell]] = {}
        levels: dict[str, Cell] = {}
        pairs = {(result.model, icl.band(result)) for result in of_set}
        for model, band in sorted(pairs, key=lambda pair: (pair[1] or (), pair[0])):  # zero-shot first
            there = [result for result in of_set if (result.model, icl.band(result)) == (model, band)]
            said = "0-shot" if band is None else f"{band[0]}-{band[1]} %"
            cell = means.cell_of(there, names, args.task, metric, f"{dataset}, {model}, {said}")
            if band is None:
                levels[model] = cell
            else:
                lines.setdefault(model, {})[bands.index(band)] = cell
            low, high = band or ("", "")
            about = {"dataset": dataset, "model": model, "metric": metric, "min_percentile": low}
            rows.append({**about, "max_percentile": high, **means.columns_of(cell)})
        panels.append(Panel(dataset, drawing.metric_label(metric, args.task), lines, levels))
    if len(bands) == 1:
        print("note: one band only is logged: points without a line", file=sys.stderr)
    scale = Scale(X_LABEL, {place: f"{low}–{high}" for place, (low, high) in enumerate(bands)})
    texts = [str(row[name]) for row in rows for name in ("dataset", "model")]
    models = [str(row["model"]) for row in rows]
    plots.publish(args, "plot_icl_percentile", rows, models, texts, lambda: draw(args, panels, scale))


if __name__ == "__main__":
    run(main)
