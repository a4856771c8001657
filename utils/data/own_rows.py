"""The rows of a user's own table of items, checked, and the split that each of them is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from utils.constants import WRITTEN
from utils.data.item_cells import (
    Row,
    cells_of,
    choices_of,
    is_empty,
    lacks_a_text,
    named_columns,
    place_of,
)
from utils.data.labeled_tables import local_table, origin_of, rows_in_split
from utils.data.sources import Sources
from utils.data.subsets import Origin
from utils.data.tables import Table
from utils.errors import UserError, counted
from utils.schema import DatasetSpec


def read_own_items(spec: DatasetSpec, lang: str, split: str, sources: Sources) -> tuple[list[Row], Origin]:
    """Read the rows of a split of the user's own file, as `own_rows` does."""
    table = local_table(spec)
    rows = rows_in_split(spec, table, lang, split, _strata(spec.options, table))
    return own_rows(spec.options, table, rows, spec.source), origin_of(spec)


def _strata(options: Mapping[str, Any], table: Table) -> Sequence[Any]:
    """Return what a split is drawn by (n,): the labels, the positions of right options, or nothing of written answers.

    An answer that is none of the options, of which reading its row tells, stands for itself.
    """
    answers = cells_of(table, options["answer"])
    if options["kind"] in WRITTEN:
        return [""] * len(answers)
    if options["kind"] != "choice":
        return answers
    named = [options["choices"]] if isinstance(options["choices"], str) else options["choices"]
    cells = {name: cells_of(table, name) for name in named}
    rows = ({name: values[place] for name, values in cells.items()} for place in range(len(answers)))
    return [
        place_of(answer, choices_of(row, options), options["first"]) or answer
        for answer, row in zip(answers, rows, strict=True)
    ]


def own_rows(options: Mapping[str, Any], table: Table, places: Sequence[int], file: str) -> list[Row]:
    """Return rows of a user's own table; the answer of a choice, its text, letter or number, becomes its position.

    Raises UserError for a row without an answer, with a cell that is no text or with a single option, and where the
    options say strict, for one without a text.
    """
    cells = {name: cells_of(table, name) for name in named_columns(options)}
    rows = list[Row]()
    for place in places:
        where, row = f"{file}: {table.place(place)}", {name: values[place] for name, values in cells.items()}
        if is_empty(row[options["answer"]]):
            raise UserError(f"{where} has no answer", "add it, or remove the row")
        _check_texts(row, options, where)
        if options["strict"] and lacks_a_text(row, options):
            raise UserError(f"{where} lacks a text", "add it, or remove the row")
        rows.append(row if options["kind"] != "choice" else _with_position(row, options, where))
    return rows


def _check_texts(row: Row, options: Mapping[str, Any], where: str) -> None:
    """Raise UserError for a field, an option or an answer that is a list or an object instead of a text."""
    answer, choices = row[options["answer"]], options.get("choices", ())
    answers = answer if isinstance(answer, list) and options["kind"] in WRITTEN else [answer]
    listed = row[choices] or () if isinstance(choices, str) else [row[name] for name in choices]
    for value in (*(row[name] for name in options["fields"].values()), *answers, *listed):
        if isinstance(value, list | dict):
            raise UserError(f"{where}: {value!r} ({type(value).__name__}) is not a text", "correct the row")


def _with_position(row: Row, options: Mapping[str, Any], where: str) -> Row:
    choices = choices_of(row, options)
    if len(choices) < 2:
        raise UserError(f"{where} has {counted(len(choices), 'option')}", "give at least two, or remove the row")
    position = position_of(row[options["answer"]], choices, options["first"], where)
    return {**row, options["answer"]: position}


def position_of(answer: Any, choices: Sequence[str], first: int, place: str) -> str:
    """Return the position of the right option, given as its text, its letter or its number; UserError for others."""
    found = place_of(answer, choices, first)
    if found is None:
        what = f"{place} has the answer {answer!r}, which is none of its {len(choices)} options"
        raise UserError(what, "give the option itself, its letter or its number")
    return found
