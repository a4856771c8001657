#!/usr/bin/env python3
"""Plot the confusion matrices of classification or in-context learning.

python script/plot/plot_confusion.py --task classification --dataset nusax
python script/plot/plot_confusion.py --task icl --dataset nusax --langs eng ace
"""

from __future__ import annotations

from collections.abc import Sequence

import _path  # noqa: F401

from utils.cli.main import run
from utils.reporting.charts import confusion, plots
from utils.reporting.tables.sides import add_k_arg
from utils.tasks import TASKS

EXAMPLES = """
python script/plot/plot_confusion.py --task classification --dataset nusax --models intfloat/multilingual-e5-base
python script/plot/plot_confusion.py --task classification --dataset massive_intent --langs en sw
python script/plot/plot_confusion.py --task icl --dataset nusax --langs eng ace ban --pooled
"""


def main(argv: Sequence[str]) -> None:
    """Draw the confusion matrix of one model: all languages together, or one panel for each of --langs."""
    tasks = [name for name, spec in TASKS.items() if spec.label_metrics]
    parser = plots.parser_of("Confusion matrices.", EXAMPLES, tasks)
    parser.add_argument("--models", nargs=1, metavar="NAME", help="a row of the tables (default: the only one)")
    add_k_arg(parser)
    parser.add_argument("--pooled", action="store_true", help="one matrix of all --langs together")
    args = parser.parse_args(argv)
    matrices = confusion.matrices_of(args)
    (dataset,), (model,) = args.dataset, args.models
    rows = [
        {
            "dataset": dataset,
            "model": model,
            "k": matrix.k,
            "seed": args.seed,
            "langs": matrix.title,
            "gold": gold,
            "predicted": predicted,
            "count": int(matrix.counts[row, column]),
            "percent": plots.percent(matrix.counts[row, column] / max(matrix.counts[row].sum(), 1)),
        }
        for matrix in matrices
        for row, gold in enumerate(matrix.labels)
        for column, predicted in enumerate(matrix.columns)
    ]
    texts = [dataset, model, *(name for matrix in matrices for name in matrix.labels)]
    plots.publish(args, "plot_confusion", rows, args.models, texts, lambda: confusion.draw(args, matrices))


if __name__ == "__main__":
    run(main)
