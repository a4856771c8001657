"""Readers of language pairs, one function per format, and the pairs that a run is about.

A reader takes (spec, src_lang, tgt_lang, sources) and returns the texts of both sides and their origin. Texts are
passed on unchanged; a prompt is put before a text only when it is encoded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from utils.data.hub_tables import read_hub_table
from utils.data.labeled_tables import local_table, origin_of
from utils.data.languages import suggest_language
from utils.data.mteb_rows import KIND, mteb_subsets
from utils.data.mteb_texts import mteb_pairs
from utils.data.sources import Sources, read_file
from utils.data.subsets import BitextSubset, Origin
from utils.data.tables import is_blank, tsv_rows
from utils.data.text_files import read_lines
from utils.errors import UserError, note
from utils.schema import DatasetSpec

Pair = tuple[list[str], list[str], Origin]


def bitext_subsets(spec: DatasetSpec, src_lang: str | None, langs: Sequence[str] | None) -> dict[str, tuple[str, str]]:
    """Return the languages of each subset of a run, by its name: src_tgt, or of a task of mteb the name there.

    src_lang, langs and errors are as `bitext_pairs` has them; of mteb's tasks, langs are names of subsets.
    """
    if spec.kind != KIND:
        return {"_".join(pair): pair for pair in bitext_pairs(spec, src_lang, langs)}
    if src_lang is not None:
        raise UserError(f"--src_lang with {spec.name}", "choose mteb's subsets by their names: --langs NAME [NAME ...]")
    codes = spec.options["codes"]
    return {name: (codes[name][0], codes[name][-1]) for name in mteb_subsets(spec, langs)}


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
            raise UserError(f"{spec.name} has no {word} {lang!r}", suggest_language(lang, known))


def load_bitext(
    spec: DatasetSpec, src_lang: str, tgt_lang: str, sources: Sources, *, name: str = "", validation: bool = False
) -> BitextSubset:
    """Load one language pair; row i of the targets is the translation of row i of the sources.

    name: of the subset, where it is not that of the pair. validation: load the validation split, not the test split.
    Rows of a user's own data in which a side is blank are left out and counted. Raises UserError where there is no such
    split, the sides differ in length, or a text is missing.
    """
    if validation:
        if "validation" not in spec.options:
            raise UserError(
                f"{spec.name} has no validation split of pairs", "choose the weights yourself: --weights W W"
            )
        spec = dataclasses.replace(spec, options={**spec.options, **spec.options["validation"]})
    if spec.kind == KIND:
        return mteb_pairs(spec, name)
    sources_of, targets, origin = READERS[spec.reader](spec, src_lang, tgt_lang, sources)
    name = f"{src_lang}_{tgt_lang}"
    n_rows = len(sources_of)
    if n_rows != len(targets):
        raise UserError(
            f"{spec.name} {name}: {n_rows} {src_lang} texts but {len(targets)} {tgt_lang} texts",
            "line i of one side must be the translation of line i of the other side",
        )
    sides = _checked_texts(spec, {src_lang: sources_of, tgt_lang: targets})
    if not sides[0]:
        why = f"none of {n_rows} rows has both texts" if n_rows else "no rows"
        raise UserError(f"{spec.name} {name}: {why}", "the file or the split is empty; check its name")
    dropped = n_rows - len(sides[0])
    if dropped:
        note(f"{spec.name} {name}: {dropped} of {n_rows} rows left out, as a side is blank")
    code_switched = spec.code_switched or {src_lang, tgt_lang} & set(spec.options.get("cs_languages", ()))
    setting, gold = "cs" if code_switched else "xl", tuple(range(len(sides[0])))
    return BitextSubset(name, src_lang, tgt_lang, tuple(sides[0]), tuple(sides[1]), gold, setting, origin, dropped)


def _checked_texts(spec: DatasetSpec, sides: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str]]:
    """Return the texts of both sides, of a user's own data without the rows in which a side is blank.

    Raises UserError for a value that is no text, and for a blank one in registered data, or where the data set's row
    says strict.
    """
    skips = spec.kind == "local" and not spec.options["strict"]
    kept: tuple[list[str], list[str]] = ([], [])
    for row, texts in enumerate(zip(*sides.values(), strict=True)):
        blank = [is_blank(text) for text in texts]
        for lang, text, lacking in zip(sides, texts, blank, strict=True):
            if not skips if lacking else not isinstance(text, str):
                _refuse(spec, row, lang, text)
        if not any(blank):
            for side, text in zip(kept, texts, strict=True):
                side.append(text)
    return kept


def _refuse(spec: DatasetSpec, row: int, lang: str, text: object) -> NoReturn:
    """Raise the UserError for a value that is no text, or a blank one, with its place in the file."""
    place = f"row {row + 1}"
    if spec.kind == "local":
        place = f"line {row + 1}" if spec.reader == "aligned_files" else local_table(spec).place(row)
    what = "the text is blank" if is_blank(text) else f"{text!r} ({type(text).__name__}) is not a text"
    strict = "; without --strict it is left out" if is_blank(text) and spec.kind == "local" else ""
    raise UserError(f"{spec.source}: {place}, {lang}: {what}", f"remove the row, or add the text{strict}")


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


def read_hub_rows(spec: DatasetSpec, src_lang: str, tgt_lang: str, sources: Sources) -> Pair:
    """Read one table with a row for each text, its language and its number, by which translations are found (SIB-200).

    The rows are in the order of the source's; those that one side alone has are left out.
    """
    column, of_lang, number = (spec.options[name] for name in ("column", "lang", "id"))
    sides = []
    for lang in (src_lang, tgt_lang):
        table, origin = read_hub_table(spec, sources, (column, of_lang, number), only=(of_lang, lang))
        sides.append(dict(zip(table[number].to_pylist(), table[column].to_pylist(), strict=True)))
    shared = [one for one in sides[0] if one in sides[1]]
    return [sides[0][one] for one in shared], [sides[1][one] for one in shared], origin


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
    columns, table = spec.options.get("columns", {}), local_table(spec)
    sides = [table[columns.get(lang, lang)] for lang in (src_lang, tgt_lang)]
    return sides[0], sides[1], origin_of(spec)


def read_aligned_files(spec: DatasetSpec, src_lang: str, tgt_lang: str, sources: Sources) -> Pair:
    """Read two files with one text per line, aligned line by line."""
    sides = [read_lines(Path(spec.options["paths"][lang])) for lang in (src_lang, tgt_lang)]
    return sides[0], sides[1], origin_of(spec)


READERS: dict[str, Callable[[DatasetSpec, str, str, Sources], Pair]] = {
    "hub_pairs": read_hub_pairs,
    "hub_columns": read_hub_columns,
    "hub_rows": read_hub_rows,
    "hub_configs": read_hub_configs,
    "file_columns": read_file_columns,
    "file_pairs": read_file_pairs,
    "parallel_file": read_parallel_file,
    "aligned_files": read_aligned_files,
}
