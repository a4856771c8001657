#!/usr/bin/env python3
"""Plot in-context learning by the rank band of the demonstrations: one line per generator and encoder.

python script/plot/plot_icl_percentile.py --dataset nusax
python script/plot/plot_icl_percentile.py --setting cross=true train_lang=eng --metric acc
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import _path  # noqa: F401

from utils.cli.main import run
from utils.errors import UserError
from utils.records.result import LoggedResult
from utils.reporting.charts import drawing, means, plots
from utils.reporting.charts.lines import Panel, Scale, draw
from utils.reporting.tables.aggregate import TABLES
from utils.reporting.tables.build import name_missing
from utils.reporting.tables.cells import Cell
from utils.reporting.tables.select import note

EXAMPLES = """
python script/plot/plot_icl_percentile.py --dataset nusax
python script/plot/plot_icl_percentile.py --dataset nusax sib200 --metric f1 --format pdf svg
python script/plot/plot_icl_percentile.py --dataset nusax --setting cross=true --output figures/bands
"""
X_LABEL = "Ranks of the demonstrations (% of the training texts, 0: most similar)"
TASK, VIEW = TABLES["icl_percentile"]
Band = tuple[int, int]


def main(argv: Sequence[str]) -> None:
    """Draw the mean over languages in each logged band; zero-shot figures are horizontal lines."""
    parser = plots.parser_of(
        "In-context learning by the demonstrations' rank band.", EXAMPLES, [TASK.name], datasets="+"
    )
    plots.add_model_args(parser, k="+")
    args = parser.parse_args(argv)
    results = [result for result in plots.choose(args, VIEW.by) if result.k == 0 or VIEW.values_of(result.run)]
    bands = sorted({band for result in results if (band := VIEW.values_of(result.run))})
    if not bands:
        hint = f"run {TASK.script} {VIEW.made_with} first, or check --dataset"
        raise UserError(f"no {TASK.name} results with {' and '.join(VIEW.by)}", hint)
    datasets = args.dataset or sorted({result.dataset for result in results if VIEW.values_of(result.run)})
    rows = list[plots.Row]()
    panels = [panel_of(args, dataset, results, bands, rows) for dataset in datasets]
    if len(bands) == 1:
        note("note: only one band is logged: points without a line")
    scale = Scale(X_LABEL, {place: f"{low}–{high}" for place, (low, high) in enumerate(bands)})
    texts = [str(row[name]) for row in rows for name in ("dataset", "model")]
    models = [str(row["model"]) for row in rows]
    plots.publish(args, "plot_icl_percentile", rows, models, texts, lambda: draw(args, panels, scale))


def panel_of(
    args: argparse.Namespace,
    dataset: str,
    results: Sequence[LoggedResult],
    bands: Sequence[Band],
    rows: list[plots.Row],
) -> Panel:
    """Return the panel of one data set, and add its numbers to `rows`."""
    metric = plots.metric_of(args, dataset, results)
    of_set = means.with_metric([result for result in results if result.dataset == dataset], metric)
    names = means.expected(args, dataset, of_set)
    lines: dict[str, dict[float, Cell]] = {}
    levels: dict[str, Cell] = {}
    pairs = {(result.model, VIEW.values_of(result.run)) for result in of_set}
    for model, band in sorted(pairs, key=lambda pair: (pair[1] or (), pair[0])):  # zero-shot first
        there = [result for result in of_set if (result.model, VIEW.values_of(result.run)) == (model, band)]
        about = [dataset, model, *([] if band is None else [VIEW.column.format(*band)])]  # the row's name tells k
        name_missing(means.missing_of(there, names), len(names), ", ".join(about))
        cell = means.cell_of(there, names, args.task, metric, ", ".join(about))
        if band is None:
            levels[model] = cell
        else:
            lines.setdefault(model, {})[bands.index(band)] = cell
        settings = dict(zip(VIEW.by, band or ("", ""), strict=True))
        rows.append({"dataset": dataset, "model": model, "metric": metric, **settings, **means.columns_of(cell)})
    return Panel(dataset, drawing.metric_label(metric, args.task), lines, levels)


if __name__ == "__main__":
    run(main)
