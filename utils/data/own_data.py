"""A user's own data: whether a name is a path of them, and the registry row that is made for them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.data import registry
from utils.data.mteb_rows import is_mteb, mteb_row
from utils.data.tables import ENDINGS, Table, ending_of
from utils.data.text_files import UNPACK, inner_name
from utils.errors import UserError, lookup, suggest
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
    path = path_of(name)
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
    check_elsewhere(name, _named(task))
    lookup(known, name)
    return None


def check_elsewhere(name: str, wanted: str) -> None:
    """Raise UserError for the name of a registered data set of other tasks than those that are wanted."""
    others = [_named(other) for other, rows in registry.DATASETS.items() if name in rows]
    if others:
        raise UserError(
            f"{name} is not a data set for {wanted}", f"it is one for {', '.join(others)}; --list shows all"
        )


def _named(task: str) -> str:
    """Return how messages call the task that data are for: prompted ones by the only script that takes them."""
    return "icl" if task == "prompted" else task


def path_of(name: str) -> Path:
    """Return the path that --dataset names. Raises UserError for `~user` of a user that does not exist."""
    try:
        return Path(name).expanduser()
    except RuntimeError as error:  # there is no such user
        raise UserError(f"--dataset {name}: {error}", "write the path in full") from error


def _glob(name: str) -> str:
    return re.sub(r"[\[*?]", "[\\g<0>]", name)


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
