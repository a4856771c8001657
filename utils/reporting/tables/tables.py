"""The table of an aggregate script, from records to text: the one door of these scripts to what does each step.

With the other files whose names begin with `_`, the one door of script/ to the registry, the logs and the statistics.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from utils.encoders.registry import ENCODERS
from utils.errors import UserError
from utils.reporting.tables import published, reference, significance
from utils.reporting.tables.build import Kind, build, build_by
from utils.reporting.tables.cells import Cell, Table, add_means
from utils.reporting.tables.render import IN_WORDS, View, emit, render, with_notes
from utils.reporting.tables.select import PLAIN, add_table_args, first_of, nearest, note, select

__all__ = [
    "Cell",
    "Kind",
    "Layout",
    "Table",
    "add_table_args",
    "build",
    "build_by",
    "nearest",
    "select",
    "show",
    "write",
]


@dataclass(frozen=True)
class Layout:
    """The columns of a table and the order of its rows, and what its figures are compared with.

    `name` is what references call its task, None where nothing is published of such columns; `groups` are the means
    among the columns; `rivals` are rows of which --bold compares those of one tuple, by default all.
    """

    columns: Sequence[str]
    order: Sequence[str] = tuple(ENCODERS)
    name: str | None = None
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rivals: Sequence[Sequence[str]] = ()


def show(
    args: argparse.Namespace,
    table: Table,
    kind: Kind,
    groups: Mapping[str, Sequence[str]],
    order: Sequence[str] = tuple(ENCODERS),
) -> None:
    """Print the table of datasets and means, or write it to --output, in the format asked for; `order` leads rows."""
    if not table:
        raise UserError("no cell to show", f"no record has the metric {args.metric!r}")
    add_means(table, groups)
    columns = columns_of({column for cells in table.values() for column in cells}, groups)
    write(args, table, kind, Layout(columns, order, f"{kind.task}_cross" if kind.cross else kind.task, groups))


def columns_of(present: set[str], groups: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the paper's columns in its order, a user's own, and the means that a row has."""
    of_paper = [name for datasets in groups.values() for name in datasets]
    columns = [name for name in of_paper if name in present]
    means = [name for name in (*groups, "avg") if name in present]
    return columns + sorted(present - {*of_paper, *groups, "avg"}) + means


def write(args: argparse.Namespace, table: Table, kind: Kind, layout: Layout) -> None:
    """Print the table, or write it to --output."""
    rows = ordered(table, args.models, list(layout.order))
    view = View(table, rows, list(layout.columns), seeds=args.seeds is not None)
    view.notes.append(_about(args, view, kind, layout))
    if view.seeds:
        interval = "; [interval of that mean]" if args.ci else ""
        view.notes.append(f"mean over seeds ({view.usual_seeds} unless told) ± their standard deviation{interval}")
    if args.bold:
        _mark(args, view, kind, layout)
    if args.reference:
        _refer(args, view, kind, layout)
    elif args.reference_rows:
        raise UserError("--reference_rows without --reference", "for example --reference paper --reference_rows")
    emit(args, with_notes(render(view, args.format), view.notes, args.format))


def _about(args: argparse.Namespace, view: View, kind: Kind, layout: Layout) -> str:
    """Say what the figures are: the metrics, k, the seed, the similarity, and the settings that are not the usual."""
    columns: dict[str, list[str]] = {}
    for column in (name for name in view.columns if name not in (*layout.groups, "avg")):
        of_column = {name for row in view.rows if column in view.table[row] for name in view.table[row][column].metrics}
        if len(of_column) == 1:
            columns.setdefault(of_column.pop(), []).append(column)
    metrics = [f"{name} ({', '.join(where)})" if len(columns) > 1 else name for name, where in columns.items()]
    told = [f"k {args.k}"] if isinstance(args.k, int) else []
    told += [f"seed {args.seed}"] if args.seeds is None else []
    asked = {name: getattr(args, name) for name in PLAIN[kind.task] if hasattr(args, name)}
    odd = {name: value for name, value in asked.items() if value != first_of(PLAIN[kind.task][name])}
    parts = [part for cells in view.table.values() for cell in cells.values() for part in cell.parts]
    known = all("similarity" in part.result.run for part in parts)  # the original's files do not tell
    told += [f"{name} {value}" for name, value in (({"similarity": args.similarity} if known else {}) | odd).items()]
    if kind.cross:
        told.append("trained on " + (args.src_lang or "the pivot language"))
    return f"{'fractions' if args.format == 'json' else 'in %'}: {', '.join(metrics)}; {', '.join(told)}"


def _mark(args: argparse.Namespace, view: View, kind: Kind, layout: Layout) -> None:
    """Mark cells, and say below the table what a mark means and where nothing was tested."""
    within = " among the rows of its data set" if layout.rivals else ""
    within = " among the rows that are not published ones" if args.reference_rows else within
    view.notes.append(f"{IN_WORDS.get(args.format, 'bold')}{within}: {significance.MEANS[args.bold]}")
    for rivals in layout.rivals or [view.rows]:
        rows = [row for row in view.rows if row in rivals]
        marks, told = significance.mark(view.table, rows, view.columns, args.bold, kind.task, args.seed)
        view.marks |= marks
        view.notes += told


def _refer(args: argparse.Namespace, view: View, kind: Kind, layout: Layout) -> None:
    """Put published figures beside the cells, and below them with --reference_rows."""
    figures = published.read(args.reference)
    if layout.name is None:
        raise UserError("--reference with --by", "nothing is published for groups of languages: leave one of them out")
    ks = sorted({part.result.k for cells in view.table.values() for cell in cells.values() for part in cell.parts})
    found = reference.compare(view.table, view.rows, view.columns, figures, layout.name, kind)
    if args.reference_rows:
        asked = args.k if isinstance(args.k, list) or args.k is None else [args.k]
        added = reference.add_rows(found, figures, layout.name, kind, layout.groups, asked)
        known = list(dict.fromkeys([*view.columns, *added]))
        view.columns = columns_of(set(known), layout.groups) if layout.groups else known
        view.rows += found.rows
    view.references = found
    told = reference.tell(found, layout.name, view.columns, ks, kind)
    view.notes += told
    if args.output and args.format not in ("csv", "json"):  # of these with_notes tells it
        for text in told:
            note(f"note: {text}")


def ordered(rows: Collection[str], models: Sequence[str] | None, known: list[str]) -> list[str]:
    """Return the rows: `models` where given, else the known ones in their order, others, ensembles."""
    if models:
        for model in models:
            if model not in rows:
                raise UserError(f"no results of model {model!r}", f"there is: {', '.join(sorted(rows))}")
        return list(models)
    return sorted(
        rows, key=lambda name: ("__weights" in name, known.index(name) if name in known else len(known), name)
    )
