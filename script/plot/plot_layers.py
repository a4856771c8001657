#!/usr/bin/env python3
"""Plot what the layers of a model have, or the texts as points at some layers, from the records of layers.py.

python script/plot/plot_layers.py --measure bitext --dataset nusax
python script/plot/plot_layers.py --measure pca --points pca --color language
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

import _path  # noqa: F401

from utils.cli.main import run
from utils.errors import UserError
from utils.layers.measures import MEASURES
from utils.layers.rows import PLACE
from utils.records.result import LoggedResult
from utils.reporting.charts import layer_files, layers, plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXAMPLES = """
python script/plot/plot_layers.py --measure bitext --dataset nusax --langs ind jav --format svg
python script/plot/plot_layers.py --measure similarity --dataset sib200 --models A B
python script/plot/plot_layers.py --measure pca --dataset nusax --points tsne --color class --format pdf
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = plots.parser_of("What the layers of one model have, or of two and their difference.", EXAMPLES, ["layers"])
    parser.add_argument("--measure", choices=tuple(MEASURES), required=True, help="of the records")
    parser.add_argument("--models", nargs="+", metavar="NAME", help="one, or two to compare (default: the only one)")
    parser.add_argument("--points", choices=("pca", "tsne"), help="draw the texts instead, as the records have them")
    parser.add_argument(
        "--color", choices=layer_files.COLOURS, default="language", help="of points (default: language)"
    )
    args = parser.parse_args(argv)
    others = [text for text in args.setting if text.startswith("measure=") and text != f"measure={args.measure}"]
    if others:
        raise UserError(f"--measure {args.measure} with --setting {others[0]}", "leave one of them out")
    if MEASURES[args.measure].needs == "prompts":
        args.task = "lens"
        args.setting = [text for text in args.setting if not text.startswith("measure=")]
    else:
        args.setting = [f"measure={args.measure}", *args.setting]
    args.k = None
    return args


def main(argv: Sequence[str]) -> None:
    """Draw the curves of each figure by layer, or the texts of one model."""
    args = parse(argv)
    results = plots.choose(args, standard=False)
    args.dataset = [plots.one_dataset(results)]
    models = list(dict.fromkeys(result.model for result in results))
    if len(models) > 2 or (args.points and len(models) > 1):
        raise UserError(f"results of {len(models)} models: {', '.join(models)}", "choose with --models")
    by_model = [[result for result in results if result.model == model] for model in models]
    if args.points:
        draw_points(args, by_model[0])
        return
    measure, curves = MEASURES[args.measure], [layer_files.curves_of(each) for each in by_model]
    rows = [
        {
            "dataset": result.dataset,
            "model": result.model,
            "subset": result.subset,
            **{name: "" if row.get(name) is None else row[name] for name in (*PLACE, *measure.columns)},
        }
        for result in results
        for row in result.body["rows"]
    ]
    names = layer_files.texts_of(curves)

    def draw() -> Figure:
        return layers.draw(measure, curves, args.width, args.height)

    plots.publish(args, "plot_layers", rows, models, names, draw)


def draw_points(args: argparse.Namespace, results: Sequence[LoggedResult]) -> None:
    """Draw the texts of the one record that there is."""
    if args.width or args.height:
        raise UserError("--width or --height with --points", "the pictures of texts have one size")
    found = {result.subset: texts for result in results if (texts := layer_files.read_texts(result))}
    if len(found) != 1:
        hint = "choose with --langs" if found else "run layers.py --measure pca first"
        raise UserError(f"{len(found)} records with texts: {', '.join(found)}", hint)
    (texts,) = found.values()
    if args.points not in texts.xy:
        raise UserError(f"no {args.points} in the record", "run layers.py --measure pca --tsne")
    if args.color not in texts.colours:
        raise UserError(f"--color {args.color}: one value, or none", f"choose from: {', '.join(texts.colours)}")
    rows = [
        {
            "dataset": results[0].dataset,
            "model": results[0].model,
            "layer": heading,
            "lang": lang,
            "label": label or "",
            "x": x,
            "y": y,
        }
        for heading, xy in zip(texts.headings, texts.xy[args.points], strict=True)
        for lang, label, (x, y) in zip(texts.points.langs, texts.points.labels, xy, strict=True)
    ]
    names = [texts.title, *(str(value) for value in texts.points.columns()[args.color])]

    def draw() -> Figure:
        return layer_files.draw_texts(texts, args.points, args.color, args.seed)

    plots.publish(args, f"plot_layers_{args.points}_{args.color}", rows, [results[0].model], names, draw)


if __name__ == "__main__":
    run(main)
