"""A user's own data as a registry row: a table, or a folder of aligned files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.data import registry
from utils.data.aligned_files import aligned_folder
from utils.data.headers import check_names
from utils.data.labeled_tables import languages_in
from utils.data.mteb_rows import data_of, is_mteb, mteb_row
from utils.data.roles import ROLES, roles_of
from utils.data.tables import DELIMITED, ENDINGS, Table, ending_of, read_table
from utils.data.text_files import UNPACK, inner_name
from utils.errors import UserError, counted, lookup, suggest
from utils.files import sha256_of
from utils.schema import DatasetSpec

MAIN_METRICS = {
    "bitext": "f1",
    "classification": "acc",
    "retrieval": "ndcg",
    "sts": "spearman",
    "prompted": "acc",
    "chat": "fidelity",
}
SHOWN_COLUMN = 24  # characters of a column in the name of a data set
LONGEST_STEM = 150  # bytes of a file's name in that of a data set, which is the name of a folder


def find_dataset(
    name: str,
    task: str | None,
    columns: Sequence[str] | None,
    src_lang: str | None,
    langs: Sequence[str] | None,
    seed: int,
    *,
    no_header: bool = False,
    strict: bool = False,
) -> DatasetSpec:
    """Return the row of a registered data set, or one made for a user's own data, of any task.

    task: "bitext" or "classification"; None for classification where the data have labels, else for bitext.
    """
    if (task or _likely_task(name, columns, no_header=no_header)) == "classification":
        return find_labeled(name, columns, seed, no_header=no_header, strict=strict)
    return find_bitext(name, columns, src_lang, langs, no_header=no_header, strict=strict)


def _likely_task(name: str, columns: Sequence[str] | None, *, no_header: bool) -> str:
    """Return the task that a data set is for, by its registered name or the columns of the file."""
    if is_mteb(name):
        if data_of(name) != "classification":
            raise UserError(f"--dataset {name} is not a task of classification", "pictures are of labelled texts")
        return "classification"
    for task in ("classification", "bitext"):
        if name in registry.DATASETS[task]:
            return task
    path = _path_of(name)
    if path.is_dir():
        return "bitext"
    if path.is_file():
        labelled = columns or {"text", "label"} <= set(roles_of(path, read_table(path, header=not no_header), None))
        return "classification" if labelled else "bitext"
    if name.strip() and "/" not in name and ending_of(path) not in ENDINGS:
        lookup({**registry.DATASETS["bitext"], **registry.DATASETS["classification"]}, name)
    return "classification"


def find_bitext(
    name: str,
    columns: Sequence[str] | None,
    src_lang: str | None,
    langs: Sequence[str] | None,
    *,
    no_header: bool = False,
    strict: bool = False,
) -> DatasetSpec:
    """Return the row of a registered data set of pairs, or one made for the file or folder of this path.

    columns: the source and the target column of a table. no_header: a table's first line is data, and its columns are
    called 1, 2 and so on. strict: blank texts are errors. Raises UserError where there is no such data set, or its
    columns or files do not tell the languages.
    """
    path = own_path(name, "bitext", columns, no_header=no_header)
    if path is None:
        return named_row(name, "bitext")
    if path.is_dir():
        if columns or no_header:
            raise UserError(
                f"--{'columns' if columns else 'no_header'} with the folder {name}", "files of lines have no columns"
            )
        digest, reader, pivot, options = aligned_folder(path, src_lang, langs)
        reading: dict[str, Any] = {}
        languages = list(options["paths"])
    else:
        digest, reader = sha256_of(path), "parallel_file"
        chosen, names = _pair_columns(path, columns, src_lang, langs, no_header=no_header)
        pairs, pivot = tuple((names[0], target) for target in names[1:]), names[0]
        by_lang = dict(zip(names, chosen, strict=True))
        options = {"path": str(path), "columns": by_lang, "pairs": pairs}
        reading = {"columns": by_lang} if columns and chosen != names else {}
        languages = names if columns else [*names, *read_table(path, header=not no_header)]
    _check_pair_names(path, options["pairs"], languages)
    subsets = tuple("_".join(pair) for pair in options["pairs"])
    options |= {"header": not no_header, "strict": strict}
    return own_row(path, digest, "bitext", reader, subsets, pivot, options, reading)


def find_labeled(
    name: str, columns: Sequence[str] | None, seed: int, *, no_header: bool = False, strict: bool = False
) -> DatasetSpec:
    """Return the row of a registered data set of labelled texts, or one made for the file of this path.

    columns: the columns of text, label, language and split; no_header and strict: as `find_bitext` has them. Raises
    UserError where there is no such data set, or its columns are not found.
    """
    path = own_path(name, "classification", columns, no_header=no_header)
    if path is None:
        return named_row(name, "classification")
    if path.is_dir():
        raise UserError(
            f"--dataset {name} is a folder", f"give a file ({', '.join(ENDINGS)}) with a text and a label column"
        )
    table = read_table(path, header=not no_header)
    usual = {role: role for role in ROLES if role in table}
    chosen = roles_of(path, table, columns, no_header=no_header)
    if not {"text", "label"} <= set(chosen):
        raise UserError(
            f"{path} has the columns {', '.join(table)}, but no columns text and label",
            "name the columns of text and label: --columns TEXT LABEL [LANG [SPLIT]]; add --no_header if the first "
            "line is data",
        )
    check_columns(path, list(chosen.values()), table)
    langs = languages_in(table, chosen["lang"], str(path)) if "lang" in chosen else ("all",)
    if not langs:
        raise UserError(f"{path} has no rows", "add rows below the names of the columns")
    reading = {"columns": chosen} if chosen != usual else {}
    ids = {"id": "id"} if "id" in table and "id" not in chosen.values() else {}
    options = {"path": str(path), "seed": seed, **chosen, **ids, "header": not no_header, "strict": strict}
    pivot = langs[0] if langs else None
    return own_row(path, sha256_of(path), "classification", "labeled_table", langs, pivot, options, reading)


def named_row(name: str, task: str) -> DatasetSpec:
    """Return the row of a registered data set, or of a task of mteb; raises UserError for a task of another kind."""
    return mteb_row(name, task) if is_mteb(name) else registry.sets_of(task)[name]


def own_path(name: str, task: str, columns: Sequence[str] | None, *, no_header: bool) -> Path | None:
    """Return the path of a user's own data, or None for a registered name or a task of mteb; UserError for others."""
    known = registry.sets_of(task)
    if name in known or is_mteb(name):
        for flag, given in (("columns", columns), ("no_header", no_header)):
            if given:
                raise UserError(f"--{flag} with the registered data set {name}", f"--{flag} is for your own files only")
        return None
    if not name.strip():
        raise UserError("--dataset is empty", "give a name that --list shows, or the path of a file or folder")
    path = _path_of(name)
    if path.is_file() or path.is_dir():
        return path
    if path.exists():
        raise UserError(f"--dataset {name} is neither a file nor a folder", "write the data to a file, and name that")
    near = sorted(file.name for ending in ENDINGS for file in path.parent.glob(f"{_glob(path.name)}{ending}*"))
    if near:
        raise UserError(f"--dataset {name}: no such file", f"did you mean {' or '.join(near[:3])}?")
    if ending_of(path) in ENDINGS or path.suffix.lower() in UNPACK or "/" in name:
        raise UserError(
            f"--dataset {name}: no such file or folder",
            f"give the path of a file ({', '.join(ENDINGS)}) or folder, or a name that --list shows",
        )
    others = [_named(other) for other, rows in registry.DATASETS.items() if name in rows]
    if others:
        raise UserError(
            f"{name} is not a data set for {_named(task)}", f"it is one for {', '.join(others)}; --list shows all"
        )
    lookup(known, name)
    return None


def _named(task: str) -> str:
    """Return how messages call the task that data are for: prompted ones by the only script that takes them."""
    return "icl" if task == "prompted" else task


def _path_of(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError as error:  # there is no such user
        raise UserError(f"--dataset {name}: {error}", "write the path in full") from error


def _glob(name: str) -> str:
    return re.sub(r"[\[*?]", "[\\g<0>]", name)


def _pair_columns(
    path: Path, columns: Sequence[str] | None, src_lang: str | None, langs: Sequence[str] | None, *, no_header: bool
) -> tuple[list[str], list[str]]:
    """Return the columns of a table that are read, the source's first, and the languages that they are in."""
    header = list(read_table(path, header=not no_header))
    chosen, names = _chosen_pair(path, header, columns, src_lang, langs)
    check_columns(path, chosen, header)
    if len(set(names)) != len(names):
        raise UserError(f"source and target are both {names[0]!r}", "name two different columns and languages")
    if columns is None and not no_header and len(header) == 2 and ending_of(path) in DELIMITED:
        check_names(path, chosen)
    return chosen, names


def _chosen_pair(
    path: Path, header: list[str], columns: Sequence[str] | None, src_lang: str | None, langs: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    if columns:
        if len(columns) != 2:
            raise UserError(f"--columns names {len(columns)} columns", "name the source column and the target column")
        if langs and len(langs) > 1:
            raise UserError(
                "--columns names one pair, but --langs several languages",
                "name one target language, or leave --langs out",
            )
        return list(columns), [src_lang or columns[0], langs[0] if langs else columns[1]]
    asked = [lang for lang in (src_lang, *(langs or ())) if lang]
    if len(header) == 2 and len(asked) <= 2 and (len(asked) < 2 or not set(asked) & set(header)):
        first, second = header
        if src_lang == second or (langs and langs[0] == first):
            first, second = second, first
        return [first, second], [src_lang or first, langs[0] if langs else second]
    if src_lang and langs:
        names = [src_lang, *(lang for lang in langs if lang != src_lang)]
        return names, names
    raise UserError(
        f"{path} has {counted(len(header), 'column')}: {', '.join(header)}",
        "name the pair: --columns SRC TGT, or --src_lang SRC --langs TGT [TGT ...] for columns named by language; add "
        "--no_header if this line is data",
    )


def _check_pair_names(path: Path, pairs: Sequence[tuple[str, str]], languages: Sequence[str]) -> None:
    """Raise UserError for a pair whose joined name is that of another pair of the languages, in any command."""
    for source, target in pairs:
        name = f"{source}_{target}"
        for place in (match.start() for match in re.finditer("_", name)):
            other = name[:place], name[place + 1 :]
            if other != (source, target) and set(other) <= set(languages):
                raise UserError(
                    f"{path}: the pair of {source!r} and {target!r} and that of {other[0]!r} and {other[1]!r} "
                    f"have the same name, {name}",
                    "rename one of these languages, which are the names of "
                    + ("the files" if path.is_dir() else "the columns"),
                )


def check_columns(path: Path, chosen: Sequence[str], header: Sequence[str] | Table) -> None:
    """Raise UserError for a column that a table does not have."""
    for column in chosen:
        if column not in header:
            raise UserError(f"{path} has no column {column!r}", suggest(column, header))


def own_row(
    path: Path,
    digest: str,
    task: str,
    reader: str,
    subsets: tuple[str, ...],
    pivot: str | None,
    options: dict[str, Any],
    reading: dict[str, Any],
) -> DatasetSpec:
    """Return the row of a user's own data; what is read of a file beside the usual, `reading`, is part of its name."""
    stem = re.sub(r"[^\w.-]+", "_", Path(inner_name(path.resolve())).stem) or "data"
    stem = stem.encode()[:LONGEST_STEM].decode(errors="ignore")
    key = digest[:8]
    if not options.get("header", True):
        reading = {**reading, "header": False}
    if reading:
        key = hashlib.sha256(f"{digest}{json.dumps(reading, sort_keys=True)}".encode()).hexdigest()[:8]
        told = [*reading.get("columns", {}).values(), *([reading["split"]] if "split" in reading else [])]
        stem = "-".join([stem, *(re.sub(r"\W+", "_", word)[:SHOWN_COLUMN] for word in told)])
    return DatasetSpec(
        name=f"{stem}-{key}",
        task=task,
        kind="local",
        source=path.name,
        revision=f"sha256:{digest}",
        reader=reader,
        subsets=subsets,
        main_metric=MAIN_METRICS[task],
        pivot=pivot,
        licence="your own",
        citation="",
        options=options,
    )
