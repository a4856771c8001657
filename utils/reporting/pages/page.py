"""Write a folder of logs as one page: records, leaderboards, and the files that the page shows on request."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.data.sources import Sources
from utils.errors import UserError, counted, warn
from utils.layers.measures import MEASURES, Measure
from utils.records.checks import is_number
from utils.records.provenance import utc_now
from utils.records.reader import read_all
from utils.reporting.pages.html import write_page
from utils.reporting.pages.leaderboards import Entry, boards_of, entry_of
from utils.reporting.pages.parts import Reader, items_of, pack_items, pack_records
from utils.reporting.pages.texts import pack_texts
from utils.reporting.palette import styles
from utils.reporting.tables.build import Kind
from utils.reporting.tables.names import check_names, dataset_names, read_names
from utils.task_spec import TaskSpec
from utils.tasks import TASKS

MEGABYTE = 1_000_000


def write_report(args: argparse.Namespace, defaults: Mapping[str, Mapping[str, Any]]) -> str:
    """Write the page of the records under --logs and return a line about it.

    defaults: the arguments of each task's script when none is given; the command line of a record leaves them out.
    """
    with without_collector():
        names = read_names(args.names, args.logs)
        entries, left_out = read(args, names)
        parts: list[str] = []
        items_there = [] if args.no_items else items_of(entries)
        reader = Reader(warn)
        refs = pack_records(entries, parts, {items.entry.number: items for items in items_there}, reader)
        room, n_parts = args.max_mb * MEGABYTE, len(parts)
        items, without = pack_items(items_there, parts, room, reader)
        where = Sources(args.data_dir, args.cache_dir)
        room -= sum(map(len, parts[n_parts:]))
        folders = [Path(), args.logs.resolve().parent]
        texts, no_texts = pack_texts([entries[number] for number in items], parts, room, where, folders, warn)
        data = {
            "logs": str(args.logs),
            "made": utc_now(),
            "args": {"debug": args.debug, "no_items": args.no_items, "max_mb": args.max_mb},
            "broken": [str(path) for path in left_out],
            "without": too_large(without, args.max_mb),
            "defaults": defaults,
            "tasks": {name: about_task(spec) for name, spec in TASKS.items()},
            "plain": {name: _plain(spec) for name, spec in TASKS.items()},
            "measures": {name: about_measure(measure) for name, measure in MEASURES.items()},
            **_of_entries(entries, names),
            "items": items,
            "texts": texts,
            "no_texts": no_texts,
            **index(entries, refs),
        }
        write_page(args.output, "report", f"Results in {args.logs}", data, parts)
    size = args.output.stat().st_size / MEGABYTE
    broken = f", {counted(len(left_out), 'broken file')} left out" if left_out else ""
    return f"{counted(len(entries), 'record')}{broken}, {size:.1f} MB: {args.output}"


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    """Suspend the garbage collector, which would traverse all records again and again while they are read."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # otherwise the next collection would traverse them all
        if was_on:
            gc.enable()


def read(args: argparse.Namespace, names: Mapping[str, str]) -> tuple[list[Entry], list[Path]]:
    """Return the records asked for and the files that are not records; raises UserError where no record is left.

    names: display names of models and of a user's own data.
    """
    left_out: list[Path] = []
    entries: list[Entry] = []
    there: Counter[str] = Counter()
    found = list(read_all(args.logs, debug=args.debug, left_out=left_out))
    datasets = dataset_names(args.dataset, {result.dataset for result in found}, names)
    check_names(names, found, args.logs)
    for result in found:
        entry = entry_of(len(entries), result, names)
        there[f"{entry.task} {result.dataset}"] += 1
        if entry.task in (args.task or (entry.task,)) and result.dataset in (datasets or (result.dataset,)):
            entries.append(entry)
    if not entries:
        if there:
            known = ", ".join(sorted(there))
            raise UserError("no record is of that --task and --dataset", f"there is: {known}")
        broken = f", and {counted(len(left_out), 'broken file')}" if left_out else ""
        raise UserError(
            f"no records under {args.logs}{broken}", "run a script first, or name the folder: --logs FOLDER"
        )
    return entries, left_out


def index(entries: Sequence[Entry], refs: Sequence[list[int]]) -> dict[str, Any]:
    """Return the page's index of the records, names as numbers into lists."""
    folders, models, places = dict[str, int](), dict[str, int](), dict[tuple[str | None, ...], int]()
    rows = []
    for entry, ref in zip(entries, refs, strict=True):
        result = entry.result
        folder, name = os.path.split(result.path)
        rows.append(
            [
                places.setdefault(entry.place, len(places)),
                models.setdefault(entry.row, len(models)),
                result.k,
                result.seed,
                folders.setdefault(folder or ".", len(folders)),
                name,
                *ref,
            ]
        )
    return {"records": rows, "folders": list(folders), "models": list(models), "places": list(places)}


def _plain(spec: TaskSpec) -> dict[str, Any]:
    """Return the settings of the leaderboard that is shown first; pairs from the pivot have no source."""
    return spec.defaults(spec.table_settings) | ({"src_lang": None} if spec.pairs else {})


def about_task(spec: TaskSpec) -> dict[str, Any]:
    """Return what the page needs to know of a task: its script, its predictions, its metrics that can be paired."""
    implied = {name: spec.implied({name: True}) for name in spec.table_settings}
    return {
        "script": spec.script,
        "data": spec.data,
        "indexed": spec.indexed,
        "by_layer": spec.by_layer,
        "paired": list(spec.paired_metrics),
        "implied": {name: values for name, values in implied.items() if values},
    }


def about_measure(measure: Measure) -> dict[str, Any]:
    """Return what the page needs to know of a measure of layers: its title, its figures, and the one of its table."""
    return {"title": measure.title, "metric": measure.metric, "figures": dict(measure.figures)}


def colours_of(entries: Sequence[Entry]) -> dict[str, str]:
    """Return a colour for each language of the records of layers; those of one family have one hue."""
    families: dict[str, str] = {}
    for entry in entries:
        _, subset, lang, family, _ = entry.place
        if TASKS[entry.task].by_layer and (lang or subset):
            families[str(lang or subset)] = family or ""
    found = styles(sorted(families), families) if families else {}
    return {name: style.colour for name, style in found.items()}


def main_metrics(entries: Sequence[Entry]) -> dict[str, dict[str, str]]:
    """Return each data set's main metric, by task."""
    found: dict[str, dict[str, str]] = {}
    for entry in sorted(entries, key=lambda entry: (entry.task, entry.result.dataset)):
        of_task = found.setdefault(entry.task, {})
        if entry.result.dataset not in of_task:
            of_task[entry.result.dataset] = Kind(entry.task).metric_of(entry.result.dataset, [entry.result])[0]
    return found


def _of_entries(entries: Sequence[Entry], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the leaderboards of records, and what the page needs to know of their numbers and colours."""
    return {
        "main": main_metrics(entries),
        "counts": counts_of(entries),
        "boards": boards_of(entries, names),
        "colours": colours_of(entries),
    }


def counts_of(entries: Sequence[Entry]) -> list[str]:
    """Return the names of the numbers in records that are no metrics, such as the number of items."""
    metrics = {name for entry in entries for name in entry.result.metrics}
    numbers = {name for entry in entries for name, value in entry.result.body.items() if is_number(value)}
    return sorted(numbers - metrics)


def too_large(without: Sequence[Entry], max_mb: float) -> list[dict[str, Any]]:
    """Return the records without room for their items, counted by data set, and print a note on each."""
    counts = Counter((entry.task, entry.result.dataset) for entry in without)
    for (task, dataset), count in counts.items():
        print(
            f"note: the items of {counted(count, 'record')} exceed --max_mb {max_mb:g}: "
            f"--task {task} --dataset {dataset} alone, or a larger --max_mb, shows them",
            file=sys.stderr,
        )
    return [{"task": task, "dataset": dataset, "count": count} for (task, dataset), count in counts.items()]
