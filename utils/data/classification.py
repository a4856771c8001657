"""Readers of labelled texts, one function per format, and the languages that a run is about.

A reader takes (spec, lang, split, sources) and returns texts, labels as they are stored, ids and the origin; ids are an
empty list where the data set has none. Texts are passed on unchanged; `load_labeled` maps the labels to the label set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from utils.data.hub_tables import read_hub_table
from utils.data.labeled_tables import read_rows, splits_of
from utils.data.languages import suggest_language
from utils.data.mteb_rows import KIND, mteb_subsets
from utils.data.mteb_texts import mteb_labeled
from utils.data.original import as_published
from utils.data.sources import Sources, read_file
from utils.data.subsets import LabeledTexts, Origin
from utils.data.tables import is_blank, tsv_rows
from utils.errors import UserError, counted, note
from utils.schema import DatasetSpec

Labeled = tuple[list[str], list[Any], list[Any], Origin]


def chosen_langs(spec: DatasetSpec, langs: Sequence[str] | None) -> list[str]:
    """Return the languages of a run in the order of the registry's row; None stands for all of them.

    Raises UserError for a language that the data set does not have.
    """
    if spec.kind == KIND:
        return mteb_subsets(spec, langs)
    known = (*spec.subsets, *spec.options.get("beside", ()))
    for lang in langs or ():
        if lang not in known:
            raise UserError(f"{spec.name} has no language {lang!r}", suggest_language(lang, known))
    return [lang for lang in (spec.subsets if langs is None else known) if langs is None or lang in langs]


def langs_to_test(
    spec: DatasetSpec, langs: Sequence[str] | None, src_lang: str | None, *, cross: bool
) -> tuple[str | None, list[str]]:
    """Return the training language of a cross-lingual run (None for other runs), and the languages to test.

    The training language is `src_lang`, or the data set's pivot; it is not tested. Raises UserError for a language that
    the data set does not have, or where no language is left to test.
    """
    if not cross:
        return None, chosen_langs(spec, langs)
    if spec.kind == KIND:
        raise UserError(f"--cross with {spec.name}", "mteb tests a subset on its own training texts: leave --cross out")
    source = src_lang or spec.pivot
    if source is None:
        raise UserError(
            f"--cross needs a training language, and {spec.name} has no default one", "name it with --src_lang"
        )
    chosen_langs(spec, [source])
    tested = [lang for lang in chosen_langs(spec, langs) if lang != source]
    if not tested:
        raise UserError(
            f"--cross leaves no language of {spec.name} to test",
            f"the training language {source} is not tested: name others with --langs, or another one with --src_lang",
        )
    return source, tested


def load_labeled(spec: DatasetSpec, lang: str, split: str, sources: Sources, *, legacy: bool = False) -> LabeledTexts:
    """Load one split of one language; rows without a text are left out and counted.

    legacy: keep the texts and the label set as the published code of MINERS has them.
    Raises UserError where there are no rows, or a label is not in the label set.
    """
    if spec.kind == KIND:
        return mteb_labeled(spec, lang, split)
    texts, raw, ids, origin = READERS[spec.reader](spec, lang, split, sources)
    if legacy:
        spec, texts = as_published(spec, texts)
    place = f"{spec.name} {lang}, {split}"
    if split in spec.options.get("aligned_splits", ()):
        ids = list(range(len(texts)))
    rows = zip(texts, raw, ids or [""] * len(texts), strict=True)
    kept = [row for row in rows if isinstance(row[0], str) and row[0].strip()]
    if not kept:
        raise UserError(f"{place}: no rows with a text", "check the file, and the name of the split")
    dropped = len(texts) - len(kept)
    if dropped:
        note(f"{place}: {counted(dropped, 'row')} without a text left out")
    labels = map_labels(spec, [label for _, label, _ in kept], place)
    kept_ids = tuple(str(name) for *_, name in kept) if ids else ()
    return LabeledTexts(tuple(text for text, *_ in kept), labels, spec.label_names, origin, dropped, kept_ids)


def has_validation(spec: DatasetSpec, lang: str) -> bool:
    """Return whether a language has a validation split, beside the one that is the test of the data set."""
    if spec.reader == "labeled_table":
        return "validation" in splits_of(spec, lang)
    names = spec.options.get("splits", {})
    return spec.kind != KIND and names.get("validation", "validation") != names.get("test", "test")


def map_labels(spec: DatasetSpec, raw: Sequence[Any], place: str) -> tuple[str, ...]:
    """Return the names of labels (n,); raises UserError with the row of the first that is not in the label set."""
    known: dict[tuple[type, str], str] = {}  # a split has few distinct labels
    labels = []
    for row, label in enumerate(raw, start=1):
        key = type(label), str(label)
        if key not in known:
            known[key] = _map_label(spec, label, f"{place}: row {row}")
        labels.append(known[key])
    return tuple(labels)


def _map_label(spec: DatasetSpec, raw: Any, place: str) -> str:
    names = spec.label_names
    if isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw < len(names):
        return names[raw]  # the index of a ClassLabel
    text = "" if is_blank(raw) else str(raw).strip()
    if text not in names:
        text = spec.options.get("label_map", {}).get(text, text)
    if spec.options.get("underscores_as_blanks"):
        text = text.replace("_", " ")
    if not text or (names and text not in names):
        expected = ", ".join(map(repr, names[:12])) + (", ..." if len(names) > 12 else "") if names else "a text"
        raise UserError(
            f"{place} has the label {raw!r}, expected {expected}",
            "correct the row" if spec.kind == "local" else "the copy of the data set is not the expected version",
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
    """Read a quoted TSV per language and split, whose last two columns are text and label (NollySenti, FIRE)."""
    name = spec.options["path"].format(lang=lang, split=spec.options["splits"].get(split, split))
    path, origin = read_file(spec, name, sources)
    rows = tsv_rows(path, quoted=True)[1:]
    return [row[-2] for row in rows], [row[-1] for row in rows], [], origin


def read_labeled_table(spec: DatasetSpec, lang: str, split: str, sources: Sources) -> Labeled:
    """Read one table with a label column: the sample (a column per language) or a user's own file."""
    return read_rows(spec, lang, split)


READERS: dict[str, Callable[[DatasetSpec, str, str, Sources], Labeled]] = {
    "hub_labels": read_hub_labels,
    "file_labels": read_file_labels,
    "labeled_table": read_labeled_table,
}
