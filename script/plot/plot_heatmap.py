#!/usr/bin/env python3
"""Plot languages by models as a heat map with the values in the cells, sorted by family, mean or name.

python script/plot/plot_heatmap.py --task classification --dataset sib200
python script/plot/plot_heatmap.py --task bitext --dataset tatoeba --sort mean
"""

from __future__ import annotations

from collections.abc import Sequence

import _path  # noqa: F401

from utils.cli.main import run
from utils.reporting.charts import heatmap, languages, plots

EXAMPLES = """
python script/plot/plot_heatmap.py --task classification --dataset sib200
python script/plot/plot_heatmap.py --task bitext --dataset tatoeba --sort mean --models A B C
python script/plot/plot_heatmap.py --task classification --dataset sib200 --by script --format pdf svg
"""


def main(argv: Sequence[str]) -> None:
    """Draw each language's score by each model."""
    parser = plots.parser_of("Languages by models as a heat map.", EXAMPLES)
    plots.add_model_args(parser)
    parser.add_argument("--by", choices=tuple(languages.OTHER), default="family", help="the group (default: family)")
    parser.add_argument(
        "--sort", choices=heatmap.SORTS, default="group", help="order of the languages (default: %(default)s)"
    )
    args = parser.parse_args(argv)
    scores = languages.scores_of(args, args.by)
    order = heatmap.ordered(scores, args.sort)
    rows = [
        {
            "dataset": scores.dataset,
            "metric": scores.metric,
            **plots.drawn_at(args),
            "lang": lang,
            "family": scores.family[lang],
            "script": scores.script[lang],
            **{model: _shown(values.get(lang)) for model, values in scores.values.items()},
        }
        for lang in order
    ]
    texts = [scores.dataset, *scores.values, *scores.groups.values(), *order]
    plots.publish(args, "plot_heatmap", rows, list(scores.values), texts, lambda: heatmap.draw(args, scores, order))


def _shown(value: float | None) -> float | str:
    return "" if value is None else plots.percent(value)


if __name__ == "__main__":
    run(main)
