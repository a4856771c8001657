"""The table of an aggregate script, from records to text: the one door of these scripts to what does each step.

With the other files whose names begin with `_`, the one door of script/ to the registry, the logs and the statistics.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from script.aggregate import _bold, _published, _reference
from script.aggregate._build import Kind, build, build_by
from script.aggregate._cells import Cell, Table, add_means
from script.aggregate._render import IN_WORDS, View, emit, render, with_notes
from script.aggregate._select import add_table_args, nearest, select
from utils.registry import ENCODERS
from utils.schema import UserError

__all__ = ["Cell", "Kind", "Table", "add_table_args", "build", "build_by", "nearest", "select", "show", "write"]


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
    name = f"{kind.task}_cross" if kind.cross else kind.task
    write(
        args,
        table,
        kind,
        _columns({column for cells in table.values() for column in cells}, groups),
        order,
        name,
        groups,
    )


def _columns(present: set[str], groups: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the paper's columns in its order, a user's own, and the means where one of their data sets is there."""
    of_paper = [name for datasets in groups.values() for name in datasets]
    columns = [name for name in of_paper if name in present]
    means = [*groups, "avg"] if present & {*of_paper, *groups, "avg"} else []
    return columns + sorted(present - {*of_paper, *groups, "avg"}) + means


def write(
    args: argparse.Namespace,
    table: Table,
    kind: Kind,
    columns: Sequence[str],
    order: Sequence[str] = tuple(ENCODERS),
    name: str | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Print the table of these columns, or write it to --output; `name` is what references call its task, if one does.

    `groups` are the means among the columns, of which --reference_rows may add some.
    """
    view = View(table, _ordered(table, args.models, list(order)), list(columns), seeds=args.seeds is not None)
    if args.bold:
        _mark(args, view, kind)
    if args.reference:
        _refer(args, view, kind, name, groups)
    elif args.reference_rows:
        raise UserError("--reference_rows without --reference", "for example --reference paper --reference_rows")
    if view.seeds:
        view.notes.insert(
            0, "mean over seeds ± their standard deviation" + ("; [interval of that mean]" if args.ci else "")
        )
    emit(args, with_notes(render(view, args.format), view.notes, args.format))


def _mark(args: argparse.Namespace, view: View, kind: Kind) -> None:
    view.marks, told = _bold.mark(view.table, view.rows, view.columns, args.bold, kind.task, args.seed)
    view.notes += [f"{IN_WORDS.get(args.format, 'bold')}: {_bold.MEANS[args.bold]}", *told]


def _refer(
    args: argparse.Namespace,
    view: View,
    kind: Kind,
    name: str | None,
    groups: Mapping[str, Sequence[str]] | None,
) -> None:
    """Put published figures beside the cells, and below them with --reference_rows."""
    figures = _published.read(args.reference)
    if name is None:
        raise UserError("--reference with --by", "nothing is published for groups of languages: leave one of them out")
    ks = sorted({part.result.k for cells in view.table.values() for cell in cells.values() for part in cell.parts})
    found = _reference.compare(view.table, view.rows, view.columns, figures, name, kind)
    if args.reference_rows:
        asked = args.k if isinstance(args.k, list) or args.k is None else [args.k]
        added = _reference.add_rows(found, view.table, figures, name, kind, groups or {}, asked)
        known = list(view.columns)
        view.columns = _columns({*known, *added}, groups) if groups else [*known, *(c for c in added if c not in known)]
        view.rows += found.rows
    view.references = found
    view.notes += _reference.tell(found, name, view.columns, ks)


def _ordered(table: Table, models: Sequence[str] | None, known: list[str]) -> list[str]:
    if models:
        for model in models:
            if model not in table:
                raise UserError(f"no results of model {model!r}", f"there is: {', '.join(sorted(table))}")
        return list(models)
    return sorted(
        table, key=lambda name: ("__weights" in name, known.index(name) if name in known else len(known), name)
    )
