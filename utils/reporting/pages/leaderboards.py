"""Build the leaderboards of a folder of logs: one table per task, setting, k and seed."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from utils.data.registry import group_means, sets_of
from utils.records import original
from utils.records.pair_sources import with_sources
from utils.records.result import LoggedResult
from utils.records.rows import languages_of
from utils.reporting.tables.build import Kind, Subsets, standard_subsets
from utils.reporting.tables.cells import Cell, Table, add_means
from utils.reporting.tables.rows import datasets_of, known_order, named, ordered
from utils.reporting.tables.select import source_if_any
from utils.reporting.tables.tables import columns_of
from utils.task_spec import TaskSpec
from utils.tasks import TASKS
from utils.views import View

Groups = Mapping[str, Sequence[str]]
VIEWS: dict[str, tuple[TaskSpec, View]] = {view.name: (spec, view) for spec in TASKS.values() for view in spec.views}
MAIN = "main"  # each data set's main metric
Place = tuple[str, str]  # model and column
Value = str | int | float | bool | None


@dataclass(frozen=True)
class Entry:
    """A result, its number in the page, the row that tells its settings, and its leaderboard: a view and settings."""

    number: int
    result: LoggedResult
    row: str
    task: str
    view: str
    settings: tuple[tuple[str, Value], ...]
    place: tuple[str | None, ...]  # data set, subset, language, family, script


def entry_of(number: int, result: LoggedResult, names: Mapping[str, str] | None = None) -> Entry:
    """Return a result with its place, by display names."""
    task = result.run.get("task") or original.task_of(result)
    spec, names = TASKS[task], names or {}
    if result.dataset not in sets_of(spec.data):
        result = dataclasses.replace(result, dataset=names.get(result.dataset, result.dataset))
    view = spec.view_of(result.run)
    usual = _usual(view.name, bool(result.run.get("legacy")))
    settings = tuple([(name, spec.table_value(result.run, name, value)) for name, value in usual])
    about = languages_of(result)
    place = (result.dataset, result.subset, about["lang"], about["family"], about["script"])
    (row,) = named([result], spec, view.by, names)
    return Entry(number, result, row.model, task, view.name, settings, place)


@lru_cache
def _usual(view_name: str, legacy: bool) -> tuple[tuple[str, Value], ...]:
    """Return the settings that part a view's leaderboards, each with its plain value."""
    spec, view = VIEWS[view_name]
    usual = spec.defaults(spec.table_settings) | spec.implied({"legacy": legacy})
    names = [name for name in usual if name not in spec.column_settings and (name != "cross" or view.cross is None)]
    return tuple((name, usual[name]) for name in names)


def boards_of(entries: Sequence[Entry], names: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Return the leaderboards, one per view, setting, k and seed; of a generative task one for all k.

    names: display names of models.
    """
    entries = _with_sources(entries)
    grouped: dict[tuple[Any, ...], list[Entry]] = {}
    logged: dict[tuple[str, str], set[Value]] = {}  # view, setting -> the values of its records
    for entry in entries:
        for name, value in entry.settings:
            logged.setdefault((entry.view, name), set()).add(value)
    for entry in entries:
        spec = TASKS[entry.task]
        source = (("src_lang", source_if_any(entry.result, spec, None)),) if spec.pairs else ()
        for settings, k in itertools.product(_boards_settings(entry, logged), _ks_of(entry, entries)):
            grouped.setdefault((entry.view, (*settings, *source), k, entry.result.seed), []).append(entry)
    order = list(VIEWS)
    places = sorted(grouped, key=lambda key: (order.index(key[0]), [str(part) for part in key[1]], key[2] or 0, key[3]))
    return [_board(key, grouped[key], names or {}) for key in places]


def _with_sources(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries, those of own pairs once for each row that they belong to."""
    by_path = {entry.result.path: entry for entry in entries}
    results = with_sources([entry.result for entry in entries])
    return [dataclasses.replace(by_path[result.path], result=result) for result in results]


def _ks_of(entry: Entry, entries: Sequence[Entry]) -> Sequence[int | None]:
    """Return the ks of the leaderboards that show a result: of a trained model those of all other records."""
    if TASKS[entry.task].table_k is None:
        return [None]
    others = {one.result.k for one in entries if one.view == entry.view and not one.result.is_trained}
    return sorted(others) if entry.result.is_trained and others else [entry.result.k]


def _boards_settings(
    entry: Entry, logged: Mapping[tuple[str, str], Collection[Value]]
) -> Iterator[tuple[tuple[str, Value], ...]]:
    """Yield the settings of the leaderboards that show a result.

    A value that every table takes beside its own (such as no length_norm, where text is generated) stands for all
    values that are logged.
    """
    fields = TASKS[entry.task].fields
    choices: list[list[tuple[str, Value]]] = []
    for name, value in entry.settings:
        values: list[Value] = [value]
        if value in fields[name].metadata["also"]:
            others = [other for other in logged[entry.view, name] if other not in fields[name].metadata["also"]]
            values = [*sorted(map(str, others))] or list(TASKS[entry.task].defaults([name]).values())
        elif entry.result.is_trained and name not in entry.result.run:
            values = sorted(logged[entry.view, name], key=str)
        choices.append([(name, each) for each in values])
    yield from itertools.product(*choices)


def _board(key: tuple[Any, ...], entries: Sequence[Entry], names: Mapping[str, str]) -> dict[str, Any]:
    view_name, settings, k, seed = key
    spec, view = VIEWS[view_name]
    groups = group_means(spec, view)
    cross = bool(dict(settings).get("cross") if view.cross is None else view.cross)
    kind = Kind(spec.name, cross=cross)
    told = ("src_lang",) if dict(settings).get("src_lang") is not None else ()  # by the leaderboard's own settings
    results = named([entry.result for entry in entries], spec, (*view.by, *told), names)
    subsets = _by_values(results, kind, view) if view.by else standard_subsets(results, kind)
    numbers = {entry.result.path: entry.number for entry in entries}
    metrics = sorted({name for found, _, _ in subsets.values() for one in found.values() for name in one.metrics})
    tables = {metric: _table(subsets, kind, metric, groups) for metric in (MAIN, *metrics)}
    columns = list(dict.fromkeys(column for _, column in subsets)) if view.by else _columns(subsets, tables, groups)
    rows = _rows(results, subsets, spec, view)
    return {
        "view": view_name,
        "task": spec.name,
        "cross": cross,
        "settings": dict(settings),
        "k": k,
        "seed": seed,
        "columns": columns,
        "groups": {name: list(members) for name, members in groups.items()},
        "rows": rows,
        "by_datasets": not view.by,
        "cells": {
            metric: [[_shown(table.get(row, {}).get(column)) for column in columns] for row in rows]
            for metric, table in tables.items()
        },
        "records": [[_numbers(subsets.get((row, column)), numbers) for column in columns] for row in rows],
    }


def _by_values(results: Sequence[LoggedResult], kind: Kind, view: View) -> dict[Place, Subsets]:
    """Return the subsets by `model, dataset` and the values of the view's settings, as the task's table has them."""
    found: dict[Place, Subsets] = {}
    for values in sorted({values for result in results if (values := view.values_of(result.run))}):
        chosen = [result for result in results if view.values_of(result.run) == values]
        for (model, dataset), subsets in standard_subsets(chosen, kind).items():
            found[f"{model}, {dataset}", view.column.format(*values)] = subsets
    return found


def _table(subsets: Mapping[Place, Subsets], kind: Kind, metric: str, groups: Groups) -> Table:
    """Return the means over subsets and over groups of data sets, of one metric or of each data set's main one."""
    table: Table = {}
    for (model, column), (found, _, expected) in subsets.items():
        dataset = next((result.dataset for result in found.values()), column)
        shown = dataclasses.replace(kind, metric=None if metric == MAIN else metric)
        name, _ = shown.metric_of(dataset, found.values())
        figures = [result.metrics.get(name, math.nan) for result in found.values()]
        values = list(filter(math.isfinite, figures))
        if values:
            table.setdefault(model, {})[column] = Cell(sum(values) / len(values), len(values), len(expected))
    add_means(table, groups)
    return table


def _columns(places: Collection[Place], tables: Mapping[str, Table], groups: Groups) -> list[str]:
    """Return the columns of all metrics, and those of data sets without a mean, which lead to their records."""
    present = {column for table in tables.values() for cells in table.values() for column in cells}
    return columns_of(present | {column for _, column in places}, groups)


def _rows(results: Sequence[LoggedResult], subsets: Collection[Place], spec: TaskSpec, view: View) -> list[str]:
    """Return the rows in the order of the tables."""
    known = known_order(results, spec)
    if view.by:
        known = [f"{model}, {dataset}" for model in known for dataset in datasets_of(results, model)]
    return ordered({model for model, _ in subsets}, None, known)


def _shown(cell: Cell | None) -> list[float] | None:
    if cell is None:
        return None
    return [cell.value, cell.n, cell.expected]


def _numbers(subsets: Subsets | None, numbers: Mapping[Any, int]) -> list[list[int]] | None:
    """Return the numbers of the records in a cell's mean, and of those of other subsets."""
    if subsets is None:
        return None
    return [[numbers[result.path] for result in of_kind.values()] for of_kind in subsets[:2]]
