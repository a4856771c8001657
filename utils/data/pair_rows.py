"""Rows of a query, its positives and negatives, as FlagEmbedding has them: {"query", "pos": [...], "neg": [...]}."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from utils.data.judged_parts import Part
from utils.data.labeled_tables import origin_of
from utils.data.sources import Sources
from utils.data.subsets import Origin
from utils.data.tables import is_blank, read_table
from utils.errors import UserError
from utils.schema import DatasetSpec

ROW = "q{:06}"  # the identifier of a row's question


class PairRow(NamedTuple):
    """One row: a query, texts that are near it, and texts that are not.

    group: rows of one group are about the same thing, empty where a row has none.
    """

    query: str
    pos: list[str]
    neg: list[str]
    group: str = ""


def read_pair_rows(path: Path) -> list[PairRow]:
    """Return the rows of a table with the columns query, pos and, where they are there, neg and group.

    Raises UserError, with its place, for a text that is empty, a row without positives, and a text that is both.
    """
    table = read_table(path)
    n_rows = len(table["query"])
    sides = [table["query"], table["pos"], *(table.get(name, [None] * n_rows) for name in ("neg", "group"))]
    rows = []
    for number, (query, pos, neg, group) in enumerate(zip(*sides, strict=True)):
        place = f"{path}: {table.place(number)}"
        texts = _text(query, place, "query"), _texts(pos, place, "pos"), _texts(neg, place, "neg")
        row = PairRow(*texts, "" if is_blank(group) else str(group))
        if not row.pos:
            raise UserError(f"{place}: the row has no positive", "write at least one text in pos, or remove the row")
        if both := set(row.pos) & set(row.neg):
            raise UserError(f"{place}: {min(both)!r} is in pos and in neg", "remove it from one of the two")
        rows.append(row)
    return rows


def _texts(cell: Any, place: str, column: str) -> list[str]:
    """Return the texts of a cell: a list of them, or a single one."""
    if is_blank(cell):
        return []
    return [_text(text, place, column) for text in (cell if isinstance(cell, list) else [cell])]


def _text(text: Any, place: str, column: str) -> str:
    if is_blank(text) or not isinstance(text, str):
        raise UserError(f"{place}: a text in {column} is {'empty' if is_blank(text) else 'no text'}", "correct it")
    return text


def read_judged_pairs(spec: DatasetSpec, name: str, sources: Sources) -> tuple[Part, Origin]:
    """Read rows of pairs as judgements: a row is a question, its positives have the grade 1, its negatives 0.

    Equal texts are one passage.
    """
    rows = read_pair_rows(Path(spec.options["path"]))
    ids: dict[str, str] = {}
    grades: dict[tuple[str, str], int] = {}
    for number, row in enumerate(rows):
        for grade, texts in ((1, row.pos), (0, row.neg)):
            for text in texts:
                grades[ROW.format(number), ids.setdefault(text, f"p{len(ids):06}")] = grade
    questions = [(ROW.format(number), row.query) for number, row in enumerate(rows)]
    passages = [(place, text) for text, place in ids.items()]
    judgements = [(*pair, grade) for pair, grade in grades.items()]
    return Part(f"{spec.source} {name}", name, name, questions, passages, judgements), origin_of(spec)
