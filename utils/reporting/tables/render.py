"""Render a table as text: plain, Markdown, LaTeX, CSV or JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from utils.data.csv_text import csv_text
from utils.files import write_output
from utils.reporting.tables import latex
from utils.reporting.tables.cells import Cell, Table
from utils.reporting.tables.published import Published
from utils.reporting.tables.reference import References
from utils.reporting.tables.select import note
from utils.reporting.tables.significance import Mark, Marks

TABULATE = {"plain": "simple", "md": "github"}
BOLD = {"plain": "*{}", "md": "**{}**", "latex": r"\textbf{{{}}}"}
MARKS = {"plain": "*", "md": "bold", "latex": "bold"}  # what notes call a mark
NOTHING = "-"


@dataclass
class Shown:
    """A table to render: cells in rows and columns, their marks and published figures, and the notes below."""

    table: Table
    rows: list[str]
    columns: list[str]
    marks: Marks = field(default_factory=dict)
    references: References | None = None
    seeds: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def usual_seeds(self) -> int:
        """The number of seeds of the cells that have most."""
        return max((len(cell.seeds) for row in self.rows for cell in self.table.get(row, {}).values()), default=0)

    def cell(self, row: str, column: str) -> Cell | None:
        """Return the cell of a row and column, None where nothing was computed."""
        return self.table.get(row, {}).get(column)

    def published(self, row: str, column: str) -> Published | None:
        """Return the published figure of a row and column, None where none is shown."""
        if self.references is None:
            return None
        return self.references.beside.get((row, column)) or self.references.rows.get(row, {}).get(column)


def render(view: Shown, style: str) -> str:
    """Return the table as text: percentages with two digits, `-` for an empty cell; JSON has unrounded fractions."""
    if style == "json":
        records = [_record(view, row, column) for row in view.rows for column in view.columns]
        return json.dumps([record for record in records if record], indent=2, ensure_ascii=False) + "\n"
    if style == "csv":
        extra = _extra_fields(view)
        header = ["model"]
        for column in view.columns:
            header += [column, *(f"{column}_{name}" for name in extra)]
        body = [[row, *(text for column in view.columns for text in _fields(view, row, column))] for row in view.rows]
        return render_rows(header, body, "csv")
    body = [[row, *(_text(view, row, column, style) for column in view.columns)] for row in view.rows]
    return render_rows(["model", *view.columns], body, style)


def _text(view: Shown, row: str, column: str, style: str) -> str:
    """Return a cell as text: its figure, interval, seeds, completeness and published figure."""
    cell, published = view.cell(row, column), view.published(row, column)
    if cell is None:
        return f"({_percent(published.value)})" if published else NOTHING
    parts = [_figure(view, row, column, cell, style)]
    if cell.ci95:
        parts.append(f"[{_percent(cell.ci95[0])}, {_percent(cell.ci95[1])}]")
    if view.seeds and (told := _seeds(view, cell, style)):
        parts.append(told)
    if not cell.complete:
        parts.append(f"({cell.n}/{cell.expected})")
    if published:
        parts.append(f"({_percent(published.value)}, {100 * (cell.value - published.value):+.2f})")
    return " ".join(parts)


def _figure(view: Shown, row: str, column: str, cell: Cell, style: str) -> str:
    bold = view.marks.get((row, column), Mark(bold=False)).bold
    figure = (BOLD[style] if bold else "{}").format(_percent(cell.value))
    if view.seeds and cell.sd is not None:
        figure += f" ± {_percent(cell.sd)}"
    return figure


def _seeds(view: Shown, cell: Cell, style: str) -> str:
    """Return the number of seeds of a figure; in LaTeX only where it is not the usual number."""
    n = len(cell.seeds)
    if n == 0:
        return "(mixed seeds)"
    return "" if style == "latex" and n == view.usual_seeds else f"({n} seed{'s' * (n > 1)})"


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def _extra_fields(view: Shown) -> list[str]:
    """Return the names of the columns that CSV has after each figure."""
    cells = [cell for row in view.rows for cell in view.table.get(row, {}).values()]
    return [
        *(["low", "high"] if any(cell.ci95 for cell in cells) else []),
        *("n", "expected"),
        *(["sd", "n_seeds"] if view.seeds else []),
        *(["bold"] if view.marks else []),
        *(["published", "difference", "source"] if view.references else []),
    ]


def _fields(view: Shown, row: str, column: str) -> list[str]:
    """Return the fields of a cell in CSV: the figure, then those of `_extra_fields`."""
    cell, published, mark = view.cell(row, column), view.published(row, column), view.marks.get((row, column))
    told = {
        "low": _percent(cell.ci95[0]) if cell and cell.ci95 else "",
        "high": _percent(cell.ci95[1]) if cell and cell.ci95 else "",
        "n": str(cell.n) if cell else "",
        "expected": str(cell.expected) if cell else "",
        "sd": _percent(cell.sd) if cell and cell.sd is not None else "",
        "n_seeds": str(len(cell.seeds)) if cell and cell.seeds else "",
        "bold": str(mark.bold).lower() if mark else "",
        "published": _percent(published.value) if published else "",
        "difference": f"{100 * (cell.value - published.value):+.2f}" if cell and published else "",
        "source": published.source if published else "",
    }
    figure = "" if cell is None else _percent(cell.value)
    return [figure, *(told[name] for name in _extra_fields(view))]


def _record(view: Shown, row: str, column: str) -> dict[str, Any]:
    """Return the JSON object of a cell, with unrounded fractions; empty where the cell is."""
    cell, published, mark = view.cell(row, column), view.published(row, column), view.marks.get((row, column))
    if cell is None and published is None:
        return {}
    record: dict[str, Any] = {"model": row, "column": column}
    if cell is not None:
        record |= {"value": cell.value, "n": cell.n, "expected": cell.expected}
        record |= {"ci95": list(cell.ci95)} if cell.ci95 else {}
        if view.seeds:
            record |= {"mean": cell.value, "sd": cell.sd, "n_seeds": len(cell.seeds) or None}
            record |= {"seeds": {str(seed): value for seed, value in cell.seeds.items()}}
    if mark is not None:
        record |= {"bold": mark.bold} | ({"p_holm": mark.p_holm} if mark.p_holm is not None else {})
    if published is not None:
        record |= {"published": published.value, "source": published.source}
        record |= {"difference": cell.value - published.value} if cell is not None else {}
    return record


def render_rows(header: Sequence[str], body: Sequence[Sequence[str]], style: str) -> str:
    """Return rows of cells as text in any format but JSON, the first column left-aligned."""
    if style == "csv":
        return csv_text([header, *body])
    if style == "latex":
        return latex.tabular(header, body)
    if style == "md":
        header, body = _without_bars(header), [_without_bars(line) for line in body]
    from tabulate import tabulate

    align = ("left", *["right"] * (len(header) - 1))
    return tabulate(body, header, tablefmt=TABULATE[style], colalign=align, disable_numparse=True) + "\n"


def _without_bars(texts: Sequence[str]) -> list[str]:
    return [text.replace("|", "\\|") for text in texts]


def comment(texts: Sequence[str], style: str) -> list[str]:
    """Return lines of text as the format has them: a paragraph in Markdown, comments in LaTeX."""
    if style == "md":
        return ["  \n".join(texts)] if texts else []  # two spaces break a line
    return [f"% {text}" for text in texts] if style == "latex" else list(texts)


def with_notes(text: str, notes: Sequence[str], style: str) -> str:
    """Return the table with its notes below; of CSV and JSON the notes go to standard error."""
    if style in ("csv", "json"):
        for line in notes:
            note(f"note: {line}")
        return text
    gap = [] if style == "latex" else [""]
    return "\n".join([text.rstrip("\n"), *gap, *comment(notes, style), ""]) if notes else text


def emit(args: argparse.Namespace, text: str) -> None:
    """Print a rendered table, or write it to --output; raises UserError where the file cannot be written."""
    if args.output is None:
        print(text, end="")
    else:
        write_output(args.output, text.encode())
        print(f"wrote {args.output}")
