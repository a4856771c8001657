"""Select, average, check for completeness and render: what every aggregate script shares.

With the other files whose names begin with `_`, the one door of script/ to the registry, the logs and the statistics.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from script.aggregate._items import mean_draws
from utils import cli, stats
from utils.languages import family_and_script
from utils.registry import DATASETS, ENCODERS, suggest
from utils.runlog import LoggedResult, differences, read_results
from utils.schema import UserError

FORMATS = ("plain", "md", "latex", "csv", "json")
TABULATE = {"plain": "simple", "md": "github", "latex": "latex_booktabs"}
MAIN_METRIC = {"bitext": "f1", "classification": "acc", "icl": "acc"}  # of a user's own data
ROWS = {**DATASETS, "icl": DATASETS["classification"]}  # task -> data sets
SHOWN_MISSING = 8  # missing subsets named a cell before "..."


@dataclass(frozen=True)
class Cell:
    """The mean of a metric over the subsets that are there, as a fraction, and how complete it is."""

    value: float
    n: int
    expected: int
    ci95: tuple[float, float] | None = None
    draws: stats.Values | None = field(default=None, compare=False)  # resampled values, of which means are made

    @property
    def complete(self) -> bool:
        """Whether every subset is there."""
        return self.n == self.expected

    def __str__(self) -> str:
        interval = f" [{100 * self.ci95[0]:.2f}, {100 * self.ci95[1]:.2f}]" if self.ci95 else ""
        return f"{100 * self.value:.2f}{interval}" + ("" if self.complete else f" ({self.n}/{self.expected})")


Table = dict[str, dict[str, Cell]]  # model -> column -> cell


def add_table_args(parser: argparse.ArgumentParser, *, several_ks: bool = False) -> None:
    """Which records, which metric, and how the table is written; `several_ks` shows all ks unless --k names some."""
    if several_ks:
        parser.add_argument("--k", type=cli.natural, nargs="+", metavar="K", help="only these (default: all)")
    else:
        parser.add_argument("--k", type=cli.positive, default=1, metavar="K", help="(default: %(default)s)")
    parser.add_argument("--metric", metavar="NAME", help="a metric of the records (default: each dataset's main one)")
    parser.add_argument("--ci", action="store_true", help="95 %% intervals in the cells")
    parser.add_argument("--models", nargs="+", metavar="NAME", help="only these rows, in this order")
    add_output_args(parser)


def add_output_args(parser: argparse.ArgumentParser) -> None:
    """Whose records, and how what is made of them is written."""
    parser.add_argument("--seed", type=cli.natural, default=42, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--logs", type=Path, default=Path("logs"), metavar="FOLDER", help="(default: %(default)s)")
    parser.add_argument("--format", choices=FORMATS, default="plain", help="(default: %(default)s)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table there instead of printing it")


def select(
    args: argparse.Namespace, task: str, settings: Mapping[str, object], flag: str = "--{name}"
) -> list[LoggedResult]:
    """Return the results of one task at --k and --seed whose settings are these; the original's files pass.

    Raises UserError, naming what there is and the `flag` that chooses a setting, where nothing fits.
    """
    results = list(read_results(args.logs.expanduser(), task))
    if not results:
        raise UserError(
            f"no {task} results under {args.logs}", f"run {task}.py first, or name the folder: --logs FOLDER"
        )
    chosen = results
    ks = args.k if isinstance(args.k, list) else [args.k] if args.k is not None else None
    for name, value in {**({"k": ks} if ks else {}), "seed": args.seed, **settings}.items():
        wanted = value if isinstance(value, list) else [value]
        found = {_setting(result, name, wanted[0]) for result in chosen}
        chosen = [result for result in chosen if _setting(result, name, wanted[0]) in wanted]
        if not chosen:
            there = ", ".join(sorted(map(str, found)))
            what = " or ".join(map(str, wanted))
            choice = f"--{name}" if name in ("k", "seed") else flag.format(name=name)
            raise UserError(f"no {task} results with {name} {what}; there is {there}", f"choose with {choice}")
    return chosen


def _setting(result: LoggedResult, name: str, usual: object) -> object:
    return getattr(result, name) if name in ("k", "seed") else result.run.get(name, usual)


def nearest(model: str, results: Sequence[LoggedResult]) -> str:
    """Say which rows there are whose names are near to a mistaken one."""
    return suggest(model, sorted({result.model for result in results}))


def build(
    results: Sequence[LoggedResult], task: str, metric: str | None, *, cross: bool = False, ci: bool = False
) -> Table:
    """Return one cell a model and dataset: the mean of the metric over the dataset's subsets.

    `cross` leaves the training language out of what a complete cell needs. `ci` adds the cells' 95 % intervals.
    """
    table: Table = {}
    for (model, dataset), subsets in by_cell(results).items():
        expected = _expected_subsets(dataset, task, results)
        if cross:
            sources = {result.run.get("train_lang") for result in subsets.values()}
            expected = [name for name in expected if name not in sources]
        usual = ROWS[task][dataset].main_metric if dataset in ROWS[task] else MAIN_METRIC[task]
        found = {name: subsets[name] for name in expected if name in subsets}
        _warn_of_mixtures(model, dataset, list(found.values()))
        cell = _cell(model, dataset, found, expected, metric, usual)
        extra = [name for name in subsets if name not in expected]
        if extra:
            print(f"note: {dataset}, {model}: {len(extra)} subsets beside the standard ones left out", file=sys.stderr)
        if cell is not None and ci:
            cell = with_interval(cell, found, task, metric or usual)
        if cell is not None:
            table.setdefault(model, {})[dataset] = cell
    return table


def by_cell(results: Sequence[LoggedResult]) -> dict[tuple[str, str], dict[str, LoggedResult]]:
    """Return the results of each model and data set by their subset; what repeats another is named and left out."""
    grouped: dict[tuple[str, str], dict[str, LoggedResult]] = {}
    for result in results:
        subsets = grouped.setdefault((result.model, result.dataset), {})
        if result.subset in subsets:
            print(f"warning: {result.path} repeats {subsets[result.subset].path} and is left out", file=sys.stderr)
        else:
            subsets[result.subset] = result
    return grouped


def _warn_of_mixtures(model: str, dataset: str, results: Sequence[LoggedResult]) -> None:
    """Say so where a cell is the mean of records whose encoders or generators were asked in different ways."""
    ways = [{name: result.run.get(name) for name in ("encoders", "generator")} for result in results if result.run]
    mixed = sorted({place for way in ways[1:] for place, _, _ in differences(ways[0], way)})
    if mixed:
        print(f"warning: {dataset}, {model}: a mean over different settings of {', '.join(mixed)}", file=sys.stderr)


def _expected_subsets(dataset: str, task: str, results: Sequence[LoggedResult]) -> Sequence[str]:
    if dataset in ROWS[task]:
        return ROWS[task][dataset].subsets
    return sorted({result.subset for result in results if result.dataset == dataset})  # a user's own data


def _cell(
    model: str,
    dataset: str,
    found: Mapping[str, LoggedResult],
    expected: Sequence[str],
    metric: str | None,
    main_metric: str,
) -> Cell | None:
    name = metric or main_metric
    values = {subset: result.metrics[name] for subset, result in found.items() if name in result.metrics}
    missing = [subset for subset in expected if subset not in values]
    if missing:
        shown = ", ".join(missing[:SHOWN_MISSING]) + (", ..." if len(missing) > SHOWN_MISSING else "")
        print(f"missing: {dataset}, {model}: {len(missing)} of {len(expected)} subsets: {shown}", file=sys.stderr)
    if not values:
        known = sorted({key for result in found.values() for key in result.metrics})
        if known:
            print(f"warning: {dataset}, {model}: no metric {name!r}; there is {', '.join(known)}", file=sys.stderr)
        return None
    return Cell(sum(values.values()) / len(values), len(values), len(expected))


def with_interval(cell: Cell, found: Mapping[str, LoggedResult], task: str, metric: str) -> Cell:
    """Return the cell with its 95 % interval: the record's own where it is one, else subsets and items resampled.

    Without one where the predictions that it takes are not there.
    """
    there = {subset: result for subset, result in found.items() if metric in result.metrics}
    draws = mean_draws(there, task, metric)
    first, *others = there.values()
    if not others and metric in first.ci95:
        low, high = first.ci95[metric]
        return replace(cell, ci95=(low, high), draws=draws)
    if draws is None:
        print(
            f"note: {first.dataset}, {first.model}: no predictions that tell the {metric}'s interval", file=sys.stderr
        )
        return cell
    return replace(cell, ci95=stats.percentiles(draws), draws=draws)


def build_by(
    results: Sequence[LoggedResult], task: str, dataset: str, group: str, metric: str | None, *, ci: bool = False
) -> tuple[Table, list[str]]:
    """Return one cell a model and group of languages of one dataset, and the groups in their order.

    `group` is family, script or lang. A group is complete when all of the dataset's languages in it are there.
    """
    spec = ROWS[task].get(dataset)
    name = metric or (spec.main_metric if spec else MAIN_METRIC[task])
    expected: dict[str, int] = {}
    for subset in spec.subsets if spec else {result.subset for result in results if result.dataset == dataset}:
        key = _group(subset, group)
        expected[key] = expected.get(key, 0) + 1
    values: dict[str, dict[str, dict[str, LoggedResult]]] = {}
    for result in results:
        if result.dataset == dataset and name in result.metrics:
            cells = values.setdefault(result.model, {}).setdefault(_group(result.subset, group), {})
            cells[result.subset] = result
    if not values:
        raise UserError(f"no {task} results of {dataset} with the metric {name!r}", "run it first, or name another")
    table = {
        model: {
            key: with_interval(cell, found, task, name) if ci else cell
            for key, found in cells.items()
            for cell in [_mean_of_metric(found, name, expected.get(key, 0))]
        }
        for model, cells in values.items()
    }
    present = {key for cells in table.values() for key in cells}
    return table, sorted(present, key=lambda key: (-expected.get(key, 0), key))


def _mean_of_metric(found: Mapping[str, LoggedResult], name: str, expected: int) -> Cell:
    values = [result.metrics[name] for result in found.values()]
    return Cell(sum(values) / len(values), len(values), max(expected, len(values)))


def _group(subset: str, group: str) -> str:
    if group == "lang":
        return subset
    family, script = family_and_script(subset)
    return (family if group == "family" else script) or "unknown"


def add_means(table: Table, groups: Mapping[str, Sequence[str]]) -> None:
    """Add a column a group, the mean of its datasets, and `avg`, the mean of the groups; none over a partial row."""
    for cells in table.values():
        for group, datasets in groups.items():
            members = [cells[name] for name in datasets if name in cells and cells[name].complete]
            if len(members) == len(datasets):
                cells[group] = _mean(members)
        means = [cells[group] for group in groups if group in cells]
        if len(means) == len(groups):
            cells["avg"] = _mean(means)


def _mean(cells: Sequence[Cell]) -> Cell:
    draws = [cell.draws for cell in cells if cell.draws is not None]
    of_mean = np.mean(draws, axis=0) if len(draws) == len(cells) else None
    interval = None if of_mean is None else stats.percentiles(of_mean)
    return Cell(sum(cell.value for cell in cells) / len(cells), len(cells), len(cells), interval, of_mean)


def show(
    args: argparse.Namespace,
    table: Table,
    groups: Mapping[str, Sequence[str]],
    order: Sequence[str] = tuple(ENCODERS),
) -> None:
    """Print the table of datasets and means, or write it to --output, in the format asked for; `order` leads rows."""
    if not table:
        raise UserError("no cell to show", f"no record has the metric {args.metric!r}")
    add_means(table, groups)
    present = {column for cells in table.values() for column in cells}
    of_paper = [name for datasets in groups.values() for name in datasets]
    in_groups = bool(present & set(of_paper))
    columns = [name for name in of_paper if name in present]
    columns += sorted(present - {*of_paper, *groups, "avg"}) + ([*groups, "avg"] if in_groups else [])
    write(args, table, columns, order)


def write(
    args: argparse.Namespace, table: Table, columns: Sequence[str], order: Sequence[str] = tuple(ENCODERS)
) -> None:
    """Print the table of these columns, or write it to --output."""
    emit(args, render(table, _ordered(table, args.models, list(order)), columns, args.format))


def emit(args: argparse.Namespace, text: str) -> None:
    """Print what was rendered, or write it to --output."""
    if args.output is None:
        print(text, end="")
    else:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(text, encoding="utf-8")
        print(f"wrote {args.output}")


def _ordered(table: Table, models: Sequence[str] | None, known: list[str]) -> list[str]:
    if models:
        for model in models:
            if model not in table:
                raise UserError(f"no results of model {model!r}", f"there is: {', '.join(sorted(table))}")
        return list(models)
    return sorted(
        table, key=lambda name: ("__weights" in name, known.index(name) if name in known else len(known), name)
    )


def render(table: Table, models: Sequence[str], columns: Sequence[str], style: str) -> str:
    """Return the table as text: percentages to two digits, `-` where there is nothing; json has full fractions."""
    if style == "json":
        rows = [
            {"model": model, "column": column, "value": cell.value, "n": cell.n, "expected": cell.expected}
            | ({"ci95": list(cell.ci95)} if cell.ci95 else {})
            for model in models
            for column in columns
            if (cell := table[model].get(column)) is not None
        ]
        return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
    body = [[model, *(str(table[model].get(column, "-")) for column in columns)] for model in models]
    return render_rows(["model", *columns], body, style)


def render_rows(header: Sequence[str], body: Sequence[Sequence[str]], style: str) -> str:
    """Return rows of cells as text in any format but json, the first column to the left."""
    if style == "csv":
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([header, *body])
        return out.getvalue()
    from tabulate import tabulate

    align = ("left", *["right"] * (len(header) - 1))
    return tabulate(body, header, tablefmt=TABULATE[style], colalign=align, disable_numparse=True) + "\n"
