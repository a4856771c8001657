"""A user's own data as a registry row made on the spot: a table, or a folder of two aligned files."""

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
    """Return the row of a data set of any task; without `task` a labelled one where it can be taken for one."""
    if (task or _likely_task(name, columns)) == "classification":
        return find_labeled(name, columns, seed)
    return find_bitext(name, columns, src_lang, langs)


def _likely_task(name: str, columns: Sequence[str] | None) -> str:
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
    """Return the registry's row of this name, or a row for the file or folder that it is the path of."""
    path = _own_path(name, "bitext", columns)
    if path is None:
        return registry.DATASETS["bitext"][name]
    return _aligned_folder(path, src_lang, langs) if path.is_dir() else _own_table(path, columns, src_lang, langs)


def find_labeled(name: str, columns: Sequence[str] | None, seed: int) -> DatasetSpec:
    """Return the registry's row of this name, or a row for the labelled file that it is the path of."""
    path = _own_path(name, "classification", columns)
    if path is None:
        return registry.DATASETS["classification"][name]
    if path.is_dir():
        raise UserError(
            f"--dataset {name} is a folder", f"give a {', '.join(ENDINGS)} file with a text and a label column"
        )
    return _own_labels(path, columns, seed)


def _own_path(name: str, task: str, columns: Sequence[str] | None) -> Path | None:
    """Return the path of own data, or None for a name of the registry; UserError where it is neither."""
    known = registry.DATASETS[task]
    if name in known:
        if columns:
            raise UserError(f"--columns is for your own files, not for {name}", "leave --columns out")
        return None
    if not name.strip():
        raise UserError("--dataset is empty", "give a name that --list shows, a file, or a folder")
    path = Path(name).expanduser()
    if path.exists():
        return path
    if path.suffix.lower() in ENDINGS or "/" in name:
        raise UserError(f"--dataset {name}: no such file or folder", f"give a {', '.join(ENDINGS)} file, or a folder")
    others = [other for other, rows in registry.DATASETS.items() if name in rows]
    if others:
        raise UserError(f"{name} is no data set for {task}", f"it is one for {' and '.join(others)}; --list shows all")
    lookup(known, name, "dataset")
    return None


def _own_labels(path: Path, columns: Sequence[str] | None, seed: int) -> DatasetSpec:
    table = read_table(path)
    roles = ("text", "label", "lang", "split")
    if columns is None:
        chosen = {role: role for role in roles if role in table}
        if not {"text", "label"} <= set(chosen):
            raise UserError(
                f"{path.name} has the columns {', '.join(table)}", "say which: --columns TEXT LABEL [LANG [SPLIT]]"
            )
    elif 2 <= len(columns) <= len(roles):
        chosen = dict(zip(roles, columns, strict=False))
    else:
        raise UserError(f"--columns names {len(columns)} columns", "name TEXT LABEL [LANG [SPLIT]]")
    for column in chosen.values():
        if column not in table:
            raise UserError(f"{path.name} has no column {column!r}", suggest(column, table))
    langs = tuple(dict.fromkeys(map(str, table[chosen["lang"]]))) if "lang" in chosen else ("all",)
    digest = sha256_of(path)
    if "id" in table and "id" not in chosen.values():
        chosen["id"] = "id"
    options: dict[str, object] = {"path": str(path), "seed": seed, **chosen}
    return _row(path, digest, "classification", "labeled_table", langs, langs[0] if langs else None, options)


def _own_table(
    path: Path, columns: Sequence[str] | None, src_lang: str | None, langs: Sequence[str] | None
) -> DatasetSpec:
    header = list(read_table(path))
    if columns:
        if len(columns) != 2:
            raise UserError(f"--columns names {len(columns)} columns", "name two: the source's and the target's")
        chosen = list(columns)
        if langs and len(langs) > 1:
            raise UserError("--columns is one pair, but --langs names several languages", "name one language")
        names = [src_lang or chosen[0], langs[0] if langs else chosen[1]]
    elif src_lang and langs:
        chosen = names = [src_lang, *(lang for lang in langs if lang != src_lang)]
    elif len(header) == 2:
        chosen = header
        names = [src_lang or header[0], langs[0] if langs else header[1]]
    else:
        raise UserError(
            f"{path.name} has {len(header)} columns: {', '.join(header)}",
            "say which two are a pair: --columns SRC TGT, or --src_lang SRC --langs TGT [TGT ...]",
        )
    for column in chosen:
        if column not in header:
            raise UserError(f"{path.name} has no column {column!r}", suggest(column, header))
    if len(set(names)) != len(names):
        raise UserError(f"the source and the target are both {names[0]!r}", "name two different columns")
    digest = sha256_of(path)
    return _pair_row(
        path, digest, "parallel_file", names, {"path": str(path), "columns": dict(zip(names, chosen, strict=True))}
    )


def _aligned_folder(path: Path, src_lang: str | None, langs: Sequence[str] | None) -> DatasetSpec:
    files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    if len(files) != 2:
        raise UserError(
            f"{path} holds {len(files)} files, expected two",
            "give a folder of two line-aligned files such as text.de, text.en",
        )
    by_lang = {_language_of(file, files): file for file in files}
    if len(by_lang) != 2:
        raise UserError(
            f"{path}: both files seem to be {next(iter(by_lang))!r}", "name them by language: text.de and text.en"
        )
    for lang in [src_lang, *(langs or [])]:
        if lang is not None and lang not in by_lang:
            raise UserError(f"{path} has no file for {lang!r}", f"it has: {', '.join(by_lang)}")
    names = list(by_lang)
    if src_lang == names[1] or (src_lang is None and langs and list(langs) == [names[0]]):
        names.reverse()
    digest = hashlib.sha256("".join(sha256_of(by_lang[name]) for name in names).encode()).hexdigest()
    return _pair_row(path, digest, "aligned_files", names, {"paths": {lang: str(by_lang[lang]) for lang in names}})


def _language_of(file: Path, files: Sequence[Path]) -> str:
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
