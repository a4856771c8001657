#!/usr/bin/env python3
"""The score against k, a line a model, with 95 % intervals; several data sets side by side.

python script/plot/plot_k.py --task bitext --dataset sample
python script/plot/plot_k.py --task classification --dataset nusax sib200 --metric f1 --format svg
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.cli.main import run
from utils.reporting.charts import drawing, means, plots
from utils.reporting.charts.lines import Panel, Scale, draw
from utils.reporting.tables.cells import Cell

EXAMPLES = """
python script/plot/plot_k.py --task bitext --dataset sample nusax
python script/plot/plot_k.py --task bitext --dataset nusax --langs ace ban --metric acc
python script/plot/plot_k.py --task classification --dataset sib200 --k 1 5 --output figures/sib --format pdf svg
"""
X_LABEL = {"bitext": "k (nearest candidates counted)", "classification": "k (neighbours that vote)"}


def main(argv: Sequence[str]) -> None:
    """Draw the mean over subsets at each logged k."""
    parser = plots.parser_of("The score against k.", EXAMPLES, ("bitext", "classification"), datasets="+")
    plots.add_model_args(parser, k="+")
    args = parser.parse_args(argv)
    results = plots.choose(args, without=("k",))
    panels, rows = [], list[plots.Row]()
    ks = sorted({result.k for result in results})
    for dataset in args.dataset or sorted({result.dataset for result in results}):
        metric = plots.metric_of(args, dataset)
        of_set = means.finite([result for result in results if result.dataset == dataset], metric)
        names = means.expected(args, dataset, of_set)
        lines: dict[str, dict[float, Cell]] = {}
        for model, k in dict.fromkeys((result.model, k) for result in of_set for k in ks):
            at_k = [result for result in of_set if (result.model, result.k) == (model, k)]
            if at_k:
                cell = means.cell_of(at_k, names, args.task, metric, f"{dataset}, {model}, k {k}")
                lines.setdefault(model, {})[k] = cell
                about = {"dataset": dataset, "model": model, "metric": metric, "k": k}
                rows.append({**about, **means.columns_of(cell)})
        panels.append(Panel(dataset, drawing.metric_label(metric, args.task), lines))
    if len(ks) == 1:
        print(f"note: one k only is logged, {ks[0]}: points without a line", file=sys.stderr)
    scale = Scale(X_LABEL[args.task], {k: str(k) for k in ks})
    texts = [str(row[name]) for row in rows for name in ("dataset", "model")]
    models = [str(row["model"]) for row in rows]
    plots.publish(args, "plot_k", rows, models, texts, lambda: draw(args, panels, scale))


if __name__ == "__main__":
    run(main)
