"""What all figures share: their flags, the selection of their records, and writing them with a CSV of their numbers."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.cli import arguments
from utils.cli.types import natural, path, seed
from utils.constants import DEFAULT_SEED
from utils.data.csv_text import csv_text
from utils.errors import UserError, counted
from utils.files import write_output
from utils.records.result import LoggedResult
from utils.reporting import figures
from utils.reporting.charts import drawing, naming
from utils.reporting.tables import rows as table_rows
from utils.reporting.tables import select, sides
from utils.reporting.tables.build import Kind
from utils.reporting.tables.names import add_names_arg
from utils.tasks import TASKS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = Mapping[str, object]

SHOWN = 8  # subsets named in a note
LARGEST = 200.0  # inches: the largest page of most PDF readers
CUT = 0.03  # inches: a text that stands over the edge by more is reported


def parser_of(
    description: str, examples: str, tasks: Sequence[str] = tuple(TASKS), *, datasets: str = "?"
) -> arguments.Parser:
    """Return a parser with the flags of all figures; with `datasets` "+" the figure can show several data sets."""
    parser = arguments.Parser(description, examples)
    group = parser.add_argument_group("records")
    if len(tasks) > 1:
        group.add_argument("--task", choices=tasks, required=True)
    else:
        parser.set_defaults(task=tasks[0])
    one = datasets == "?"
    usual = "(default: the only one logged)" if one else "only these (default: all)"
    group.add_argument("--dataset", nargs=1 if one else "+", metavar="NAME", help=usual)
    group.add_argument("--langs", nargs="+", metavar="LANG", help="only these languages")
    group.add_argument(
        "--setting", nargs="+", default=[], metavar="NAME=VALUE", help="instead of the plain ones, such as margin=ratio"
    )
    group.add_argument("--seed", type=seed, default=DEFAULT_SEED, metavar="N", help="(default: %(default)s)")
    group.add_argument("--logs", type=path, default=Path("logs"), metavar="FOLDER", help="(default: %(default)s)")
    add_names_arg(group)
    group = parser.add_argument_group("figure")
    group.add_argument(
        "--output", type=path, metavar="STEM", help="path without an ending (default: figures/<script>_...)"
    )
    group.add_argument("--format", choices=figures.FORMATS, nargs="+", help="one or several (default: pdf png)")
    group.add_argument("--width", type=inches, metavar="IN", help="inches (default: 3.3, a column, or 6.9, two)")
    group.add_argument("--height", type=inches, metavar="IN", help="inches (default: as the content needs)")
    group.add_argument("--title", metavar="TEXT", help="above the figure (default: none)")
    return parser


def add_model_args(parser: argparse.ArgumentParser, *, k: str = "1") -> None:
    """Add the flags that select rows of the tables, a metric and k; with `k` "+" several."""
    parser.add_argument("--models", nargs="+", metavar="NAME", help="only these, in this order")
    parser.add_argument("--metric", metavar="NAME", help="a metric of the records (default: the data set's main one)")
    if k == "+":
        parser.add_argument("--k", type=natural, nargs="+", metavar="K", help="only these (default: all)")
    else:
        sides.add_k_arg(parser)


def inches(text: str) -> float:
    """Parse a length from 1 to 200 inches."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value <= LARGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of inches from 1 to {LARGEST:g}")
    return value


def choose(args: argparse.Namespace, without: Sequence[str] = (), *, standard: bool = True) -> list[LoggedResult]:
    """Return the records that the flags select, ordered by model as in the tables.

    Settings in `without` may have any value. standard: only the subsets of a complete row, and pairs from one language.
    Raises UserError where nothing fits.
    """
    if "k" not in without:
        sides.with_table_k(args)
    settings = sides.read_settings(args.setting, args.task)
    results = select.of_datasets(args, sides.results_of(args, settings, without), args.task)
    if not standard:
        return select.of_langs(args, _of_models(args, results), TASKS[args.task])
    if TASKS[args.task].pairs:  # figures, as tables, do not set pairs from several languages against each other
        results = select.of_one_source(results, args.task, _source_in(settings), "--setting src_lang=LANG")
    return _standard(select.of_langs(args, _of_models(args, results), TASKS[args.task]), args.task)


def _source_in(settings: sides.Settings) -> str | None:
    source = settings.get("src_lang")
    return None if source is None else str(source)


def one_dataset(results: Sequence[LoggedResult]) -> str:
    """Return the data set of the results; raises UserError where there are several."""
    there = sorted({result.dataset for result in results})
    if len(there) > 1:
        raise UserError(f"results of {len(there)} data sets: {', '.join(there)}", "choose one with --dataset")
    return there[0]


def _of_models(args: argparse.Namespace, results: Sequence[LoggedResult]) -> list[LoggedResult]:
    """Return the results of --models, model by model in that order, or all in the tables' order."""
    spec = TASKS[args.task]
    there = table_rows.known_order(results, spec)
    if not spec.generative:
        there = table_rows.ordered({result.model for result in results}, None, there)
    order = table_rows.asked(getattr(args, "models", None), results, spec) or there
    return sorted((result for result in results if result.model in order), key=lambda one: order.index(one.model))


def _standard(results: Sequence[LoggedResult], task: str) -> list[LoggedResult]:
    """Return the results of standard subsets, as the tables do; others are named on standard error."""
    kind, kept, extra = Kind(task), list[LoggedResult](), set[tuple[str, str]]()
    for model, dataset in dict.fromkeys((result.model, result.dataset) for result in results):
        of_row = [result for result in results if (result.model, result.dataset) == (model, dataset)]
        names = set(kind.subsets_of(dataset, of_row))
        extra |= {(dataset, result.subset) for result in of_row if result.subset not in names}
        kept += [result for result in of_row if result.subset in names]
    if extra:
        shown = ", ".join(f"{dataset} {subset}" for dataset, subset in sorted(extra)[:SHOWN])
        print(f"note: {counted(len(extra), 'subset')} other than the standard ones left out: {shown}", file=sys.stderr)
    if not kept:
        raise UserError("no results of standard subsets", "--list of the scripts shows how many a data set has")
    return kept


def metric_of(args: argparse.Namespace, dataset: str, results: Sequence[LoggedResult]) -> str:
    """Return the metric of the results that is drawn: --metric, else the data set's main one."""
    metric, _ = Kind(args.task, args.metric).metric_of(dataset, results)
    return metric


def publish(
    args: argparse.Namespace,
    script: str,
    rows: Sequence[Row],
    models: Sequence[str],
    texts: Iterable[str],
    draw: Callable[[], Figure],
) -> None:
    """Write the figure in each --format and the plotted numbers as `<stem>.csv`, and print where they are.

    texts: all texts of the figure, for the choice of fonts. models: the models that the file's name may contain. Raises
    UserError where --width and --height leave no room, or the folder cannot be written.
    """
    stem, formats = _place(args, script, rows, models)
    with figures.drawing([*texts, args.title or ""]), drawing.paper():
        figure = draw()
        if args.title:
            figure.suptitle(drawing.wrap_to(args.title, figure.get_figwidth() - 0.2, drawing.SIZE), x=0.02, ha="left")
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="constrained_layout not applied")
            try:
                over = drawing.overhang(figure)
            except UserWarning as error:
                size = "{:.1f} x {:.1f} inches".format(*figure.get_size_inches())
                raise UserError(f"no room in {size} for the figure", "give more --width or --height") from error
        if over > CUT:
            print(f"note: text is cut by {over:.2f} inches at the edge; give more --width or --height", file=sys.stderr)
        written = figures.save(figure, stem, formats, tight=False)
    print("wrote " + ", ".join(map(str, [*written, _write_csv(stem, rows)])))


def _place(
    args: argparse.Namespace, script: str, rows: Sequence[Row], models: Sequence[str]
) -> tuple[Path, Sequence[str]]:
    """Return the stem and the formats; an --output that ends in a format selects that format."""
    if args.output is None:
        datasets = list(dict.fromkeys(str(row["dataset"]) for row in rows))
        name = naming.default_name(args, script, datasets, list(dict.fromkeys(models)))
        return Path("figures", name), args.format or ("pdf", "png")
    path = args.output
    ending = path.suffix.removeprefix(".")
    if ending in figures.FORMATS:
        return path.with_suffix(""), args.format or (ending,)
    return path, args.format or ("pdf", "png")


def drawn_at(args: argparse.Namespace) -> dict[str, object]:
    """Return the CSV's columns that all rows share: k, empty where the rows name theirs, and the seed."""
    return {"k": "" if args.k is None else args.k, "seed": args.seed}


def _write_csv(stem: Path, rows: Sequence[Row]) -> Path:
    header = list(rows[0])
    path = stem.with_name(f"{stem.name}.csv")
    write_output(path, csv_text([header, *([row[name] for name in header] for row in rows)]).encode())
    return path


def percent(value: float) -> float:
    """Return a fraction in percent, rounded to the digits of the CSV."""
    return round(100 * value, 4)
