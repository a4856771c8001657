"""Items that prompts show by a template: pairs of texts, questions with choices, questions and texts with answers.

A row of `utils/data/prompted_sets.py` says which columns are the fields of an item, its answer and its choices. A
reader takes (spec, lang, split, sources), where the split is named as the data set has it, and returns the rows as
dictionaries and their origin. What is encoded for retrieval is the text of the fields that the row names, joined.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from utils.constants import LETTERS, USUAL_MEASURES, WRITTEN
from utils.data.answer_items import read_parallel, read_questions
from utils.data.classification import map_labels
from utils.data.hub_tables import read_hub_table
from utils.data.labeled_tables import local_table, origin_of, rows_in_split
from utils.data.sources import Sources, mirror_folder
from utils.data.tables import Table, is_blank
from utils.errors import UserError, counted, note
from utils.schema import DatasetSpec, Item, LabeledTexts, Origin

Row = Mapping[str, Any]
JOIN = "\n"  # between the fields of an item that are encoded together
HELD_OUT = 0.2  # of a split that is tested and shown: this part is shown, and the rest is tested


def has_items(spec: DatasetSpec) -> bool:
    """Return whether the rows of a data set are items of several fields, and not each a text and its label."""
    return "fields" in spec.options


def answer_kind(spec: DatasetSpec) -> str:
    """Return how an item of a data set is answered (ANSWER_KINDS); labelled texts are of the kind `label`."""
    return str(spec.options.get("kind", "label"))


def measures_of(spec: DatasetSpec) -> tuple[str, ...]:
    """Return what written answers are measured by, the main measure last: what the row names, or is usual of the kind.

    `em` and `f1` compare words, `bleu` and `chrf` are those of a corpus.
    """
    return tuple(spec.options.get("measures", USUAL_MEASURES.get(answer_kind(spec), ())))


def load_items(spec: DatasetSpec, lang: str, split: str, sources: Sources) -> LabeledTexts:
    """Return the items of a split that are tested; those without a text or an answer are left out and counted.

    Where demonstrations are taken from the same split, the part of it that `load_pool` returns is not tested.
    """
    return _load(spec, lang, split, sources, split, shown=False)


def load_pool(spec: DatasetSpec, lang: str, tested: str, sources: Sources) -> LabeledTexts:
    """Return the items that demonstrations are taken from, given the split that is tested.

    They are the training split, or the split that the row of the data set names instead of it. Where that is the one
    that is tested, they are a fifth of it: the last rows, or those of a fifth of the values of the column
    `held_out_by`, by their hash. It is the same part in every run.
    """
    return _load(spec, lang, "train", sources, tested, shown=True)


def _load(spec: DatasetSpec, lang: str, split: str, sources: Sources, tested: str, *, shown: bool) -> LabeledTexts:
    spec = of_language(spec, lang)
    named = split_names(spec, sources)
    name = named.get(split, split)
    rows, origin = READERS[spec.reader](spec, lang, name, sources)
    taken_from = name if split != name else ""
    if named.get("train", "train") == named.get(tested, tested):
        held_out = _held_out(spec, rows)
        rows = [row for row, is_held_out in zip(rows, held_out, strict=True) if is_held_out == shown]
        taken_from = f"a part of {name} that is not tested" if shown else taken_from
    found = as_items(spec, rows, f"{spec.name} {lang}, {name}", origin)
    return replace(found, taken_from=taken_from)


def split_names(spec: DatasetSpec, sources: Sources) -> Mapping[str, str]:
    """Return the data set's own names of splits, by those of this suite; equal ones need not be there.

    Where a mirror has no file of a split, it is the one that the row names instead (`fallback`).
    """
    names: dict[str, str] = dict(spec.options.get("splits", {}))
    instead, folder = spec.options.get("fallback", {}), mirror_folder(spec.source, sources)
    if not instead or folder is None:
        return names
    there = {re.split("[-_.]", part)[0] for path in folder.rglob("*.parquet") for part in path.parts[-2:]}
    for split in ("train", "validation", "test"):
        name = names.get(split, split)
        if name not in there and name in instead:
            names[split] = instead[name]
    return names


def of_language(spec: DatasetSpec, lang: str) -> DatasetSpec:
    """Return the row of one language, which may be read from another data set than the rest (`elsewhere`)."""
    other = spec.options.get("elsewhere", {}).get(lang)
    if other is None:
        return spec
    options = {**spec.options, **{name: value for name, value in other.items() if name != "source"}}
    return replace(spec, source=other["source"], options=options)


def _held_out(spec: DatasetSpec, rows: Sequence[Row]) -> list[bool]:
    by = spec.options.get("held_out_by")
    if by is None:
        first = len(rows) - math.ceil(HELD_OUT * len(rows))
        return [place >= first for place in range(len(rows))]
    values = [str(value_at(row, by)) for row in rows]
    ranked = sorted(set(values), key=lambda value: hashlib.sha256(value.encode()).hexdigest())
    chosen = set(ranked[: math.ceil(HELD_OUT * len(ranked))])
    return [value in chosen for value in values]


def as_items(spec: DatasetSpec, rows: Sequence[Row], place: str, origin: Origin) -> LabeledTexts:
    """Return rows as items; those that lack a field, an answer or a choice are left out, and a note counts them.

    Raises UserError where none is left, or an answer is none of the labels.
    """
    options = spec.options
    kept = [row for row in rows if not _lacks(row, options)]
    if not kept:
        raise UserError(f"{place}: no rows with a text and an answer", "check the file, and the name of the split")
    if dropped := len(rows) - len(kept):
        note(f"{place}: {counted(dropped, 'row')} without a text or an answer left out")
    answers = [value_at(row, options["answer"]) for row in kept]
    references = [tuple(_texts(answer)) if answer_kind(spec) in WRITTEN else () for answer in answers]
    of_rows = [each[0] for each in references] if any(references) else list(map_labels(spec, answers, place))
    fields = [{name: str(value_at(row, column)) for name, column in options["fields"].items()} for row in kept]
    choices = [_choices(row, options) for row in kept]
    items = tuple(map(Item, fields, of_rows, choices, references))
    encoded = options.get("encoded", tuple(options["fields"]))
    texts = tuple(JOIN.join(item.fields[name] for name in encoded) for item in items)
    ids = tuple(str(value_at(row, options["id"])) for row in kept) if "id" in options else ()
    return LabeledTexts(texts, tuple(of_rows), spec.label_names, origin, dropped, ids, items)


def _lacks(row: Row, options: Mapping[str, Any]) -> bool:
    values = [value_at(row, column) for column in (*options["fields"].values(), options["answer"])]
    return any(_is_empty(value) for value in (*values, *_choices(row, options)))


def _is_empty(value: Any) -> bool:
    """Return whether a cell has nothing, or is a list of such cells."""
    return all(map(is_blank, value)) if isinstance(value, list) else is_blank(value)


def _choices(row: Row, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the choices of a row: of one column that has a list of them, or of a column each."""
    columns = options.get("choices", ())
    values = value_at(row, columns) if isinstance(columns, str) else [value_at(row, column) for column in columns]
    return tuple("" if is_blank(value) else str(value) for value in values)


def _texts(answer: Any) -> list[str]:
    return [str(each) for each in answer if not is_blank(each)] if isinstance(answer, list) else [str(answer)]


def value_at(row: Row, column: str) -> Any:
    """Return the value of a column; `a.b` is the member b of the column a."""
    value: Any = row
    for name in column.split("."):
        value = value[name]
    return value


def columns_of(options: Mapping[str, Any]) -> list[str]:
    """Return the columns of a table that items are read from, by the options of their data set."""
    choices = options.get("choices", ())
    named = [*options["fields"].values(), options["answer"], *([choices] if isinstance(choices, str) else choices)]
    named += [options[name] for name in ("id", "held_out_by") if name in options]
    return list(dict.fromkeys(name.split(".")[0] for name in named))


def read_hub_items(spec: DatasetSpec, lang: str, split: str, sources: Sources) -> tuple[list[Row], Origin]:
    """Read a configuration per language of a data set of the hub, or of a mirror in the same layout."""
    if spec.kind == "mirror" and mirror_folder(spec.source, sources) is None:
        raise UserError(
            f"{spec.name}: no mirror is named, which has its folder {spec.source}",
            "it is read from a mirror only: give --data_dir, with a folder for each language",
        )
    columns = columns_of(spec.options)
    table, origin = read_hub_table(spec, sources, columns, spec.options["config"].format(lang=lang), split)
    return table.select(columns).to_pylist(), origin


def read_own_items(spec: DatasetSpec, lang: str, split: str, sources: Sources) -> tuple[list[Row], Origin]:
    """Read the rows of a split of the user's own file, as `own_rows` does."""
    table, options = local_table(spec), spec.options
    answers = table[options["answer"]]
    strata = [""] * len(answers) if answer_kind(spec) in WRITTEN else answers
    return own_rows(options, table, rows_in_split(spec, table, lang, split, strata), spec.source), origin_of(spec)


def own_rows(options: Mapping[str, Any], table: Table, places: Sequence[int], file: str) -> list[Row]:
    """Return rows of a user's own table; the answer of a choice, its text, letter or number, becomes its position.

    Raises UserError for a row without an answer, and where the options say strict, for one without a text.
    """
    rows = list[Row]()
    for place in places:
        where, row = f"{file}: {table.place(place)}", {name: table[name][place] for name in columns_of(options)}
        if _is_empty(row[options["answer"]]):
            raise UserError(f"{where} has no answer", "add it, or remove the row")
        if options["strict"] and _lacks(row, options):
            raise UserError(f"{where} lacks a text", "add it or remove the row; without --strict it is left out")
        if options["kind"] == "choice":
            answer = position_of(row[options["answer"]], _choices(row, options), options["first"], where)
            row = {**row, options["answer"]: answer}
        rows.append(row)
    return rows


def position_of(answer: Any, choices: Sequence[str], first: int, place: str) -> str:
    """Return the position of the right option, given as its text, its letter or its number; UserError for others."""
    text = str(answer).strip()
    if text in choices:
        return str(choices.index(text) + 1)
    letter = LETTERS.find(text.upper()) if len(text) == 1 else -1
    found = int(text) - first if text.isdigit() else letter
    if not 0 <= found < len(choices):
        what = f"{place} has the answer {answer!r}, which is none of its {len(choices)} options"
        raise UserError(what, "give the option itself, its letter or its number")
    return str(found + 1)


READERS: dict[str, Callable[[DatasetSpec, str, str, Sources], tuple[list[Row], Origin]]] = {
    "hub_items": read_hub_items,
    "own_items": read_own_items,
    "questions": read_questions,
    "parallel": read_parallel,
}
