#!/usr/bin/env python3
"""Plot the paired differences of two models language by language, with 95 % intervals.

python script/plot/plot_compare.py MODEL_A MODEL_B --task bitext --dataset nusax
python script/plot/plot_compare.py MODEL MODEL --task bitext --dataset nusax --setting_b margin=ratio
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import _path  # noqa: F401

from utils.cli.main import run
from utils.reporting.charts import comparison, plots
from utils.reporting.tables import paired, select
from utils.reporting.tables.sides import add_both, checked, note_other_metrics, settings_of_both, side_of, with_metric
from utils.tasks import TASKS

EXAMPLES = """
python script/plot/plot_compare.py intfloat/multilingual-e5-base sentence-transformers/LaBSE --task bitext
python script/plot/plot_compare.py MODEL MODEL --task bitext --dataset nusax --setting_b margin=ratio
"""


def main(argv: Sequence[str]) -> None:
    """Draw A minus B on each subset that both models were run on, and the mean."""
    args = parse(argv)
    settings = settings_of_both(args)
    sides = {
        name: {
            place: result
            for place, result in side_of(args, model, settings[name]).items()
            if select.is_chosen(args.langs, result.subset, TASKS[args.task])
        }
        for name, model in (("A", args.a), ("B", args.b))
    }
    plots.one_dataset([result for side in sides.values() for result in side.values()])
    pairs = paired.pair_up(with_metric(args, sides), args.metric)
    note_other_metrics(args.task, args.metric, sides["A"].values())
    lines = sorted(paired.lines_of(pairs, args.seed), key=lambda line: (-line.difference, line.subset))
    lines += paired.means_of(pairs, args.seed)
    rows = [
        {
            "dataset": line.dataset,
            "subset": line.subset,
            "n": line.n,
            "model_a": args.a,
            "model_b": args.b,
            "metric": args.metric,
            **plots.drawn_at(args),
            "a": plots.percent(line.a),
            "b": plots.percent(line.b),
            "difference": plots.percent(line.difference),
            "low": plots.percent(line.interval[0]),
            "high": plots.percent(line.interval[1]),
            "p": line.p,
            "p_holm": "" if line.p_holm is None else line.p_holm,
        }
        for line in lines
    ]
    texts = [args.a, args.b, *(line.subset for line in lines)]
    plots.publish(args, "plot_compare", rows, [args.a, args.b], texts, lambda: comparison.draw(args, lines))


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = plots.parser_of("Paired differences of two models, language by language.", EXAMPLES)
    add_both(parser)
    parser.set_defaults(usual_metric=parser.get_default("metric"))
    return checked(parser.parse_args(argv))


if __name__ == "__main__":
    run(main)
