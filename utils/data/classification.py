"""Labelled texts, one function per format; labels are put right here, texts are passed on as they are.

A reader takes (spec, lang, split, sources) and returns texts, raw labels, ids (none where the set has none) and their
origin.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from utils.data.hub_tables import read_hub_table
from utils.data.languages import family_and_script
from utils.data.sources import PROJECT, Sources, read_file
from utils.data.tables import read_table, tsv_rows
from utils.errors import UserError, suggest
from utils.schema import DatasetSpec, LabeledTexts, Origin

Labeled = tuple[list[str], list[Any], list[Any], Origin]
SPLITS = ("train", "validation", "test")
SPLIT_NAMES = {"train": "train", "training": "train", "validation": "validation", "valid": "validation"} | {
    "dev": "validation",
    "test": "test",
}
TEST_SHARE = 0.2  # of own data without a split column


def chosen_langs(spec: DatasetSpec, langs: Sequence[str] | None) -> list[str]:
    """Return the languages of a run, in the registry's order; UserError for one that the set has not."""
    for lang in langs or ():
        if lang not in spec.subsets:
            raise UserError(f"{spec.name} has no language {lang!r}", suggest(lang, spec.subsets))
    return [lang for lang in spec.subsets if langs is None or lang in langs]


def langs_to_test(
    spec: DatasetSpec, langs: Sequence[str] | None, src_lang: str | None, *, cross: bool
) -> tuple[str | None, list[str]]:
    """Return the training language of `cross` (default: the set's pivot; else None) and the languages to test.

    Raises UserError for a language that the set has not, or where none is left beside the training language.
    """
    if not cross:
        return None, chosen_langs(spec, langs)
    source = src_lang or spec.pivot
    if source is None:
        raise UserError(f"--cross, but {spec.name} has no pivot language", "name the training language: --src_lang")
    chosen_langs(spec, [source])
    left = [lang for lang in chosen_langs(spec, langs) if lang != source]
    if not left:
        raise UserError(f"--cross leaves no language of {spec.name} to test", "its training language is not tested")
    return source, left


def label_set(train: LabeledTexts, test: LabeledTexts) -> tuple[str, ...]:
    """Return the fixed label set, or the labels of both sides where the data set has none."""
    return test.label_names or tuple(sorted({*train.labels, *test.labels}))


def describe(
    spec: DatasetSpec, source: str, train: LabeledTexts, lang: str, test: LabeledTexts, *, cross: bool
) -> dict[str, Any]:
    """Return what a record says of the texts of its training and its test language."""
    family, script = family_and_script(lang)
    code_switched = spec.setting == "cs" or lang in spec.options.get("cs_languages", ())
    setting = "cs" if code_switched else "mono"
    return {
        "origin": vars(test.origin),
        "lang": lang,
        "train_lang": source,
        "family": family,
        "script": script,
        "setting": {"mono": "xl", "cs": "xl_cs"}[setting] if cross else setting,
        "n_train": len(train.texts),
        "n_dropped": {"train": train.n_dropped, "test": test.n_dropped},
    }


def load_labeled(spec: DatasetSpec, lang: str, split: str, sources: Sources, *, legacy: bool = False) -> LabeledTexts:
    """Load one language's split; rows without a text are left out and counted.

    `legacy` keeps the original's label sets. Raises UserError for a label outside the set, or no rows at all.
    """
    texts, raw, ids, origin = READERS[spec.reader](spec, lang, split, sources)
    quirks = spec.options.get("legacy", {}) if legacy else {}
    names = (*spec.label_names, *quirks.get("extra_labels", ())) if spec.label_names else ()
    place = f"{spec.name} {lang}, {split}"
    if split in spec.options.get("aligned_splits", ()):
        ids = list(range(len(texts)))
    rows = zip(texts, raw, ids or [""] * len(texts), strict=True)
    kept = [row for row in rows if isinstance(row[0], str) and row[0].strip()]
    if not kept:
        raise UserError(f"{place}: no rows", "the file or the split is empty")
    dropped = len(texts) - len(kept)
    if dropped:
        print(f"note: {place}: {dropped} rows without a text left out", file=sys.stderr)
    if quirks.get("spaced"):
        kept = [(" ".join(text), *others) for text, *others in kept]
    known: dict[tuple[type, str], str] = {}  # a set has few labels
    labels = []
    for row, (_, label, _) in enumerate(kept, start=1):
        key = type(label), str(label)
        if key not in known:
            known[key] = _label(label, row, place, spec, names)
        labels.append(known[key])
    kept_ids = tuple(str(name) for *_, name in kept) if ids else ()
    return LabeledTexts(tuple(text for text, *_ in kept), tuple(labels), names, origin, dropped, kept_ids)


def _label(raw: Any, row: int, place: str, spec: DatasetSpec, names: Sequence[str]) -> str:
    if isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw < len(spec.label_names):
        return spec.label_names[raw]  # a ClassLabel's index
    text = str(raw).strip() if raw is not None else ""
    if text not in names:
        text = spec.options.get("label_map", {}).get(text, text)
    if spec.options.get("underscores_as_blanks"):
        text = text.replace("_", " ")
    if not text or (names and text not in names):
        expected = ", ".join(map(repr, names[:12])) + (", ..." if len(names) > 12 else "") if names else "a text"
        raise UserError(
            f"{place}: row {row} has the label {raw!r}, expected {expected}", "correct the row, or map the label"
        )
    return text


def read_hub_labels(spec: DatasetSpec, lang: str, split: str, sources: Sources) -> Labeled:
    """Read a configuration per language, or one table with a language column; lists of words are joined by blanks."""
    text, label = spec.options["text"], spec.options["label"]
    config = spec.options["config"].format(lang=lang) if "config" in spec.options else None
    only = (spec.options["lang"], lang) if "lang" in spec.options else None
    columns = [text, label, *(only or ())[:1]]
    split = spec.options.get("splits", {}).get(split, split)
    table, origin = read_hub_table(spec, sources, columns, config, split, only)
    texts = [" ".join(words) if isinstance(words, list) else words for words in table[text].to_pylist()]
    ids = table[spec.options["id"]].to_pylist() if spec.options.get("id") in table.column_names else []
    return texts, table[label].to_pylist(), ids, origin


def read_file_labels(spec: DatasetSpec, lang: str, split: str, sources: Sources) -> Labeled:
    """Read a quoted TSV per language and split: text and label are its last two columns (NollySenti, FIRE)."""
    name = spec.options["path"].format(lang=lang, split=spec.options["splits"].get(split, split))
    path, origin = read_file(spec, name, sources)
    rows = tsv_rows(path, quoted=True)[1:]
    return [row[-2] for row in rows], [row[-1] for row in rows], [], origin


def read_labeled_table(spec: DatasetSpec, lang: str, split: str, sources: Sources) -> Labeled:
    """Read one table with a label column: the shipped sample (a column per language) or a user's own file."""
    path = PROJECT / spec.source if spec.kind == "shipped" else Path(spec.options["path"])
    table = read_table(path)
    count = len(next(iter(table.values())))
    texts, labels = table[spec.options.get("text", lang)], table[spec.options["label"]]
    langs = table[spec.options["lang"]] if "lang" in spec.options else [lang] * count
    rows = [row for row in range(count) if langs[row] == lang]
    if "split" in spec.options:
        found = [_split_name(table[spec.options["split"]][row], path.name, row + 1) for row in rows]
    else:
        found = _stratified(tuple(str(labels[row]) for row in rows), spec.options["seed"], f"{path.name}, {lang}")
    chosen = [row for row, name in zip(rows, found, strict=True) if name == split]
    if not chosen:
        raise UserError(f"{path.name} has no {split!r} rows for {lang!r}", f"it has: {', '.join(sorted(set(found)))}")
    ids = [table[spec.options["id"]][row] for row in chosen] if "id" in spec.options else []
    origin = Origin(spec.kind, spec.name, spec.revision)
    return [texts[row] for row in chosen], [labels[row] for row in chosen], ids, origin


def _split_name(value: str, file: str, row: int) -> str:
    name = SPLIT_NAMES.get(str(value).strip().lower())
    if name is None:
        raise UserError(f"{file}: row {row} has the split {value!r}", "expected train, validation (dev, valid) or test")
    return name


@lru_cache(maxsize=64)
def _stratified(labels: tuple[str, ...], seed: int, place: str) -> list[str]:
    """Give a fifth of each label's rows to the test, drawn by the seed."""
    import numpy as np
    from sklearn.model_selection import train_test_split

    try:
        _, test = train_test_split(np.arange(len(labels)), test_size=TEST_SHARE, random_state=seed, stratify=labels)
    except ValueError as error:
        raise UserError(
            f"{place}: no stratified split can be drawn: {error}", "add a split column and name it"
        ) from error
    chosen = set(test.tolist())
    print(f"note: {place}: no split column: a stratified fifth is the test (seed {seed})", file=sys.stderr)
    return ["test" if row in chosen else "train" for row in range(len(labels))]


READERS: dict[str, Callable[[DatasetSpec, str, str, Sources], Labeled]] = {
    "hub_labels": read_hub_labels,
    "file_labels": read_file_labels,
    "labeled_table": read_labeled_table,
}
