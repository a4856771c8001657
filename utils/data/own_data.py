"""A user's own data as a registry row: a table, or a folder of two aligned files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from utils.data import registry
from utils.data.tables import read_table
from utils.errors import UserError, lookup, suggest
from utils.files import sha256_of
from utils.schema import DatasetSpec

ENDINGS = (".tsv", ".csv", ".jsonl", ".parquet")


def find_dataset(
    name: str,
    task: str | None,
    columns: Sequence[str] | None,
    src_lang: str | None,
    langs: Sequence[str] | None,
    seed: int,
) -> DatasetSpec:
    """Return the row of a registered data set, or one made for a user's own data, of any task.

    task: "bitext" or "classification"; None for classification where the data have labels, else for bitext.
    """
    if (task or _likely_task(name, columns)) == "classification":
        return find_labeled(name, columns, seed)
    return find_bitext(name, columns, src_lang, langs)


def _likely_task(name: str, columns: Sequence[str] | None) -> str:
    """Return the task that a data set is for, by its registered name or the columns of the file."""
    path = Path(name).expanduser()
    for task in ("classification", "bitext"):
        if name in registry.DATASETS[task]:
            return task
    if path.is_dir():
        return "bitext"
    if path.is_file():
        return "classification" if columns or {"text", "label"} <= set(read_table(path)) else "bitext"
    if name.strip() and "/" not in name and path.suffix.lower() not in ENDINGS:
        lookup({**registry.DATASETS["bitext"], **registry.DATASETS["classification"]}, name, "dataset")
    return "classification"


def find_bitext(
    name: str, columns: Sequence[str] | None, src_lang: str | None, langs: Sequence[str] | None
) -> DatasetSpec:
    """Return the row of a registered data set of pairs, or one made for the file or folder of this path.

    columns: the source and the target column of a table. Raises UserError where there is no such data set, or its
    columns or files do not tell the languages.
    """
    path = _own_path(name, "bitext", columns)
    if path is None:
        return registry.DATASETS["bitext"][name]
    return _aligned_folder(path, src_lang, langs) if path.is_dir() else _pair_table(path, columns, src_lang, langs)


def find_labeled(name: str, columns: Sequence[str] | None, seed: int) -> DatasetSpec:
    """Return the row of a registered data set of labelled texts, or one made for the file of this path.

    columns: the columns of text, label, language and split. Raises UserError where there is no such data set, or its
    columns are not found.
    """
    path = _own_path(name, "classification", columns)
    if path is None:
        return registry.DATASETS["classification"][name]
    if path.is_dir():
        raise UserError(
            f"--dataset {name} is a folder", f"give a file ({', '.join(ENDINGS)}) with a text and a label column"
        )
    return _labeled_file(path, columns, seed)


def _own_path(name: str, task: str, columns: Sequence[str] | None) -> Path | None:
    """Return the path of a user's own data, or None for a registered name; raises UserError where it is neither."""
    known = registry.DATASETS[task]
    if name in known:
        if columns:
            raise UserError(f"--columns with the registered data set {name}", "--columns is for your own files only")
        return None
    if not name.strip():
        raise UserError("--dataset is empty", "give a name that --list shows, or the path of a file or folder")
    path = Path(name).expanduser()
    if path.exists():
        return path
    if path.suffix.lower() in ENDINGS or "/" in name:
        raise UserError(
            f"--dataset {name}: no such file or folder",
            f"give the path of a file ({', '.join(ENDINGS)}) or folder, or a name that --list shows",
        )
    others = [other for other, rows in registry.DATASETS.items() if name in rows]
    if others:
        raise UserError(f"{name} is not a data set for {task}", f"it is one for {', '.join(others)}; --list shows all")
    lookup(known, name, "dataset")
    return None


def _labeled_file(path: Path, columns: Sequence[str] | None, seed: int) -> DatasetSpec:
    """Return the row of a table with a text and a label column; a column named id gives the ids."""
    table = read_table(path)
    roles = ("text", "label", "lang", "split")
    if columns is None:
        chosen = {role: role for role in roles if role in table}
        if not {"text", "label"} <= set(chosen):
            raise UserError(
                f"{path.name} has the columns {', '.join(table)}, but no columns text and label",
                "name the columns of text and label: --columns TEXT LABEL [LANG [SPLIT]]",
            )
    elif 2 <= len(columns) <= len(roles):
        chosen = dict(zip(roles, columns, strict=False))
    else:
        raise UserError(f"--columns names {len(columns)} columns", "name two to four: TEXT LABEL [LANG [SPLIT]]")
    for column in chosen.values():
        if column not in table:
            raise UserError(f"{path.name} has no column {column!r}", suggest(column, table))
    langs = tuple(dict.fromkeys(map(str, table[chosen["lang"]]))) if "lang" in chosen else ("all",)
    digest = sha256_of(path)
    if "id" in table and "id" not in chosen.values():
        chosen["id"] = "id"
    options: dict[str, object] = {"path": str(path), "seed": seed, **chosen}
    return _row(path, digest, "classification", "labeled_table", langs, langs[0] if langs else None, options)


def _pair_table(
    path: Path, columns: Sequence[str] | None, src_lang: str | None, langs: Sequence[str] | None
) -> DatasetSpec:
    """Return the row of a table with a column per language."""
    header = list(read_table(path))
    chosen, names = _pair_columns(path, header, columns, src_lang, langs)
    for column in chosen:
        if column not in header:
            raise UserError(f"{path.name} has no column {column!r}", suggest(column, header))
    if len(set(names)) != len(names):
        raise UserError(f"source and target are both {names[0]!r}", "name two different columns and languages")
    options: dict[str, object] = {"path": str(path), "columns": dict(zip(names, chosen, strict=True))}
    return _pair_row(path, sha256_of(path), "parallel_file", names, options)


def _pair_columns(
    path: Path, header: list[str], columns: Sequence[str] | None, src_lang: str | None, langs: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """Return the columns of a table that are read, the source's first, and the languages that they are in."""
    if columns:
        if len(columns) != 2:
            raise UserError(f"--columns names {len(columns)} columns", "name the source column and the target column")
        if langs and len(langs) > 1:
            raise UserError(
                "--columns names one pair, but --langs several languages",
                "name one target language, or leave --langs out",
            )
        return list(columns), [src_lang or columns[0], langs[0] if langs else columns[1]]
    if src_lang and langs:
        names = [src_lang, *(lang for lang in langs if lang != src_lang)]
        return names, names
    if len(header) == 2:
        return header, [src_lang or header[0], langs[0] if langs else header[1]]
    raise UserError(
        f"{path.name} has {len(header)} columns: {', '.join(header)}",
        "name the pair: --columns SRC TGT, or --src_lang SRC --langs TGT [TGT ...] for columns named by language",
    )


def _aligned_folder(path: Path, src_lang: str | None, langs: Sequence[str] | None) -> DatasetSpec:
    """Return the row of a folder with two files, one text per line, whose names give their languages."""
    files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    if len(files) != 2:
        raise UserError(
            f"the folder {path} has {len(files)} files, expected two",
            "give a folder with two files that are aligned line by line, such as text.de and text.en",
        )
    by_lang = {_language_of(file, files): file for file in files}
    if len(by_lang) != 2:
        raise UserError(
            f"the names of both files in {path} give the language {next(iter(by_lang))!r}",
            "name them by their languages: text.de and text.en",
        )
    for lang in [src_lang, *(langs or [])]:
        if lang is not None and lang not in by_lang:
            raise UserError(f"the folder {path} has no file for the language {lang!r}", f"it has: {', '.join(by_lang)}")
    names = list(by_lang)
    if src_lang == names[1] or (src_lang is None and langs and list(langs) == [names[0]]):
        names.reverse()
    digest = hashlib.sha256("".join(sha256_of(by_lang[name]) for name in names).encode()).hexdigest()
    return _pair_row(path, digest, "aligned_files", names, {"paths": {lang: str(by_lang[lang]) for lang in names}})


def _language_of(file: Path, files: Sequence[Path]) -> str:
    """Return the language that a file's name gives: its ending, or its stem where both files have the same ending."""
    same_ending = len({other.suffix for other in files}) == 1
    return file.stem if same_ending or not file.suffix else file.suffix[1:]


def _pair_row(path: Path, digest: str, reader: str, names: Sequence[str], options: dict[str, object]) -> DatasetSpec:
    pairs = tuple((names[0], target) for target in names[1:])
    subsets = tuple("_".join(pair) for pair in pairs)
    return _row(path, digest, "bitext", reader, subsets, names[0], {"pairs": pairs, **options})


def _row(
    path: Path,
    digest: str,
    task: str,
    reader: str,
    subsets: tuple[str, ...],
    pivot: str | None,
    options: dict[str, object],
) -> DatasetSpec:
    stem = re.sub(r"[^\w.-]+", "_", path.resolve().stem) or "data"
    return DatasetSpec(
        name=f"{stem}-{digest[:8]}",
        task=task,
        kind="local",
        source=path.name,
        revision=f"sha256:{digest}",
        reader=reader,
        subsets=subsets,
        setting="mono",
        main_metric="f1" if task == "bitext" else "acc",
        pivot=pivot,
        licence="your own",
        citation="",
        options=options,
    )
