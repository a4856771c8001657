"""Put published figures beside the cells of a table where the settings are the published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from utils.errors import counted
from utils.records.original import generator_and_encoder
from utils.records.row_names import base_name
from utils.reporting.tables.build import Kind
from utils.reporting.tables.cells import Cell, Table
from utils.reporting.tables.comparable import PARTIAL, lacking_subset, subsets_of, unlike
from utils.reporting.tables.departures import precisions
from utils.reporting.tables.published import Published, notes_of, settings_of
from utils.reporting.tables.select import note
from utils.settings.base import FUSION_SETTINGS


@dataclass
class References:
    """Published figures of a table.

    beside: figures of cells, by row and column. rows: rows of figures without a cell. halves: half precision -> the
    rows that were computed in it and have figures beside their cells. subsets: those of the cells of each column.
    """

    beside: dict[tuple[str, str], Published] = field(default_factory=dict)
    rows: dict[str, dict[str, Published]] = field(default_factory=dict)
    halves: dict[str, dict[str, None]] = field(default_factory=dict)
    subsets: dict[str, dict[str, float]] = field(default_factory=dict)

    def shown(self) -> list[Published]:
        """Return all figures that are shown, in order."""
        return [*self.beside.values(), *(figure for cells in self.rows.values() for figure in cells.values())]

    def sources(self) -> list[str]:
        """Return the sources of the figures that are shown, in order."""
        return list(dict.fromkeys(figure.source for figure in self.shown()))


@dataclass(frozen=True)
class Asked:
    """What a table was asked for: ks and data sets, None for all, and the values of its settings by name.

    src_lang: the language whose texts query or train, None for each data set's pivot.
    """

    ks: Sequence[int] | None
    datasets: Sequence[str] | None
    settings: Mapping[str, Any]
    src_lang: str | None

    def names(self, figure: Published, kind: Kind, groups: Mapping[str, Sequence[str]]) -> bool:
        """Return whether a figure is of the ks, the data sets and the metric of the table."""
        of_ks = self.ks is None or figure.k is None or figure.k in self.ks
        of_sets = self.datasets is None or set(_datasets_of(figure, groups)) <= set(self.datasets)
        return of_ks and of_sets and _of_metric(figure, kind, groups)

    def unlike(self, figure: Published, kind: Kind, groups: Mapping[str, Sequence[str]]) -> str:
        """Return why a figure was published in other settings than the table's; empty where it was not.

        A figure whose publication departs from the plain settings stands in the plain table, with a note.
        """
        if kind.is_part and not figure.by_subset:
            return "only a part of the subsets was asked for"
        rows = (kind.dataset(dataset) for dataset in _datasets_of(figure, groups))
        if self.src_lang and any(row is not None and row.pivot != self.src_lang for row in rows):
            return f"{figure.source} has the pivot language, this is {self.src_lang}"
        spec = kind.spec
        plain = {**spec.defaults(spec.table_settings), **spec.defaults(FUSION_SETTINGS)}
        special = settings_of(figure.source, figure.model)
        for name, value in self.settings.items():
            allowed = [*spec.accepted(name, plain[name]), *special.get(name, ())] if name in plain else [value]
            if value not in allowed:
                return (
                    f"{figure.source} has {name} {' or '.join(map(str, special.get(name, allowed)))}, this is {value}"
                )
        return ""


def compare(
    table: Table, rows: Sequence[str], columns: Sequence[str], figures: Sequence[Published], name: str, kind: Kind
) -> References:
    """Return the published figures of these cells; figures of other settings are named on standard error and left out.

    `name` is the table's key in the references. Of several figures the first that fits is taken.
    """
    found, reasons = References(), dict[str, list[str]]()
    for row in rows:
        for column, cell in ((column, table[row][column]) for column in columns if column in table[row]):
            found.subsets.setdefault(column, {}).update(dict.fromkeys(subsets_of(cell), 1.0))
            fitting = [figure for figure in figures if figure.task == name and _is_of(figure, cell, column, kind)]
            why = [unlike(figure, cell, kind) for figure in fitting]
            if "" in why:
                found.beside[row, column] = fitting[why.index("")].over(subsets_of(cell))
                for half in _halves(cell):
                    found.halves.setdefault(half, {})[row] = None
            elif why:
                reasons.setdefault(why[0], []).append(f"{row} {column}")
    for reason, cells in reasons.items():
        note(f"reference: not compared, {reason}: {', '.join(cells[:8])}{', ...' if len(cells) > 8 else ''}")
    if rows and not found.beside and not reasons:
        note(f"reference: no published {name} figure of these rows and columns")
    return found


def _halves(cell: Cell) -> list[str]:
    return sorted({half for part in cell.parts for half in precisions(part.result.run)})


def _is_of(figure: Published, cell: Cell, column: str, kind: Kind) -> bool:
    """Return whether a figure is of a cell's model, column and number of demonstrations."""
    result = cell.parts[0].result
    names = {base_name(result, kind.spec)}
    if kind.spec.generative:
        names.add(str(generator_and_encoder(result)[0].get("name")))
    shots = not kind.spec.generative or figure.k in (None, result.k)
    return figure.column == column and figure.model in names and shots


def add_rows(
    found: References,
    figures: Sequence[Published],
    name: str,
    kind: Kind,
    groups: Mapping[str, Sequence[str]],
    asked: Asked,
) -> list[str]:
    """Add a row for each model with a published figure that has no cell, and return the columns of these rows.

    Only figures of this table count, of the metric shown and of what the table was asked for; figures that were not
    published in its settings are counted on standard error.
    """
    fitting, left_out = list[Published](), dict[str, int]()
    for figure in (figure for figure in figures if figure.task == name and asked.names(figure, kind, groups)):
        shown = found.subsets.get(figure.column) or dict.fromkeys(figure.by_subset, 1.0)
        if reason := asked.unlike(figure, kind, groups) or lacking_subset(figure, shown):
            left_out[reason] = left_out.get(reason, 0) + 1
        else:
            fitting.append(figure.over(shown))
    for reason, count in left_out.items():
        note(f"reference: {counted(count, 'published figure')} left out, {reason}")
    beside = {(_row_of(figure, kind), figure.column) for figure in found.beside.values()}
    rows: dict[str, dict[str, Published]] = {}
    for figure in fitting:
        rows.setdefault(_row_of(figure, kind), {}).setdefault(figure.column, figure)
    found.rows = {row: cells for row, cells in rows.items() if any((row, column) not in beside for column in cells)}
    return list(dict.fromkeys(column for cells in found.rows.values() for column in cells))


def _row_of(figure: Published, kind: Kind) -> str:
    in_rows = kind.spec.generative and not any(view.by for view in kind.spec.views if view.key == figure.task)
    shots = f", {figure.k}-shot" if in_rows and figure.k is not None else ""
    return f"{figure.model}{shots} (published)"


def _datasets_of(figure: Published, groups: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Return the data sets that a figure is a mean of."""
    of_all = [dataset for datasets in groups.values() for dataset in datasets]
    return of_all if figure.column == "avg" else groups.get(figure.column, [figure.column])


def _of_metric(figure: Published, kind: Kind, groups: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a figure has the metric that its column shows."""
    shown = [kind.metric_of(dataset) for dataset in _datasets_of(figure, groups)]
    if figure.metric == "main":
        return all(main for _, main in shown)
    return {metric for metric, _ in shown} == {figure.metric}


def notes_on(found: References, name: str, columns: Sequence[str], ks: Sequence[int], kind: Kind) -> list[str]:
    """Return the notes on the figures in parentheses, their sources, and the cells beside them."""
    shown, texts = found.shown(), list[str]()
    if shown:
        texts.append(f"in parentheses: published ({', '.join(found.sources())}), and the difference from it")
    for source in found.sources():
        there = {figure.column for figure in shown if figure.source == source}
        texts += [f"{source}: {text}" for text in notes_of(source, name, [each for each in columns if each in there])]
        if partial := PARTIAL.search(source):
            texts.append(f"{source}: a mean over {partial['there']} of {partial['all']} subsets, compared with none")
        if any(figure.k is None for figure in shown if figure.source == source):
            texts.append(f"{source}: the publication does not give k; shown beside k {', '.join(map(str, ks))}")
    texts += [f"{setting}: {', '.join(models)}" for setting, models in _unusual(found, kind).items()]
    return texts + [f"computed in {half}: {', '.join(rows)}" for half, rows in found.halves.items()]


def _unusual(found: References, kind: Kind) -> dict[str, dict[str, None]]:
    """Return setting -> models, for rows of published figures in settings other than the tables' plain ones."""
    plain, models = {**kind.spec.plain(), **kind.spec.defaults(FUSION_SETTINGS)}, dict[str, dict[str, None]]()
    for figure in (figure for cells in found.rows.values() for figure in cells.values()):
        for name, allowed in settings_of(figure.source, figure.model).items():
            if name in plain and plain[name] not in allowed:
                setting = f"{figure.source}: published with {name} {' or '.join(map(str, allowed))}"
                models.setdefault(setting, {})[figure.model] = None
    return models
