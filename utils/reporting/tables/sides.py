"""Select the records of a comparison or a figure: a task's plain settings, with NAME=VALUE for others."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping, Sequence

from utils.cli.types import natural
from utils.constants import WRITTEN
from utils.errors import UserError
from utils.records.result import LoggedResult
from utils.reporting.tables import rows, select
from utils.reporting.tables.build import Kind
from utils.reporting.tables.names import dataset_names, read_names
from utils.reporting.tables.paired import Side
from utils.reporting.tables.published import WORDS
from utils.reporting.tables.select import note
from utils.task_spec import TaskSpec
from utils.tasks import TASKS

Settings = Mapping[str, object]


def names_none(spec: TaskSpec, name: str) -> bool:
    """Return whether `none` is one of a setting's values, instead of standing for no value."""
    return name in spec.fields and "none" in spec.fields[name].metadata["choices"]


def read_settings(texts: Sequence[str], task: str) -> dict[str, object]:
    """Return the settings that were given as NAME=VALUE, by name; raises UserError for a name that is not one."""
    spec = TASKS[task]
    known = (*spec.table_settings, *spec.row_settings, *(("src_lang",) if spec.pairs else ()))
    found: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            raise UserError(f"{text!r} is not a setting of {task}", f"NAME=VALUE with the names {', '.join(known)}")
        words = {} if names_none(spec, name) else WORDS
        found[name] = words.get(value.lower(), int(value) if value.isdecimal() else value)
    return found


def add_both(parser: argparse.ArgumentParser) -> None:
    """Add the two models of a comparison, and what of them is compared."""
    parser.add_argument("a", metavar="A", help="a row of the tables")
    parser.add_argument("b", metavar="B", help="another row")
    add_k_arg(parser)
    metrics = {name: spec.paired_metrics for name, spec in TASKS.items() if spec.paired_metrics not in ((), ("acc",))}
    told = "; ".join(f"of {name} {', '.join(found)}" for name, found in metrics.items())
    parser.add_argument("--metric", metavar="NAME", help=f"{told}; of the others acc (default: the first of these)")
    parser.add_argument("--setting_b", nargs="+", default=[], metavar="NAME=VALUE", help="settings of B alone")


def add_k_arg(parser: argparse.ArgumentParser) -> None:
    """Add --k of a comparison or figure, which `with_table_k` gives its default."""
    several = ", ".join(name for name, spec in TASKS.items() if spec.table_k is None)
    others = "".join(f"; of {name} {spec.table_k}" for name, spec in TASKS.items() if spec.table_k not in (None, 1))
    told = f"(default: 1{others}; of {several} all, since rows name theirs)"
    parser.add_argument("--k", type=natural, metavar="K", help=told)


def with_table_k(args: argparse.Namespace) -> argparse.Namespace:
    """Set --k to that of the tables if it was not given, and return the arguments."""
    if args.k is None:
        args.k = TASKS[args.task].table_k
    return args


def checked(args: argparse.Namespace) -> argparse.Namespace:
    """Return the arguments of a comparison, with the k of the tables.

    Raises UserError for a metric that is not a mean over items.
    """
    known = TASKS[args.task].paired_metrics
    if not known:
        raise UserError(
            f"{args.task} has no metric that is a mean over items", "its models cannot be compared by items"
        )
    if args.metric not in (None, *known):
        what = f"{args.metric!r} is not a metric of {args.task} that is a mean over items"
        raise UserError(what, f"choose from: {', '.join(known)}")
    return with_table_k(args)


def with_metric(args: argparse.Namespace, sides: Mapping[str, Side]) -> Mapping[str, Side]:
    """Return the results of each side that can have the metric; unless --metric names one, it is set in the arguments.

    It is the task's first metric, or what the tables show where no result has that. Written answers are compared by
    measures that their records have. Raises UserError where one side has no result with the metric.
    """
    results = [result for side in sides.values() for result in side.values()]
    there = {name for result in results for name in result.metrics}
    known = TASKS[args.task].paired_metrics
    if args.metric is None:
        usual = (name for result in results for name in Kind(args.task).metric_of(result.dataset, [result])[:1])
        args.metric = next((name for name in (known[0], *usual) if name in known and name in there), known[0])
    having = {
        name: {
            place: result
            for place, result in side.items()
            if args.metric in result.metrics or result.run.get("answer_kind") not in WRITTEN
        }
        for name, side in sides.items()
    }
    if lacking := [name for name, side in having.items() if not side]:
        hint = f"choose with --metric from: {', '.join(name for name in known if name in there)}"
        raise UserError(f"no record of {lacking[0]} has the metric {args.metric!r}", hint)
    return having


def note_other_metrics(task: str, metric: str, results: Collection[LoggedResult]) -> None:
    """Print a note where the tables show another metric of a data set of the results than the one compared."""
    shown: dict[str, list[str]] = {}
    for dataset in sorted({result.dataset for result in results}):
        shown.setdefault(Kind(task).metric_of(dataset, results)[0], []).append(dataset)
    for name, where in shown.items():
        if name != metric:
            by_item = name in TASKS[task].paired_metrics
            way = f"--metric {name} compares it" if by_item else "--bold significant of the tables tests it"
            note(f"note: {metric} is compared; the tables show {name} of {', '.join(where)}: {way}")


def settings_of_both(args: argparse.Namespace) -> dict[str, dict[str, object]]:
    """Return the settings of A (--setting) and of B (--setting_b as well).

    Raises UserError where both sides are the same.
    """
    settings = {"A": read_settings(args.setting, args.task)}
    settings["B"] = settings["A"] | read_settings(args.setting_b, args.task)
    if args.a == args.b and settings["A"] == settings["B"]:
        raise UserError("A and B are the same", "name two models, or another setting of B: --setting_b margin=ratio")
    return settings


def results_of(args: argparse.Namespace, settings: Settings, without: Sequence[str] = ()) -> list[LoggedResult]:
    """Return the results of --task in these settings, else the tables' plain ones, with their row's name as the model.

    Settings in `without` may have any value unless they are given.
    """
    spec = TASKS[args.task]
    usual = {name: value for name, value in {**spec.plain(), **spec.implied(settings)}.items() if name not in without}
    wanted = {name: [value] if value is None else value for name, value in {**usual, **settings}.items()}
    results = select.select(args, args.task, wanted, "--setting {name}=VALUE")
    return rows.named(results, spec, without, read_names(args.names, args.logs))


def side_of(args: argparse.Namespace, model: str, settings: Settings) -> Side:
    """Return the results of one row by data set and subset, of --dataset alone where it is given.

    `model` is a row of the tables, or the name of its model where the settings leave one row of it. Raises UserError
    where there is no such row, or several.
    """
    results = results_of(args, settings)
    of_row = [result for result in results if result.model == model]
    of_row = of_row or [result for result in results if result.row == model]
    of_row = of_row or [result for result in results if result.plain_model == model]
    if not of_row:
        raise UserError(f"no {args.task} results of model {model!r}", select.nearest(model, results))
    if len(rows_there := sorted({result.model for result in of_row})) > 1:
        raise UserError(
            f"{model!r} has results in {len(rows_there)} settings", f"name one row: {'; '.join(rows_there)}"
        )
    cells = select.by_cell(of_row)
    there = [dataset for _, dataset in cells]
    wanted = dataset_names(args.dataset, there, read_names(args.names, args.logs)) or there
    for dataset in wanted:
        if dataset not in there:
            raise UserError(f"no {args.task} results of {model} on {dataset!r}", f"there is: {', '.join(there)}")
    return {
        (dataset, subset): result
        for (_, dataset), subsets in cells.items()
        if dataset in wanted
        for subset, result in subsets.items()
    }
