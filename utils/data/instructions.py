"""Instructions that a model answers freely, in one language each: the readers, and a user's own file."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.data.labeled_tables import languages_in, origin_of
from utils.data.own_data import check_columns, named_row, own_path, own_row
from utils.data.sources import PROJECT, Sources, mirror_folder
from utils.data.subsets import Origin
from utils.data.tables import Table, is_blank, read_table
from utils.errors import UserError, suggest
from utils.files import sha256_of
from utils.schema import DatasetSpec

ROLES = ("id", "lang", "instruction", "reference")
Found = tuple[Table, Sequence[int], Mapping[str, str], Path, Origin]  # a table, its rows of a language, its columns


@dataclass(frozen=True)
class Instructions:
    """Instructions in one language (n,), with their identifiers, by which they are aligned with other languages.

    references: answers that people, or another model, gave (n,); empty where there are none.
    """

    lang: str
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    references: tuple[str, ...]
    origin: Origin

    def at(self, places: Sequence[int]) -> Instructions:
        """Return the instructions at some places."""
        references = tuple(self.references[place] for place in places) if self.references else ()
        ids, texts = (tuple(side[place] for place in places) for side in (self.ids, self.texts))
        return dataclasses.replace(self, ids=ids, texts=texts, references=references)

    def sampled(self, n: int | None, seed: int) -> Instructions:
        """Return n of the instructions, drawn by a seed, in their order; None for all, and all where there are fewer.

        What is drawn depends on the identifiers alone, so that other languages have the same ones.
        """
        if n is None or n >= len(self.ids):
            return self
        lots = [hashlib.sha256(f"{seed} {name}".encode()).digest() for name in self.ids]
        return self.at(sorted(sorted(range(len(lots)), key=lots.__getitem__)[:n]))


def load_instructions(spec: DatasetSpec, lang: str, sources: Sources) -> Instructions:
    """Return the instructions of one language.

    Raises UserError for a blank instruction, an identifier that occurs twice, and a language without rows.
    """
    table, rows, columns, path, origin = READERS[spec.reader](spec, lang, sources)
    if not rows:
        raise UserError(f"{path} has no instruction in {lang}", "give it rows, or choose other --langs")
    texts, ids = [], []
    for row in rows:
        text = table[columns["instruction"]][row]
        if is_blank(text) or not isinstance(text, str):
            what = "empty" if is_blank(text) else "no text"
            raise UserError(f"{path}: {table.place(row)}: the instruction is {what}", "correct it, or remove the row")
        texts.append(text)
        ids.append(str(table[columns["id"]][row]).strip() if "id" in columns else f"{row + 1:05d}")
    if twice := next((name for name, count in Counter(ids).items() if count > 1), None):
        raise UserError(f"{path}: the id {twice!r} occurs twice in {lang}", "give each instruction an id of its own")
    return Instructions(lang, tuple(ids), tuple(texts), _references(table, columns, rows, path), origin)


def _references(table: Table, columns: Mapping[str, str], rows: Sequence[int], path: Path) -> tuple[str, ...]:
    """Return the reference answers of the rows (n,), "" for one without; empty where there is no column of them."""
    found = []
    for row in rows if "reference" in columns else ():
        cell = table[columns["reference"]][row]
        if not is_blank(cell) and not isinstance(cell, str):
            raise UserError(f"{path}: {table.place(row)}: the reference is no text", "correct it, or remove it")
        found.append("" if is_blank(cell) else cell)
    return tuple(found)


def _of_columns(spec: DatasetSpec, lang: str, sources: Sources) -> Found:
    """Read a table with a column of instructions for each language."""
    path = PROJECT / spec.source
    table = read_table(path)
    return table, range(len(table["id"])), {"id": "id", "instruction": lang}, path, origin_of(spec)


def _of_files(spec: DatasetSpec, lang: str, sources: Sources) -> Found:
    """Read the file of a language in a mirror."""
    usual = (spec.source, spec.options["path"])
    for source, place in (usual, spec.options.get("others", usual)):
        folder = mirror_folder(source, sources)
        path = folder / place.format(lang=lang) if folder else None
        if path is not None and path.is_file():
            table = read_table(path)
            columns = {role: name for role, name in spec.options["columns"].items() if name in table}
            check_columns(path, [spec.options["columns"]["instruction"]], table)
            rows = range(len(table[columns["instruction"]]))
            return table, rows, columns, path, Origin("mirror", source, None)
    where = f"in the mirror {sources.data_dir}" if sources.data_dir else "where no mirror is named"
    places = " or ".join(f"{source}/{place.format(lang=lang)}" for source, place in dict.fromkeys((
        usual, spec.options.get("others", usual)
    )))  # fmt: skip
    raise UserError(
        f"{spec.name} has no {lang} {where}: {places}",
        "give --data_dir a mirror that has it, choose other --langs, or --dataset FILE for instructions of your own",
    )


def _of_own(spec: DatasetSpec, lang: str, sources: Sources) -> Found:
    """Read the rows of a language of a user's own table."""
    path, columns = Path(spec.options["path"]), spec.options["columns"]
    table = read_table(path, header=spec.options["header"])
    count = len(table[columns["instruction"]])
    langs = [str(name).strip() for name in table[columns["lang"]]] if "lang" in columns else [lang] * count
    return table, [row for row in range(count) if langs[row] == lang], columns, path, origin_of(spec)


READERS: dict[str, Callable[[DatasetSpec, str, Sources], Found]] = {
    "instruction_columns": _of_columns,
    "instruction_files": _of_files,
    "instruction_table": _of_own,
}


def find_instructions(
    name: str, columns: Sequence[str] | None = None, langs: Sequence[str] | None = None, *, no_header: bool = False
) -> DatasetSpec:
    """Return the row of a registered set of instructions, or one made for the table of this path.

    columns: those of the instruction, the language, the identifier and the reference answer, where they are not called
    instruction, lang, id and reference. langs: of a table without a column of languages, the one that all rows are in.
    """
    path = own_path(name, "chat", columns, no_header=no_header)
    if path is None:
        return named_row(name, "chat")
    if path.is_dir():
        raise UserError(f"--dataset {name} is a folder", "give a table with a column of instructions")
    table = read_table(path, header=not no_header)
    usual = {role: role for role in ROLES if role in table}
    order = ("instruction", "lang", "id", "reference")
    given: Sequence[str] | None = list(table)[:1] if no_header and columns is None else columns
    chosen: dict[str, Any] = usual if given is None else dict(zip(order, given, strict=False))
    if "instruction" not in chosen or len(given or ()) > len(order):
        raise UserError(
            f"{path} has the columns {', '.join(table)}, but no column instruction",
            "name them: --columns INSTRUCTION [LANG [ID [REFERENCE]]]; add --no_header if the first line is data",
        )
    check_columns(path, list(chosen.values()), table)
    reading: dict[str, Any] = {"columns": chosen} if chosen != usual else {}
    if "lang" in chosen:
        subsets = languages_in(table, chosen["lang"], str(path))
    elif langs is not None and len(langs) == 1:
        subsets, reading = tuple(langs), {**reading, "lang": langs[0]}
    else:
        raise UserError(
            f"{path} has no column lang, so the language that is asked for is not known",
            "add it, name it (--columns INSTRUCTION LANG), or name the language of all rows: --langs LANG",
        )
    options = {"path": str(path), "columns": chosen, "header": not no_header}
    return own_row(path, sha256_of(path), "chat", "instruction_table", subsets, None, options, reading)


def langs_asked(spec: DatasetSpec, langs: Sequence[str] | None) -> list[str]:
    """Return the languages of a run, in the order of the row; raises UserError for one that the set does not have."""
    for lang in langs or ():
        if lang not in spec.subsets:
            raise UserError(f"{spec.name} has no language {lang!r}", suggest(lang, spec.subsets))
    return [lang for lang in spec.subsets if langs is None or lang in langs]
