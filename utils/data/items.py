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

from utils.constants import USUAL_MEASURES, WRITTEN
from utils.data.answer_items import read_parallel, read_questions
from utils.data.classification import map_labels
from utils.data.hub_tables import read_hub_table
from utils.data.item_cells import Row, choices_of, columns_of, lacks_a_text, references_of, value_at
from utils.data.own_rows import read_own_items
from utils.data.sources import Sources, mirror_folder
from utils.data.subsets import Item, LabeledTexts, Origin
from utils.errors import UserError, counted, note
from utils.schema import DatasetSpec

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
    kept = [row for row in rows if not lacks_a_text(row, options)]
    if not kept:
        raise UserError(f"{place}: no rows with a text and an answer", "check the file, and the name of the split")
    if dropped := len(rows) - len(kept):
        note(f"{place}: {counted(dropped, 'row')} without a text or an answer left out")
    answers = [value_at(row, options["answer"]) for row in kept]
    references = [tuple(references_of(answer)) if answer_kind(spec) in WRITTEN else () for answer in answers]
    of_rows = [each[0] for each in references] if any(references) else list(map_labels(spec, answers, place))
    fields = [{name: str(value_at(row, column)) for name, column in options["fields"].items()} for row in kept]
    choices = [choices_of(row, options) for row in kept]
    items = tuple(map(Item, fields, of_rows, choices, references))
    encoded = options.get("encoded", tuple(options["fields"]))
    texts = tuple(JOIN.join(item.fields[name] for name in encoded) for item in items)
    ids = tuple(str(value_at(row, options["id"])) for row in kept) if "id" in options else ()
    return LabeledTexts(texts, tuple(of_rows), spec.label_names, origin, dropped, ids, items)


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


READERS: dict[str, Callable[[DatasetSpec, str, str, Sources], tuple[list[Row], Origin]]] = {
    "hub_items": read_hub_items,
    "own_items": read_own_items,
    "questions": read_questions,
    "parallel": read_parallel,
}
