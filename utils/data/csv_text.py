"""CSV as everything that writes it has it: what a spreadsheet would evaluate as a formula is text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet evaluates text that begins with one of these


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV; a text that a spreadsheet would evaluate gets a `'` before it, numbers and `-` do not.

    Carriage returns are quoted, since readers take them for the ends of lines.

    Source: OWASP, CSV Injection, https://owasp.org/www-community/attacks/CSV_Injection.
    """
    out = io.StringIO(newline="")
    usual, quoting = csv.writer(out, lineterminator="\n"), csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        cells = [harmless(cell) for cell in row]
        (quoting if any(isinstance(cell, str) and "\r" in cell for cell in cells) else usual).writerow(cells)
    return out.getvalue()


def harmless(cell: object) -> object:
    """Return a cell that no spreadsheet evaluates."""
    if not isinstance(cell, str) or not cell.startswith(FORMULA) or cell == "-":
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def as_written(cell: str) -> str:
    """Return the text of a cell that `harmless` may have changed."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell
