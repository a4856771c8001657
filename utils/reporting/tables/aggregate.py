"""The table of a task, from the command line to the text; flags, columns and rows follow from the task's row."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from utils.cli import arguments
from utils.cli.types import natural, text
from utils.data.registry import group_means
from utils.errors import UserError, suggest
from utils.records.pair_sources import with_sources
from utils.records.result import LoggedResult
from utils.reporting.tables import bias, rows, select, sizes, tables
from utils.reporting.tables.build import Kind, build, build_by, common_subsets
from utils.reporting.tables.cells import Table
from utils.reporting.tables.names import read_names
from utils.settings.base import FUSION_SETTINGS
from utils.task_spec import TaskSpec
from utils.tasks import TASKS
from utils.views import View

GROUPINGS = ("family", "script", "lang")
NUMBERS: dict[str, Callable[[str], Any]] = {"count": natural, "whole": natural, "number": float}
TABLES = {view.key: (spec, view) for spec in TASKS.values() for view in spec.views}


def aggregate(argv: Sequence[str], table: str, examples: str) -> None:
    """Print one of `TABLES`, or write it to --output."""
    spec, view = TABLES[table]
    parser = arguments.Parser(description_of(view), examples)
    add_args(parser, spec, view)
    print_table(parser.parse_args(argv), spec, view)


def description_of(view: View) -> str:
    """Return the heading of the table's help."""
    if view.by:
        return f"Table of {view.title}."
    means = f", {' and '.join(view.groups)} means, and their mean" if view.groups else ""
    return f"Table of {view.title}: models by datasets{means}."


def add_args(parser: argparse.ArgumentParser, spec: TaskSpec, view: View) -> None:
    """Add the flags of a table: which records, which metric, how it is written, and the task's settings."""
    select.add_table_args(parser, spec.table_k)
    for name in spec.table_settings:
        if name not in spec.column_settings and (name != "cross" or view.cross is None):
            _add_setting(parser, spec.fields[name])
    for name in spec.row_settings:
        field = spec.fields.get(name)
        if field is not None and field.metadata["choices"] and name not in FUSION_SETTINGS:
            parser.add_argument(
                f"--{name}", choices=field.metadata["choices"], nargs="+", help="only these (default: all)"
            )
    if view.cross is not False or spec.pairs:
        select.add_source_arg(parser)
    if not view.by and not spec.generative:
        told = "quality against bytes: a row for each size of a model's vectors (--dimensions, --embedding_precision)"
        parser.add_argument("--sizes", action="store_true", help=told)
    if "pool" in spec.fields:
        told = "language bias: share of each language among the k first passages and the answers, and the answers' rank"
        parser.add_argument("--bias", action="store_true", help=told)
    if not view.by and not spec.pairs:
        parser.add_argument("--by", choices=GROUPINGS, help="means by family, script or language of one --dataset")


def _add_setting(parser: argparse.ArgumentParser, field: dataclasses.Field[Any]) -> None:
    """Add the flag of a setting, by its field's kind and choices."""
    flag, kind, default = f"--{field.name}", field.metadata["kind"], "(default: %(default)s)"
    if kind == "flag":
        parser.add_argument(flag, action="store_true", help=f"records made with --{field.name}")
    elif choices := field.metadata["choices"]:
        parser.add_argument(flag, choices=choices, default=field.default, help=default)
    else:
        parse = NUMBERS.get(kind, text)
        parser.add_argument(flag, type=parse, default=field.default, metavar="VALUE", help=default)


def print_table(args: argparse.Namespace, spec: TaskSpec, view: View) -> None:
    """Print the table that the parsed flags ask for, or write it to --output."""
    cross = bool(args.cross if view.cross is None else view.cross)
    if getattr(args, "src_lang", None) and not cross and not spec.pairs:
        raise UserError("--src_lang without --cross", "it chooses among cross-lingual records")
    grouping = getattr(args, "by", None)
    if grouping and len(args.dataset or ()) != 1:
        raise UserError("--by without one data set", "for example --dataset sib200 --by family")
    has_sizes, has_bias = bool(getattr(args, "sizes", False)), bool(getattr(args, "bias", False))
    for is_asked, kind_of_table in ((has_sizes, sizes), (has_bias, bias)):
        if is_asked:
            kind_of_table.check_flags(args)
    results = _results_of(args, spec, view, cross=cross)
    models = rows.asked(args.models, results, spec)
    compared = [result for result in results if models is None or result.model in models]
    check_metric(args.metric, compared, spec)
    compared = sizes.by_size(compared) if has_sizes else compared
    kind, order = _kind_of(args, compared, spec, cross=cross), rows.known_order(results, spec)
    if has_sizes:
        sizes.print_sizes(args, compared, kind, models)
    elif has_bias:
        bias.print_bias(args, compared, kind, models)
    elif view.by:
        tables.write(args, *_by_values(compared, kind, view, models or order))
    elif grouping:
        table, columns = build_by(results, kind, args.dataset[0], grouping, models)
        tables.write(args, table, kind, tables.Layout(columns, order, models=models))
    else:
        rivals = rows.of_each_source(compared)
        layout = tables.Layout((), order, view.key, group_means(spec, view), models=models, rivals=rivals)
        tables.show(args, build(results, kind, models), kind, layout)


def check_metric(metric: str | None, results: Sequence[LoggedResult], spec: TaskSpec) -> None:
    """Raise UserError, with the metrics that there are, for one that no record has."""
    known = {name for result in results for name in result.metrics}
    there = [name for name in spec.metrics if name in known] + sorted(known - {*spec.metrics})
    if metric is not None and results and metric not in known:
        close = suggest(metric, there)
        hint = close if close.startswith("did") else f"choose with --metric from: {', '.join(there)}"
        raise UserError(f"no record has the metric {metric!r}", hint)


def _kind_of(args: argparse.Namespace, results: Sequence[LoggedResult], spec: TaskSpec, *, cross: bool) -> Kind:
    """Return what the cells are; with --common the subsets that all rows have."""
    kind = Kind(spec.name, args.metric, cross, args.ci, tuple(args.langs or ()))
    return dataclasses.replace(kind, common=common_subsets(results, kind)) if args.common else kind


def _results_of(args: argparse.Namespace, spec: TaskSpec, view: View, *, cross: bool) -> list[LoggedResult]:
    """Return the results in the settings that the flags name, each with its row's name as the model."""
    values = spec.defaults(spec.table_settings)
    values |= {name: getattr(args, name) for name in values if hasattr(args, name)}
    values |= {"cross": cross} if "cross" in values else {}
    implied = spec.implied(values)  # chosen last, so that a message names the flag that implies them
    values = {name: value for name, value in values.items() if name not in implied} | implied
    settings = {name: spec.accepted(name, value) for name, value in values.items() if name not in view.by}
    asked = {name: getattr(args, name, None) for name in spec.row_settings}
    settings |= {name: value for name, value in asked.items() if value}
    results = select.of_datasets(args, select.select(args, spec.name, settings), spec.name)
    if cross or spec.pairs:
        results = select.of_one_source(results, spec.name, args.src_lang)
    results = select.of_langs(args, with_sources(results), spec)  # rows do not depend on --langs
    if view.by:
        results = [result for result in results if view.values_of(result.run)]
    if not results:
        hint = f"run {spec.script} {view.made_with} first, or check --dataset"
        raise UserError(f"no {spec.name} results with {' and '.join(view.by)}", hint)
    without = (*view.by, "train_lang", *(("src_lang",) if getattr(args, "src_lang", None) else ()))
    if getattr(args, "sizes", False):
        results, without = sizes.of_dense(results), (*without, *sizes.REDUCED)
    return rows.named(results, spec, without, read_names(args.names, args.logs))


def _by_values(
    results: Sequence[LoggedResult], kind: Kind, view: View, order: Sequence[str]
) -> tuple[Table, Kind, tables.Layout]:
    """Return a table of models and data sets by the values of the view's settings, with its layout."""
    names = {(result.model, result.dataset): f"{result.model}, {result.dataset}" for result in results}
    table: Table = {}
    every = {values for result in results if (values := view.values_of(result.run))}
    columns = {values: view.column.format(*values) for values in sorted(every)}
    for values, column in columns.items():
        chosen = [result for result in results if view.values_of(result.run) == values]
        for model, cells in build(chosen, kind).items():
            for dataset, cell in cells.items():
                table.setdefault(names[model, dataset], {})[column] = cell
    in_order = [names[model, dataset] for model in order for dataset in rows.datasets_of(results, model)]
    datasets = dict.fromkeys(dataset for _, dataset in names)
    rivals = [[name for (_, other), name in names.items() if other == dataset] for dataset in datasets]
    return table, kind, tables.Layout(list(columns.values()), in_order, view.key, rivals=rivals)
