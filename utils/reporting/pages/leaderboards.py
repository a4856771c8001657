"""Build the leaderboards of a folder of logs: one table per task, setting, k and seed."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from utils.data.registry import group_means
from utils.errors import UserError
from utils.records import original
from utils.records.result import LoggedResult
from utils.records.rows import languages_of
from utils.reporting.tables.build import Kind, Subsets, standard_subsets
from utils.reporting.tables.cells import Cell, Table, add_means
from utils.reporting.tables.rows import datasets_of, known_order, named, ordered
from utils.reporting.tables.sides import read_settings
from utils.reporting.tables.tables import columns_of
from utils.tasks import TASKS, TaskSpec, View

Groups = Mapping[str, Sequence[str]]
VIEWS: dict[str, tuple[TaskSpec, View]] = {view.name: (spec, view) for spec in TASKS.values() for view in spec.views}
NAMED = tuple(dict.fromkeys(name for spec in TASKS.values() for name in spec.named_settings))
MAIN = "main"  # each data set's main metric
Place = tuple[str, str]  # model and column
Value = str | int | float | bool | None


@dataclass(frozen=True)
class Entry:
    """A result, its number in the page, and its leaderboard: a view and settings."""

    number: int
    result: LoggedResult
    task: str
    view: str
    settings: tuple[tuple[str, Value], ...]
    place: tuple[str | None, ...]  # data set, subset, language, family, script


def entry_of(number: int, result: LoggedResult) -> Entry:
    """Return a result with its place."""
    task = result.run.get("task") or original.task_of(result)
    spec = TASKS[task]
    view = spec.view_of(result.run)
    usual = _usual(view.name, bool(result.run.get("legacy")))
    settings = tuple([(name, result.run.get(name, value)) for name, value in usual])
    about = languages_of(result)
    place = (result.dataset, result.subset, about["lang"], about["family"], about["script"])
    if spec.generative:
        (result,) = named([result], spec)
    return Entry(number, result, task, view.name, settings, place)


@lru_cache
def _usual(view_name: str, legacy: bool) -> tuple[tuple[str, Value], ...]:
    """Return the settings that part a view's leaderboards, each with its plain value."""
    spec, view = VIEWS[view_name]
    usual = spec.defaults(spec.table_settings) | spec.implied({"legacy": legacy})
    names = [name for name in usual if name not in spec.column_settings and (name != "cross" or view.cross is None)]
    return tuple((name, usual[name]) for name in names)


def boards_of(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return the leaderboards, one per view, setting, k and seed; of a generative task one for all k."""
    grouped: dict[tuple[Any, ...], list[Entry]] = {}
    logged: dict[tuple[str, str], set[Value]] = {}  # view, setting -> the values of its records
    for entry in entries:
        for name, value in entry.settings:
            logged.setdefault((entry.view, name), set()).add(value)
    for entry in entries:
        k = entry.result.k if TASKS[entry.task].table_k is not None else None
        for settings in _boards_settings(entry, logged):
            grouped.setdefault((entry.view, settings, k, entry.result.seed), []).append(entry)
    order = list(VIEWS)
    places = sorted(grouped, key=lambda key: (order.index(key[0]), [str(part) for part in key[1]], key[2] or 0, key[3]))
    return [_board(key, grouped[key]) for key in places]


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
        choices.append([(name, each) for each in values])
    yield from itertools.product(*choices)


def _board(key: tuple[Any, ...], entries: Sequence[Entry]) -> dict[str, Any]:
    view_name, settings, k, seed = key
    spec, view = VIEWS[view_name]
    groups = group_means(spec, view)
    cross = bool(dict(settings).get("cross") if view.cross is None else view.cross)
    kind = Kind(spec.name, cross=cross)
    told = _told_settings(entries, spec, view)
    results = [_with_settings(entry.result, settings) for entry, settings in zip(entries, told, strict=True)]
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
        "sides": [] if view.by else _sides(entries, results, told, rows),
        "cells": {
            metric: [[_shown(table.get(row, {}).get(column)) for column in columns] for row in rows]
            for metric, table in tables.items()
        },
        "records": [[_numbers(subsets.get((row, column)), numbers) for column in columns] for row in rows],
    }


def _told_settings(entries: Sequence[Entry], spec: TaskSpec, view: View) -> list[dict[str, Value]]:
    """Return for each result the settings that its row's name needs: those that differ between records of one cell.

    The limit is among them for records of a part of the data.
    """
    free = [name for name in (*spec.row_settings, *NAMED) if name not in view.by]
    alike: dict[tuple[Any, ...], list[LoggedResult]] = {}
    for entry in entries:
        result = entry.result
        place = (result.model, result.dataset, result.subset, view.values_of(result.run))
        alike.setdefault(place, []).append(result)
    telling: dict[str, dict[str, None]] = {}  # row -> settings that differ, in their order
    for (model, *_), results in alike.items():
        if len(results) > 1:
            differing = (name for name in free if len({result.run.get(name) for result in results}) > 1)
            telling.setdefault(model, {}).update(dict.fromkeys(differing))
    names = [
        [*telling.get(entry.result.model, ()), *(["limit"] if entry.result.run.get("limit") else [])]
        for entry in entries
    ]
    return [{name: entry.result.run.get(name) for name in told} for entry, told in zip(entries, names, strict=True)]


def _with_settings(result: LoggedResult, told: Mapping[str, Value]) -> LoggedResult:
    """Return a result with its row's name, which tells some settings, as the model."""
    words = ", ".join(f"{name} {value}" for name, value in told.items())
    return dataclasses.replace(result, model=f"{result.model} ({words})") if words else result


def _sides(
    entries: Sequence[Entry], results: Sequence[LoggedResult], told: Sequence[Mapping[str, Value]], rows: Sequence[str]
) -> list[dict[str, Any]]:
    """Return how compare.py names each row: its model, and the settings in row names as NAME=VALUE.

    None stands for a setting that compare.py does not take, or in which the row's records differ.
    """
    every = dict.fromkeys(name for settings in told for name in settings)
    members: dict[str, list[int]] = {}
    for place, result in enumerate(results):
        members.setdefault(result.model, []).append(place)
    sides = []
    for row in rows:
        first, *_ = places = members[row]
        settings = {name: {entries[place].result.run.get(name) for place in places} for name in every}
        flags = {name: _flag(entries[first].task, name, values) for name, values in settings.items()}
        sides.append({"model": entries[first].result.model, "told": list(told[first]), "settings": flags})
    return sides


def _flag(task: str, name: str, values: Collection[Value]) -> str | None:
    """Return a setting as compare.py takes it, None where it has no such setting or would read another value."""
    (value, *more) = values
    text = f"{name}={str(value).lower() if value is None or isinstance(value, bool) else value}"
    try:
        return text if not more and read_settings([text], task) == {name: value} else None
    except UserError:
        return None


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
        name, _ = dataclasses.replace(kind, metric=None if metric == MAIN else metric).metric_of(dataset)
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
