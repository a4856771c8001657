"""The leaderboards of a folder of logs: the tables of script/aggregate for each task, setting, k and seed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from script.aggregate import (
    aggregate_bitext_mining,
    aggregate_classification,
    aggregate_classification_cross,
    aggregate_icl,
    aggregate_icl_cross,
)
from utils.data.registry import DATASETS
from utils.encoders.registry import ENCODERS
from utils.errors import UserError
from utils.records.frames import languages_of
from utils.records.result import LoggedResult
from utils.reporting.tables import icl
from utils.reporting.tables.build import Kind, Subsets, standard_subsets
from utils.reporting.tables.cells import Cell, Table, add_means
from utils.reporting.tables.select import PLAIN, first_of
from utils.reporting.tables.sides import FREE, read_settings
from utils.reporting.tables.tables import columns_of, ordered

Groups = Mapping[str, Sequence[str]]
BANDS = "icl percentile"
VIEWS: dict[str, tuple[str, Groups]] = {  # name -> task, means over data sets
    "bitext": ("bitext", aggregate_bitext_mining.GROUPS),
    "classification": ("classification", aggregate_classification.GROUPS),
    "classification cross": ("classification", aggregate_classification_cross.GROUPS),
    "icl": ("icl", aggregate_icl.GROUPS),
    "icl cross": ("icl", aggregate_icl_cross.GROUPS),
    BANDS: ("icl", {}),
}
NAMED = ("fuse", "normalize", "margin_k", "train_lang", "instruction", "temperature")  # told apart in a row's name
FREE_OR_NAMED = {task: (*FREE[task], *NAMED, "limit") for task in PLAIN}
MAIN = "main"  # each data set's main metric
Place = tuple[str, str]  # model, data set or band of ranks
Value = str | int | float | bool | None


@dataclass(frozen=True)
class Entry:
    """A result, its number in the page, and the table that it stands in."""

    number: int
    result: LoggedResult
    task: str
    view: str
    settings: tuple[tuple[str, Value], ...]
    place: tuple[str | None, ...]  # data set, subset, language, family, script


def entry_of(number: int, result: LoggedResult) -> Entry:
    """Return a result with its place; raises AttributeError, TypeError or ValueError where it is none of a record."""
    task = result.run.get("task") or _task_of_the_originals(result)
    if task not in PLAIN or not all(isinstance(text, str) for text in (result.dataset, result.model, result.subset)):
        raise ValueError(f"task {task!r}, dataset {result.dataset!r}, model {result.model!r}")
    cross = bool(result.run.get("cross"))
    view = f"{task} cross" if cross else task
    if task == "icl" and icl.band(result) is not None:
        view = BANDS
    usual = _usual(task, view, bool(result.run.get("legacy")))
    settings = tuple([(name, _plain(result.run.get(name, value))) for name, value in usual])
    for name in FREE_OR_NAMED[task]:
        _plain(result.run.get(name))
    about = languages_of(result)
    place = (result.dataset, result.subset, about["lang"], about["family"], about["script"])
    if task == "icl":
        _check_of_icl(result)
        result = dataclasses.replace(result, model=icl.row_name(result))
    if not all(value is None or isinstance(value, str) for value in place):
        raise TypeError(f"language {about['lang']!r}")
    return Entry(number, result, task, view, settings, place)


@lru_cache
def _usual(task: str, view: str, legacy: bool) -> tuple[tuple[str, Value], ...]:
    """Return the settings that part a view's leaderboards, each with its plain value."""
    usual = PLAIN[task] | ({"similarity": "euclidean"} if legacy else {})
    names = [name for name in usual if name != "min_percentile" and (name != "cross" or view == BANDS)]
    return tuple((name, first_of(usual[name])) for name in names)


def _check_of_icl(result: LoggedResult) -> None:
    """Raise TypeError where what rows and bands are ordered by cannot be ordered."""
    name = (result.run.get("generator") or {}).get("name", "")
    if not isinstance(name, str) or not all(isinstance(value, int) for value in icl.band(result) or ()):
        raise TypeError(f"generator {name!r}, band {icl.band(result)!r}")


def _task_of_the_originals(result: LoggedResult) -> str:
    """Return the task of an original's file whose path does not tell it: that of a data set's known subset."""
    spec = DATASETS["bitext"].get(result.dataset)
    return "bitext" if spec is not None and result.subset in spec.subsets else "classification"


def _plain(value: object) -> Value:
    if value is None or isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise TypeError(f"{value!r} is no setting")


def boards_of(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return the leaderboards, one a view, setting, k (of ICL, whose rows name theirs, all) and seed."""
    grouped: dict[tuple[Any, ...], list[Entry]] = {}
    norms: dict[str, set[Value]] = {}  # view -> those of its records
    for entry in entries:
        norms.setdefault(entry.view, set()).update(value for name, value in entry.settings if name == "length_norm")
    for entry in entries:
        k = None if entry.task == "icl" else entry.result.k
        for settings in _settings(entry, norms.get(entry.view, set())):
            grouped.setdefault((entry.view, settings, k, entry.result.seed), []).append(entry)
    order = list(VIEWS)
    places = sorted(grouped, key=lambda key: (order.index(key[0]), [str(part) for part in key[1]], key[2] or 0, key[3]))
    return [_board(key, grouped[key]) for key in places]


def _settings(entry: Entry, norms: Collection[Value]) -> Iterator[tuple[tuple[str, Value], ...]]:
    """Yield the settings whose tables show a result: text that was generated has no length_norm and fits any."""
    if ("length_norm", None) not in entry.settings:
        yield entry.settings
        return
    for norm in sorted(str(norm) for norm in norms if norm is not None) or ["token"]:
        yield tuple((name, norm if name == "length_norm" else value) for name, value in entry.settings)


def _board(key: tuple[Any, ...], entries: Sequence[Entry]) -> dict[str, Any]:
    view, settings, k, seed = key
    task, groups = VIEWS[view]
    cross = "cross" in view or bool(dict(settings).get("cross"))
    told = _told_settings(entries)
    named = [_with_settings(entry.result, settings) for entry, settings in zip(entries, told, strict=True)]
    subsets = _by_band(named, cross) if view == BANDS else standard_subsets(named, Kind(task, cross=cross))
    numbers = {entry.result.path: entry.number for entry in entries}
    names = sorted({name for found, _, _ in subsets.values() for result in found.values() for name in result.metrics})
    tables = {metric: _table(subsets, task, metric, groups, view) for metric in (MAIN, *names)}
    columns = _columns(list(subsets), tables, groups, view)
    rows = _rows(named, subsets, task, view)
    return {
        "view": view,
        "task": task,
        "settings": dict(settings),
        "k": k,
        "seed": seed,
        "columns": columns,
        "groups": {name: list(members) for name, members in groups.items()},
        "rows": rows,
        "sides": [] if view == BANDS else _sides(entries, named, told, rows),
        "cells": {
            metric: [[_shown(table.get(row, {}).get(column)) for column in columns] for row in rows]
            for metric, table in tables.items()
        },
        "records": [[_numbers(subsets.get((row, column)), numbers) for column in columns] for row in rows],
    }


def _told_settings(entries: Sequence[Entry]) -> list[dict[str, Value]]:
    """Return for each result the settings that tell its row apart from others of the model, and the limit of a part."""
    free = tuple(dict.fromkeys((*FREE[entries[0].task], *NAMED)))
    free = tuple(name for name in free if entries[0].view != BANDS or name != "max_percentile")  # a column there
    alike: dict[tuple[Any, ...], list[LoggedResult]] = {}
    for entry in entries:
        result = entry.result
        alike.setdefault((result.model, result.dataset, result.subset, icl.band(result)), []).append(result)
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
    """Return a result whose model is called as its row."""
    words = ", ".join(f"{name} {value}" for name, value in told.items())
    return dataclasses.replace(result, model=f"{result.model} ({words})") if words else result


def _sides(
    entries: Sequence[Entry], named: Sequence[LoggedResult], told: Sequence[Mapping[str, Value]], rows: Sequence[str]
) -> list[dict[str, Any]]:
    """Return what compare.py calls each row: its model, and the settings that any row tells as their NAME=VALUE.

    None stands for a setting that it does not take, or in which the row's records differ.
    """
    every = dict.fromkeys(name for settings in told for name in settings)
    members: dict[str, list[int]] = {}
    for place, result in enumerate(named):
        members.setdefault(result.model, []).append(place)
    sides = []
    for row in rows:
        first, *_ = places = members[row]
        settings = {name: {entries[place].result.run.get(name) for place in places} for name in every}
        flags = {name: _flag(entries[first].task, name, values) for name, values in settings.items()}
        sides.append({"model": entries[first].result.model, "told": list(told[first]), "settings": flags})
    return sides


def _flag(task: str, name: str, values: Collection[Value]) -> str | None:
    """Return a setting as compare.py is told it, None where it would read another value or has no such setting."""
    (value, *more) = values
    text = f"{name}={str(value).lower() if value is None or isinstance(value, bool) else value}"
    try:
        return text if not more and read_settings([text], task) == {name: value} else None
    except UserError:
        return None


def _by_band(results: Sequence[LoggedResult], cross: bool) -> dict[Place, Subsets]:
    """Return the subsets by `model, dataset` and band of ranks, as aggregate_icl_percentile.py has them."""
    found: dict[Place, Subsets] = {}
    for low, high in sorted({band for result in results if (band := icl.band(result)) is not None}):
        chosen = [result for result in results if icl.band(result) == (low, high)]
        for (model, dataset), subsets in standard_subsets(chosen, Kind("icl", cross=cross)).items():
            found[f"{model}, {dataset}", f"{low}-{high} %"] = subsets
    return found


def _table(subsets: Mapping[Place, Subsets], task: str, metric: str, groups: Groups, view: str) -> Table:
    table: Table = {}
    for (model, column), (found, _, expected) in subsets.items():
        dataset = next((result.dataset for result in found.values()), column)
        name, _ = Kind(task, None if metric == MAIN else metric).metric_of(dataset)
        figures = [result.metrics.get(name, math.nan) for result in found.values()]
        values = list(filter(math.isfinite, figures))
        if values:
            table.setdefault(model, {})[column] = Cell(sum(values) / len(values), len(values), len(expected))
    if view != BANDS:
        add_means(table, groups)
    return table


def _columns(places: Sequence[Place], tables: Mapping[str, Table], groups: Groups, view: str) -> list[str]:
    """Return the columns of all metrics; a data set without a mean has one too, by which its records are reached."""
    every: Table = {}
    for table in tables.values():
        for model, cells in table.items():
            every.setdefault(model, {}).update(cells)
    for model, column in places:
        every.setdefault(model, {}).setdefault(column, Cell(0.0, 0, 1))
    if view == BANDS:
        return list(dict.fromkeys(column for _, column in places))
    return columns_of({column for cells in every.values() for column in cells}, groups)


def _rows(named: Sequence[LoggedResult], subsets: Mapping[Place, Subsets], task: str, view: str) -> list[str]:
    """Return the rows in the order of the tables."""
    rows = {model for model, _ in subsets}
    known = icl.order(named) if task == "icl" else list(ENCODERS)
    if view == BANDS:
        known = [f"{model}, {dataset}" for model in known for dataset in icl.datasets_of(named, model)]
    return ordered(rows, None, known)


def _shown(cell: Cell | None) -> list[float] | None:
    if cell is None:
        return None
    return [cell.value, cell.n, cell.expected]


def _numbers(subsets: Subsets | None, numbers: Mapping[Any, int]) -> list[list[int]] | None:
    """Return the numbers of the records in a cell's mean, and of those beside it."""
    if subsets is None:
        return None
    return [[numbers[result.path] for result in of_kind.values()] for of_kind in subsets[:2]]
