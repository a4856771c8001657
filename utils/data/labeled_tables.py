"""Labelled texts in one table: the sample, or a user's own file, with its splits or one that is drawn."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from utils.data.sources import PROJECT
from utils.data.subsets import Origin
from utils.data.tables import Table, is_blank, read_table
from utils.errors import UserError, note
from utils.schema import DatasetSpec

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "devel", "development"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}  # as a split column may have them, in any case; eval is test, as in the `datasets` library
TEST_SHARE = 0.2  # of a file without a split column


def local_table(spec: DatasetSpec) -> Table:
    """Return the table of a shipped data set, or of a user's own file."""
    if spec.kind == "shipped":
        return read_table(PROJECT / spec.source)
    return read_table(Path(spec.options["path"]), header=spec.options.get("header", True))


def languages_in(table: Table, column: str, file: str) -> tuple[str, ...]:
    """Return the languages of a table in their order; raises UserError for a row without one."""
    for row, lang in enumerate(table[column]):
        if is_blank(lang):
            raise UserError(f"{file}: {table.place(row)} has no language in the column {column!r}", "add it")
    return tuple(dict.fromkeys(_name(lang) for lang in table[column]))


def read_rows(spec: DatasetSpec, lang: str, split: str) -> tuple[list[Any], list[Any], list[Any], Origin]:
    """Return the texts, labels and ids of one language and split, and their origin; ids may be an empty list.

    Raises UserError where there are none, and in a user's own file for a row without a label, a text that is no text,
    and, where the row of the data set says strict, a blank text.
    """
    table, options = local_table(spec), spec.options
    texts, labels = table[options.get("text", lang)], table[options["label"]]
    chosen = rows_in_split(spec, table, lang, split, labels)
    if spec.kind == "local":
        _check_rows(spec, table, texts, labels, chosen)
    ids = [table[options["id"]][row] for row in chosen] if "id" in options else []
    return [texts[row] for row in chosen], [labels[row] for row in chosen], ids, origin_of(spec)


def rows_in_split(spec: DatasetSpec, table: Table, lang: str, split: str, labels: Sequence[Any]) -> list[int]:
    """Return the rows of one language and split; a split that no column names is drawn by the labels (n,).

    Raises UserError where there are none.
    """
    options = spec.options
    langs = table[options["lang"]] if "lang" in options else [lang] * len(labels)
    rows = [row for row in range(len(labels)) if _name(langs[row]) == lang]
    if "split" in options:
        splits = table[options["split"]]
        found = [_split_name(splits[row], f"{spec.source}: {table.place(row)}") for row in rows]
    else:
        found = _draw_splits(tuple(_name(labels[row]) for row in rows), options["seed"], f"{spec.source}, {lang}")
    chosen = [row for row, name in zip(rows, found, strict=True) if name == split]
    if not chosen:
        raise UserError(
            f"{spec.source} has no rows of the split {split!r} for the language {lang!r}",
            f"it has: {', '.join(sorted(set(found)))}",
        )
    return chosen


def splits_of(spec: DatasetSpec, lang: str) -> set[str]:
    """Return the splits that a language's rows name; training and test where they name none."""
    table, options = local_table(spec), spec.options
    if "split" not in options:
        return {"train", "test"}
    splits = table[options["split"]]
    langs = table[options["lang"]] if "lang" in options else [lang] * len(splits)
    return {_split_name(split, spec.source) for split, row in zip(splits, langs, strict=True) if _name(row) == lang}


def origin_of(spec: DatasetSpec) -> Origin:
    """Return the origin of a data set that is a file of this project or the user's own."""
    return Origin(spec.kind, spec.name, spec.revision)


def _name(value: object) -> str:
    """Return a language or a label as text; numbers are names too."""
    return str(value).strip()


def _check_rows(spec: DatasetSpec, table: Table, texts: Sequence[Any], labels: Sequence[Any], rows: list[int]) -> None:
    for row in rows:
        place = f"{spec.source}: {table.place(row)}"
        if is_blank(texts[row]):
            if spec.options.get("strict"):
                raise UserError(f"{place} has no text", "add it or remove the row; without --strict it is left out")
        elif not isinstance(texts[row], str):
            raise UserError(f"{place}: {texts[row]!r} ({type(texts[row]).__name__}) is not a text", "correct the row")
        elif is_blank(labels[row]):
            raise UserError(f"{place} has no label", "add it, or remove the row")


def _split_name(value: object, place: str) -> str:
    name = SPLIT_NAMES.get(str(value).strip().lower())
    if name is None:
        raise UserError(f"{place} has the split {value!r}", f"use one of: {', '.join(SPLIT_NAMES)}")
    return name


@lru_cache(maxsize=64)
def _draw_splits(labels: tuple[str, ...], seed: int, place: str) -> list[str]:
    """Return the split of each row (n,): a fifth of the rows, stratified by label and drawn by the seed, is the test.

    A label with one row is for training. There are at least as many test rows as other labels, even where that is more
    than a fifth. Raises UserError where no label has two rows.
    """
    counts = Counter(labels)
    n_rows = sum(count for count in counts.values() if count > 1)
    if not n_rows:
        raise UserError(
            f"{place}: there is no split column, and no label has two rows, of which one could be the test",
            "add a column called split, with train, validation or test in each row",
        )
    chosen = stratified(labels, TEST_SHARE, seed)
    by = "" if len(counts) == 1 else ", stratified by label,"
    _note_split(place, seed, len(chosen), n_rows, by, [label for label, count in counts.items() if count == 1])
    return ["test" if row in chosen else "train" for row in range(len(labels))]


def stratified(labels: Sequence[str], share: float, seed: int) -> set[int]:
    """Return the rows of a part that is drawn by the seed, with each label in proportion; empty where there is none.

    A label with one row is not in it. There are at least as many rows as other labels, even where that is more than
    the share.
    """
    import numpy as np
    from sklearn.model_selection import train_test_split

    counts = Counter(labels)
    rows = [row for row, label in enumerate(labels) if counts[label] > 1]
    if not rows:
        return set()
    strata = [labels[row] for row in rows]
    size = max(math.ceil(share * len(rows)), len(set(strata)))
    _, part = train_test_split(np.array(rows), test_size=size, random_state=seed, stratify=strata)
    return set(part.tolist())


def _note_split(place: str, seed: int, n_test: int, n: int, by: str, single: Sequence[str]) -> None:
    share = "a fifth of the rows" if n_test == math.ceil(TEST_SHARE * n) else f"a part of {n_test} of {n} rows"
    text = f"no split column: {share}{by} is the test split (seed {seed})"
    if single:
        shown = ", ".join(map(repr, single[:5])) + (", ..." if len(single) > 5 else "")
        text += f"; labels with one row are in training only: {shown}"
    note(f"{place}: {text}")
