"""Write a table of cells with its notes: what its figures are, what is marked, and what they are compared with."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from utils.encoders.registry import ENCODERS
from utils.errors import UserError
from utils.records.bounds import bounds_of, mean_bounds
from utils.reporting.tables import published, reference, significance
from utils.reporting.tables.build import Kind
from utils.reporting.tables.cells import Table, add_means
from utils.reporting.tables.render import MARKS, Shown, emit, render, with_notes
from utils.reporting.tables.rows import ordered
from utils.reporting.tables.select import note
from utils.tasks import REGRESSION

BOUNDS = {"ceiling": "ceiling, which duplicate texts set", "chance": "chance", "majority label": "majority label"}
SHOWN = 8  # subsets named in a note before "..."


@dataclass(frozen=True)
class Layout:
    """The columns and rows of a table, and what its figures are compared with.

    order: the rows that come first, in their order. models: the only rows, in their order; None for all. name: the
    table's key in files of published figures, None where nothing is published of such columns. groups: the means among
    the columns, each with its data sets. rivals: rows that --bold compares with each other, by default all.
    """

    columns: Sequence[str]
    order: Sequence[str] = tuple(ENCODERS)
    name: str | None = None
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rivals: Sequence[Sequence[str]] = ()
    models: Sequence[str] | None = None


def show(args: argparse.Namespace, table: Table, kind: Kind, layout: Layout) -> None:
    """Print a table of data sets with the means over groups of them, or write it to --output."""
    if not table:
        what = (
            f"no record has the metric {args.metric!r}"
            if args.metric
            else "the records have none of the standard subsets"
        )
        raise UserError("no cell to show", f"{what}; the notes above name what is there")
    add_means(table, layout.groups)
    columns = columns_of({column for cells in table.values() for column in cells}, layout.groups)
    write(args, table, kind, replace(layout, columns=columns))


def columns_of(present: set[str], groups: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the columns in order: data sets of the groups, others by name, and the means that a row has."""
    grouped = [name for datasets in groups.values() for name in datasets]
    columns = [name for name in grouped if name in present]
    means = [name for name in (*groups, "avg") if name in present]
    return columns + sorted(present - {*grouped, *groups, "avg"}) + means


def write(args: argparse.Namespace, table: Table, kind: Kind, layout: Layout) -> None:
    """Print the table with its notes, or write it to --output."""
    rows = ordered(table, layout.models, layout.order)
    shown = Shown(table, rows, list(layout.columns), seeds=args.seeds is not None)
    shown.notes.append(about(args, shown, kind, layout))
    if shown.seeds:
        interval = "; [interval of that mean]" if args.ci else ""
        count = f"{shown.usual_seeds} seeds, unless the cell gives another number,"
        shown.notes.append(f"mean over {count} ± their standard deviation{interval}")
    shown.notes += [*_about_bounds(shown, kind), *_about_directions(shown, kind), *_about_common(kind)]
    if args.bold:
        _mark(args, shown, kind, layout)
    if args.reference:
        _refer(args, shown, kind, layout)
    elif args.reference_rows:
        raise UserError("--reference_rows without --reference", "for example --reference paper --reference_rows")
    emit(args, with_notes(render(shown, args.format), shown.notes, args.format))


def about(args: argparse.Namespace, shown: Shown, kind: Kind, layout: Layout) -> str:
    """Return the note on what the figures are: metrics, k, seed, similarity, and the settings that are not plain."""
    columns: dict[str, list[str]] = {}
    for column in (name for name in shown.columns if name not in (*layout.groups, "avg")):
        cells = [shown.table[row][column] for row in shown.rows if column in shown.table[row]]
        metrics = {name for cell in cells for name in cell.metrics}
        if len(metrics) == 1:
            columns.setdefault(metrics.pop(), []).append(column)
    told = [f"{name} ({', '.join(where)})" if len(columns) > 1 else name for name, where in columns.items()]
    about = [f"k {args.k}"] if isinstance(args.k, int) else []
    about += [f"seed {args.seed}"] if args.seeds is None else []
    plain = kind.spec.defaults(kind.spec.table_settings)
    asked = {name: getattr(args, name) for name in plain if hasattr(args, name)}
    departures = {name: value for name, value in asked.items() if value != plain[name]}
    parts = [part for cells in shown.table.values() for cell in cells.values() for part in cell.parts]
    known = all(
        "similarity" in part.result.run for part in parts if not part.result.is_trained
    )  # the original's files do not have it
    settings = ({"similarity": args.similarity} if known and "similarity" in asked else {}) | departures
    about += [f"{name} {value}" for name, value in settings.items()]
    if kind.cross:
        about.append("trained on " + (args.src_lang or "the pivot language"))
    elif getattr(args, "src_lang", None):
        about.append(f"pairs from {args.src_lang}")
    about += [f"languages {' '.join(kind.langs)}"] if kind.langs else []
    return f"{'fractions' if args.format == 'json' else 'in %'}: {', '.join(told)}; {', '.join(about)}"


def _about_bounds(shown: Shown, kind: Kind) -> list[str]:
    """Return notes on what the figures of data sets are seen against: ceilings by duplicates, chance, frequent labels.

    A data set's bounds are those of its most complete cell.
    """
    told: dict[str, list[str]] = {}
    for column in shown.columns:
        cells = [cell for row in shown.rows if (cell := shown.cell(row, column)) is not None and cell.parts]
        cell = max(cells, key=lambda cell: cell.n, default=None)
        if cell is None or len({part.result.dataset for part in cell.parts}) > 1:
            continue
        bounds = mean_bounds(bounds_of(part.result.metrics, part.metric, kind.spec) for part in cell.parts)
        for label, value in bounds.items():
            if label == REGRESSION:
                continue  # a figure of one model
            told.setdefault(label, []).append(f"{column} {100 * value:.2f}")
    return [f"{BOUNDS.get(label, label)}: {', '.join(names)}" for label, names in told.items()]


def _about_directions(shown: Shown, kind: Kind) -> list[str]:
    """Return a note where the figures are means of both directions."""
    parts = [part for cells in shown.table.values() for cell in cells.values() for part in cell.parts]
    if kind.metric not in (None, *kind.spec.metrics) or not any(
        part.result.run.get("direction") == "both" for part in parts
    ):
        return []
    name = kind.metric or kind.spec.main_metric
    return [f"the mean of both directions; --metric {name}_forward and {name}_backward show each"]


def _about_common(kind: Kind) -> list[str]:
    """Return a note on the subsets that all rows have, data set by data set."""
    told = [
        f"{dataset} {len(names)} ({', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''})"
        for dataset, names in (kind.common or {}).items()
    ]
    return [f"only the subsets that all rows have: {'; '.join(told)}"] if told else []


def _mark(args: argparse.Namespace, shown: Shown, kind: Kind, layout: Layout) -> None:
    """Mark cells, and add notes on what a mark means and where nothing was tested."""
    within = (
        f" among the rows of its {'data set' if kind.spec.data != 'bitext' else 'source language'}"
        if layout.rivals
        else ""
    )
    within = " among the rows that are not published ones" if args.reference_rows else within
    shown.notes.append(f"{MARKS.get(args.format, 'bold')}{within}: {significance.MEANS[args.bold]}")
    for rivals in layout.rivals or [shown.rows]:
        rows = [row for row in shown.rows if row in rivals]
        marks, notes = significance.mark(shown.table, rows, shown.columns, args.bold, kind.spec, args.seed)
        shown.marks |= marks
        shown.notes += notes


def _asked(args: argparse.Namespace, kind: Kind) -> reference.Asked:
    """Return what the flags ask of published figures without a record."""
    ks = args.k if isinstance(args.k, list) or args.k is None else [args.k]
    settings = {name: getattr(args, name) for name in kind.spec.table_settings if hasattr(args, name)}
    settings |= {"cross": kind.cross} if "cross" in settings else {}
    return reference.Asked(ks, args.dataset, settings, getattr(args, "src_lang", None))


def _refer(args: argparse.Namespace, shown: Shown, kind: Kind, layout: Layout) -> None:
    """Add published figures beside the cells, and with --reference_rows below them."""
    figures = published.read(args.reference)
    if layout.name is None:
        raise UserError("--reference with --by", "nothing is published for groups of languages: leave one of them out")
    ks = sorted({part.result.k for cells in shown.table.values() for cell in cells.values() for part in cell.parts})
    found = reference.compare(shown.table, shown.rows, shown.columns, figures, layout.name, kind)
    if args.reference_rows:
        added = reference.add_rows(found, figures, layout.name, kind, layout.groups, _asked(args, kind))
        known = list(dict.fromkeys([*shown.columns, *added]))
        shown.columns = columns_of(set(known), layout.groups) if layout.groups else known
        shown.rows += found.rows
    shown.references = found
    notes = reference.notes_on(found, layout.name, shown.columns, ks, kind)
    shown.notes += notes
    if args.output and args.format not in ("csv", "json"):  # for these two with_notes prints all notes
        for text in notes:
            note(f"note: {text}")
