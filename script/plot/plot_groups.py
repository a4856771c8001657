#!/usr/bin/env python3
"""Plot the languages' scores by family or script: one box per model, one point per language.

python script/plot/plot_groups.py --task classification --dataset sib200
python script/plot/plot_groups.py --task bitext --dataset tatoeba --by script
"""

from __future__ import annotations

from collections.abc import Sequence

import _path  # noqa: F401

from utils.cli.main import run
from utils.reporting.charts import groups, languages, plots

EXAMPLES = """
python script/plot/plot_groups.py --task classification --dataset sib200
python script/plot/plot_groups.py --task classification --dataset sib200 --by script --models A B --format pdf svg
python script/plot/plot_groups.py --task bitext --dataset tatoeba --k 5 --metric acc
"""


def main(argv: Sequence[str]) -> None:
    """Draw the distribution of each group of languages."""
    parser = plots.parser_of("The languages' scores by family or script.", EXAMPLES)
    plots.add_model_args(parser)
    parser.add_argument("--by", choices=tuple(languages.OTHER), default="family", help="(default: %(default)s)")
    args = parser.parse_args(argv)
    scores = languages.scores_of(args, args.by)
    rows = [
        {
            "dataset": scores.dataset,
            "model": model,
            "metric": scores.metric,
            **plots.drawn_at(args),
            "lang": lang,
            "family": scores.family[lang],
            "script": scores.script[lang],
            "group": scores.groups[lang],
            "percent": plots.percent(value),
        }
        for model, values in scores.values.items()
        for lang, value in values.items()
    ]
    texts = [scores.dataset, *scores.values, *scores.groups.values()]
    plots.publish(args, f"plot_groups_{args.by}", rows, list(scores.values), texts, lambda: groups.draw(args, scores))


if __name__ == "__main__":
    run(main)
