"""Published figures beside a table's cells: only where the setting is the published one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from script.aggregate._build import ROWS, Kind
from script.aggregate._cells import Cell, Part, Table
from script.aggregate._published import Published, notes_of, settings_of
from script.aggregate._select import PLAIN, note

FUSED = {"fuse": "score", "normalize": "none"}
OF_ICL = {"demonstrations": "nearest"}
ICL_ROW = re.compile(r"(?P<generator>.+?)(?: \([48]bit\))?(?: \+ .+)?, \d+-shot")


@dataclass
class References:
    """Figures that stand beside cells, by row and column, and rows of figures that no record has."""

    beside: dict[tuple[str, str], Published] = field(default_factory=dict)
    rows: dict[str, dict[str, Published]] = field(default_factory=dict)

    def sources(self) -> list[str]:
        """Return the sources of the figures that are shown, in order."""
        shown = [*self.beside.values(), *(figure for cells in self.rows.values() for figure in cells.values())]
        return list(dict.fromkeys(figure.source for figure in shown))


def compare(
    table: Table, rows: Sequence[str], columns: Sequence[str], figures: Sequence[Published], name: str, kind: Kind
) -> References:
    """Return the published figures of these cells; what is published of them in another setting is told and left out.

    `name` is the task as the references call it. Of several figures the first that fits is taken.
    """
    found, unlike = References(), dict[str, list[str]]()
    for row in rows:
        for column in columns:
            cell = table[row].get(column)
            fitting = [figure for figure in figures if _is_of(figure, name, row, column)] if cell else []
            reasons = [_unlike(figure, cell, kind) for figure in fitting] if cell else []
            if "" in reasons:
                found.beside[row, column] = fitting[reasons.index("")]
            elif reasons:
                unlike.setdefault(reasons[0], []).append(f"{row} {column}")
    for reason, cells in unlike.items():
        note(f"reference: not compared, {reason}: {', '.join(cells[:8])}{', ...' if len(cells) > 8 else ''}")
    if rows and not found.beside and not unlike:
        note(f"reference: no published {name} figure of these rows and columns")
    return found


def _is_of(figure: Published, name: str, row: str, column: str) -> bool:
    match = ICL_ROW.fullmatch(row) if name.startswith("icl") else None
    generator = match["generator"] if match else row
    shots = match is None or figure.k is None or row.endswith(f", {figure.k}-shot")
    return figure.task == name and figure.column == column and figure.model in (row, generator) and shots


def _unlike(figure: Published, cell: Cell, kind: Kind) -> str:
    """Say in which way a cell is not what was published; empty where it is."""
    if not cell.complete:
        return "subsets are missing"
    ks = {part.result.k for part in cell.parts}
    if figure.k is not None and ks != {figure.k}:
        return f"{figure.source} has k {figure.k}, this is k {', '.join(map(str, sorted(ks)))}"
    if not (figure.metric == "main" and cell.main) and cell.metrics != {figure.metric}:
        return f"{figure.source} has the metric {figure.metric}, this is {', '.join(sorted(cell.metrics))}"
    for part in cell.parts:
        for name, allowed in _required(figure, part, kind).items():
            if (value := part.result.run.get(name, allowed[0])) not in allowed:
                return f"{figure.source} has {name} {' or '.join(map(str, allowed))}, this is {value}"
    return ""


def _required(figure: Published, part: Part, kind: Kind) -> dict[str, list[Any]]:
    """Return the settings that a record must have to be what was published, each with the values that will do."""
    plain: Mapping[str, Any] = {**PLAIN[kind.task], **FUSED, **(OF_ICL if kind.task == "icl" and part.result.k else {})}
    required = {name: value if isinstance(value, list) else [value] for name, value in plain.items()}
    required |= {"cross": [kind.cross]} if kind.task != "bitext" else {}
    if kind.cross and part.result.dataset in ROWS[kind.task]:
        required["train_lang"] = [ROWS[kind.task][part.result.dataset].pivot]
    if figure.task == "icl_percentile":
        required.pop("min_percentile")
    return required | settings_of(figure.source, figure.model)


def add_rows(
    found: References,
    table: Table,
    figures: Sequence[Published],
    name: str,
    kind: Kind,
    groups: Mapping[str, Sequence[str]],
    ks: Sequence[int] | None,
) -> list[str]:
    """Add a row for each model of which something is published that no cell has, and return these rows' columns.

    Only figures of this task, of these ks (None for all) and of the metric shown.
    """
    fitting = [
        figure
        for figure in figures
        if figure.task == name
        and (ks is None or figure.k is None or figure.k in ks)
        and _of_metric(figure, kind, groups)
    ]
    rows: dict[str, dict[str, Published]] = {}
    lacking = set()
    for figure in fitting:
        shots = f", {figure.k}-shot" if name in ("icl", "icl_cross") and figure.k is not None else ""
        row = f"{figure.model}{shots} (published)"
        rows.setdefault(row, {}).setdefault(figure.column, figure)
        if not any(_is_of(figure, name, own, figure.column) and figure.column in table[own] for own in table):
            lacking.add(row)
    found.rows = {row: cells for row, cells in rows.items() if row in lacking}
    return list(dict.fromkeys(column for cells in found.rows.values() for column in cells))


def _of_metric(figure: Published, kind: Kind, groups: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a figure's metric is the one that its column shows."""
    of_all = [dataset for datasets in groups.values() for dataset in datasets]
    datasets = of_all if figure.column == "avg" else groups.get(figure.column, [figure.column])
    shown = [kind.metric_of(dataset) for dataset in datasets]
    if figure.metric == "main":
        return all(main for _, main in shown)
    return {metric for metric, _ in shown} == {figure.metric}


def tell(found: References, name: str, columns: Sequence[str], ks: Sequence[int]) -> list[str]:
    """Tell what must be known of the sources shown, and return what the figures in parentheses are."""
    shown = [*found.beside.values(), *(figure for cells in found.rows.values() for figure in cells.values())]
    for source in found.sources():
        there = {figure.column for figure in shown if figure.source == source}
        for text in notes_of(source, name, [column for column in columns if column in there]) or ["published figures"]:
            note(f"reference {source}: {text}")
        if any(figure.k is None for figure in shown if figure.source == source):
            note(f"reference {source}: the publication does not tell k; beside k {', '.join(map(str, ks))}")
    return [f"in parentheses: published ({', '.join(found.sources())}), and the difference from it"] if shown else []
