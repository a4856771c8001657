"""Pairs of sentences whose likeness people have judged (semantic textual similarity): the readers."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from utils.data.hub_tables import read_hub_table
from utils.data.labeled_tables import origin_of
from utils.data.mteb_rows import KIND
from utils.data.mteb_texts import mteb_sentences
from utils.data.own_sts import langs_of, subset_name
from utils.data.sources import Sources
from utils.data.subsets import Origin, SentencePairs
from utils.data.tables import is_blank, read_table
from utils.errors import UserError
from utils.schema import DatasetSpec

Row = tuple[str, str, Any, Any]  # where a row is, its sentences, and their score


def load_sts(spec: DatasetSpec, subset: str, sources: Sources) -> SentencePairs:
    """Return the pairs of one language or of two.

    Raises UserError for scores that are not numbers, blank texts, and one's own scores that are all equal.
    """
    if spec.kind == KIND:
        return mteb_sentences(spec, subset)
    rows, origin = READERS[spec.reader](spec, subset, sources)
    checked = [(place, *_texts(place, first, second), _number(score, place)) for place, first, second, score in rows]
    if spec.kind == "local" and len({score for *_, score in checked}) < 2:
        if not checked:
            raise UserError(f"{spec.source} {subset}: there are no rows", "give each pair of sentences a row")
        what = f"{spec.source} {subset}: all {len(checked)} scores are equal"
        raise UserError(what, "a correlation needs pairs with different scores")
    langs = subset.split("_") if spec.kind != "local" else langs_of(subset)
    _, first, second, scores = zip(*checked, strict=True)
    return SentencePairs(subset, langs[0], langs[-1], first, second, scores, origin)


def _of_hub(spec: DatasetSpec, subset: str, sources: Sources) -> tuple[list[Row], Origin]:
    columns = ("sentence1", "sentence2", spec.options["score"])
    table, origin = read_hub_table(spec, sources, columns, subset.replace("_", "-"))
    rows = zip(*(table.column(name).to_pylist() for name in columns), strict=True)
    return [(f"{spec.source} {subset}: row {number}", *row) for number, row in enumerate(rows, start=1)], origin


def _of_tables(spec: DatasetSpec, subset: str, sources: Sources) -> tuple[list[Row], Origin]:
    path, columns = Path(spec.options["tables"][subset]), spec.options["columns"]
    table = read_table(path, header=spec.options["header"])
    sides = [table[columns[role]] for role in ("sentence1", "sentence2", "score")]
    langs = table[columns["lang"]] if "lang" in columns else [subset] * len(sides[0])
    rows = enumerate(zip(*sides, langs, strict=True))
    kept = [(number, row) for number, row in rows if subset_name(str(row[-1]).strip()) == subset]
    return [(f"{path}: {table.place(number)}", *row[:3]) for number, row in kept], origin_of(spec)


READERS: dict[str, Callable[[DatasetSpec, str, Sources], tuple[list[Row], Origin]]] = {
    "sentence_pairs": _of_hub,
    "sentence_pair_tables": _of_tables,
}


def _texts(place: str, *sentences: Any) -> tuple[str, str]:
    """Return both sentences; raises UserError for one that is blank or no text."""
    for number, text in enumerate(sentences, start=1):
        if is_blank(text) or not isinstance(text, str):
            what = (
                f"{place}: the {('first', 'second')[number - 1]} sentence is {'empty' if is_blank(text) else 'no text'}"
            )
            raise UserError(what, "correct it, or remove the row")
    first, second = sentences
    return first, second


def _number(score: Any, place: str) -> float:
    """Return a score as a number; raises UserError for another value, NaN and infinity."""
    try:
        number = math.nan if isinstance(score, bool) else float(score)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{place}: the score {score!r} is not a number", "write scores as numbers, such as 4.25")
    return number
