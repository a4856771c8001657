#!/usr/bin/env python3
"""Plot the score against k with 95 % intervals: one line per model, one panel per data set.

python script/plot/plot_k.py --task bitext --dataset sample
python script/plot/plot_k.py --task classification --dataset nusax sib200 --metric f1 --format svg
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import _path  # noqa: F401

from utils.cli.main import run
from utils.records.result import LoggedResult
from utils.reporting.charts import drawing, means, plots
from utils.reporting.charts.lines import Panel, Scale, draw
from utils.reporting.tables.build import name_missing
from utils.reporting.tables.cells import Cell
from utils.reporting.tables.select import note
from utils.tasks import TASKS

EXAMPLES = """
python script/plot/plot_k.py --task bitext --dataset sample nusax
python script/plot/plot_k.py --task bitext --dataset nusax --langs ace ban --metric acc
python script/plot/plot_k.py --task classification --dataset sib200 --k 1 5 --output figures/sib --format pdf svg
"""


def main(argv: Sequence[str]) -> None:
    """Draw the mean over subsets at each logged k."""
    tasks = [name for name, spec in TASKS.items() if spec.table_k is not None]
    parser = plots.parser_of("The score against k.", EXAMPLES, tasks, datasets="+")
    plots.add_model_args(parser, k="+")
    args = parser.parse_args(argv)
    results = plots.choose(args, without=("k",))
    ks = sorted({result.k for result in results})
    datasets = args.dataset or sorted({result.dataset for result in results})
    rows = list[plots.Row]()
    panels = [panel_of(args, dataset, results, ks, rows) for dataset in datasets]
    if len(ks) == 1:
        note(f"note: only one k is logged, {ks[0]}: points without a line")
    scale = Scale(f"k ({TASKS[args.task].k_means})", {k: str(k) for k in ks})
    texts = [str(row[name]) for row in rows for name in ("dataset", "model")]
    models = [str(row["model"]) for row in rows]
    plots.publish(args, "plot_k", rows, models, texts, lambda: draw(args, panels, scale))


def panel_of(
    args: argparse.Namespace, dataset: str, results: Sequence[LoggedResult], ks: Sequence[int], rows: list[plots.Row]
) -> Panel:
    """Return the panel of one data set, and add its numbers to `rows`."""
    metric = plots.metric_of(args, dataset, results)
    of_set = means.with_metric([result for result in results if result.dataset == dataset], metric)
    names = means.expected(args, dataset, of_set)
    lines: dict[str, dict[float, Cell]] = {}
    missing: dict[tuple[str, tuple[str, ...]], list[int]] = {}  # model and subsets -> the ks that lack them
    for model, k in dict.fromkeys((result.model, k) for result in of_set for k in ks):
        at_k = [result for result in of_set if (result.model, result.k) == (model, k)]
        if at_k:
            missing.setdefault((model, means.missing_of(at_k, names)), []).append(k)
            cell = means.cell_of(at_k, names, args.task, metric, f"{dataset}, {model}, k {k}")
            lines.setdefault(model, {})[k] = cell
            rows.append({"dataset": dataset, "model": model, "metric": metric, "k": k, **means.columns_of(cell)})
    for (model, lacking), at in missing.items():
        name_missing(lacking, len(names), f"{dataset}, {model}, k {' '.join(map(str, at))}")
    return Panel(dataset, drawing.metric_label(metric, args.task), lines)


if __name__ == "__main__":
    run(main)
