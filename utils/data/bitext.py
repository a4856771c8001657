"""Readers of language pairs, one function per format, and the pairs that a run is about.

A reader takes (spec, src_lang, tgt_lang, sources) and returns the texts of both sides and their origin. Texts are
passed on unchanged; a prompt is put before a text only when it is encoded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from utils.data.hub_tables import read_hub_table
from utils.data.sources import PROJECT, Sources, read_file
from utils.data.tables import read_lines, read_table, tsv_rows
from utils.errors import UserError, suggest
from utils.schema import BitextSubset, DatasetSpec, Origin

Pair = tuple[list[str], list[str], Origin]


def bitext_pairs(spec: DatasetSpec, src_lang: str | None, langs: Sequence[str] | None) -> list[tuple[str, str]]:
    """Return the language pairs of a run in the order of the registry's row.

    src_lang: only pairs from this language; None for pairs from the pivot, or all pairs where there is no pivot.
    langs: only pairs with one of these languages on the other side; None for all of them.
    Raises UserError for a language without pairs.
    """
    if "languages" in spec.options:  # rows are parallel in all languages, so that any two of them are a pair
        languages = spec.options["languages"]
        source = src_lang or spec.pivot or languages[0]
        _known(spec, [source, *(langs or [])], languages)
        pairs = [(source, target) for target in languages if target != source]
    else:
        pairs = list(spec.options.get("pairs", ())) or [split_pair(name) for name in spec.subsets]
        if src_lang is not None:
            _check_source(spec, src_lang, pairs)
            pairs = [pair for pair in pairs if pair[0] == src_lang]
    if langs is None:
        return pairs
    shared = src_lang or spec.pivot
    sides = {lang for pair in pairs for lang in pair if lang != shared}
    _known(spec, langs, sorted(sides | ({shared} if "languages" in spec.options and shared else set())))
    chosen = [pair for pair in pairs if (set(pair) - {shared}) & set(langs)]
    if not chosen:
        raise UserError(
            f"--langs {' '.join(langs)} selects no pair of {spec.name}",
            f"choose from: {', '.join(sorted(sides))}",
        )
    return chosen


def split_pair(name: str) -> tuple[str, str]:
    """Return the source and the target language of a subset's name such as eng_ace."""
    source, target = name.split("_", 1)
    return source, target


def _check_source(spec: DatasetSpec, src_lang: str, pairs: Sequence[tuple[str, str]]) -> None:
    if src_lang in {tgt for _, tgt in pairs} - {src for src, _ in pairs}:
        raise UserError(
            f"{spec.name} has no pair from {src_lang!r}, only pairs into it",
            f"leave --src_lang out; --direction backward takes the texts in {src_lang} as queries",
        )
    _known(spec, [src_lang], sorted({src for src, _ in pairs}), "source language")


def _known(spec: DatasetSpec, langs: Sequence[str], known: Sequence[str], word: str = "language") -> None:
    for lang in langs:
        if lang not in known:
            raise UserError(f"{spec.name} has no {word} {lang!r}", suggest(lang, known))


def load_bitext(
    spec: DatasetSpec, src_lang: str, tgt_lang: str, sources: Sources, *, validation: bool = False
) -> BitextSubset:
    """Load one language pair; row i of the targets is the translation of row i of the sources.

    validation: load the validation split in place of the test split.
    Raises UserError where there is no such split, the sides differ in length, or a text is missing or blank.
    """
    if validation:
        if "validation" not in spec.options:
            raise UserError(
                f"{spec.name} has no validation split of pairs", "choose the weights yourself: --weights W W"
            )
        spec = dataclasses.replace(spec, options={**spec.options, **spec.options["validation"]})
    src_texts, tgt_texts, origin = READERS[spec.reader](spec, src_lang, tgt_lang, sources)
    name = f"{src_lang}_{tgt_lang}"
    if len(src_texts) != len(tgt_texts):
        raise UserError(
            f"{spec.name} {name}: {len(src_texts)} {src_lang} texts but {len(tgt_texts)} {tgt_lang} texts",
            "line i of one side must be the translation of line i of the other side",
        )
    if not src_texts:
        raise UserError(f"{spec.name} {name}: no rows", "the file or the split is empty; check its name")
    for lang, texts in ((src_lang, src_texts), (tgt_lang, tgt_texts)):
        for row, text in enumerate(texts, start=1):
            if not isinstance(text, str) or not text.strip():
                raise UserError(
                    f"{spec.name} {name}: row {row}, {lang}: {_shown(text)}", "remove the row, or add the text"
                )
    cs_languages = spec.options.get("cs_languages", ())
    setting = "cs" if spec.setting == "cs" or {src_lang, tgt_lang} & set(cs_languages) else "xl"
    return BitextSubset(
        name, src_lang, tgt_lang, tuple(src_texts), tuple(tgt_texts), tuple(range(len(src_texts))), setting, origin
    )


def _shown(text: object) -> str:
    return "the text is blank" if isinstance(text, str) else f"{text!r} ({type(text).__name__}) is not a text"


def read_hub_pairs(spec: DatasetSpec, src_lang: str, tgt_lang: str, sources: Sources) -> Pair:
    """Read one table for all pairs, with the columns sentence1, sentence2 and lang (`src-tgt`) (BUCC, Tatoeba)."""
    columns, only = ("sentence1", "sentence2", "lang"), ("lang", f"{src_lang}-{tgt_lang}")
    rows, origin = read_hub_table(spec, sources, columns, only=only)
    return rows["sentence1"].to_pylist(), rows["sentence2"].to_pylist(), origin


def read_hub_columns(spec: DatasetSpec, src_lang: str, tgt_lang: str, sources: Sources) -> Pair:
    """Read a configuration per language; the rows of two languages are aligned and have the same ids (NusaX)."""
    column = spec.options["column"]
    source, origin = read_hub_table(spec, sources, (column, "id"), src_lang)
    target, _ = read_hub_table(spec, sources, (column, "id"), tgt_lang)
    if source["id"].to_pylist() != target["id"].to_pylist():
        raise UserError(
            f"{spec.name}: the rows of {src_lang} and {tgt_lang} are not parallel: their ids differ",
            "the copy of the data set is not the version that its row in utils/data/bitext_sets.py describes",
        )
    return source[column].to_pylist(), target[column].to_pylist(), origin


def read_hub_configs(spec: DatasetSpec, src_lang: str, tgt_lang: str, sources: Sources) -> Pair:
    """Read a configuration per pair, with one column for each side (NusaTranslation)."""
    columns = spec.options["columns"]
    table, origin = read_hub_table(spec, sources, columns, spec.options["config"].format(src=src_lang, tgt=tgt_lang))
    return table[columns[0]].to_pylist(), table[columns[1]].to_pylist(), origin


def read_file_columns(spec: DatasetSpec, src_lang: str, tgt_lang: str, sources: Sources) -> Pair:
    """Read a quoted TSV per language, with a header and the text in its first column (NollySenti)."""
    sides = []
    for lang in (src_lang, tgt_lang):
        path, origin = read_file(spec, spec.options["path"].format(lang=lang), sources)
        sides.append([row[0] for row in tsv_rows(path, quoted=True)[1:]])
    return sides[0], sides[1], origin


def read_file_pairs(spec: DatasetSpec, src_lang: str, tgt_lang: str, sources: Sources) -> Pair:
    """Read files with two tab-separated columns, quoted as CSV or not at all (PHINC, LinCE MT)."""
    first, second = spec.options["columns"]
    rows: list[list[str]] = []
    for name in spec.options["paths"]:
        path, origin = read_file(spec, name, sources)
        lines = tsv_rows(path, quoted=spec.options["quoting"])
        rows += lines[1:] if spec.options["header"] else lines
    return [row[first] for row in rows], [row[second] for row in rows], origin


def read_parallel_file(spec: DatasetSpec, src_lang: str, tgt_lang: str, sources: Sources) -> Pair:
    """Read one table with a column per language: the sample, or a user's own tsv, csv, jsonl or parquet file."""
    path = PROJECT / spec.source if spec.kind == "shipped" else Path(spec.options["path"])
    columns = spec.options.get("columns", {})
    table = read_table(path)
    sides = [table[columns.get(lang, lang)] for lang in (src_lang, tgt_lang)]
    return sides[0], sides[1], Origin(spec.kind, spec.name, spec.revision)


def read_aligned_files(spec: DatasetSpec, src_lang: str, tgt_lang: str, sources: Sources) -> Pair:
    """Read two files with one text per line, aligned line by line."""
    sides = [read_lines(Path(spec.options["paths"][lang])) for lang in (src_lang, tgt_lang)]
    return sides[0], sides[1], Origin(spec.kind, spec.name, spec.revision)


READERS: dict[str, Callable[[DatasetSpec, str, str, Sources], Pair]] = {
    "hub_pairs": read_hub_pairs,
    "hub_columns": read_hub_columns,
    "hub_configs": read_hub_configs,
    "file_columns": read_file_columns,
    "file_pairs": read_file_pairs,
    "parallel_file": read_parallel_file,
    "aligned_files": read_aligned_files,
}
