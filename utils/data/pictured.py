"""The data set of a picture: labelled texts or pairs, which its name or its columns tell."""

from __future__ import annotations

from collections.abc import Sequence

from utils.data import registry
from utils.data.mteb_rows import data_of, is_mteb
from utils.data.own_bitext import find_bitext
from utils.data.own_data import check_elsewhere, path_of
from utils.data.own_labeled import find_labeled
from utils.data.roles import roles_of
from utils.data.tables import ENDINGS, ending_of, read_table
from utils.errors import UserError, lookup
from utils.schema import DatasetSpec


def find_pictured(
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
    path = path_of(name)
    if path.is_dir():
        return "bitext"
    if path.is_file():
        labelled = columns or {"text", "label"} <= set(roles_of(path, read_table(path, header=not no_header), None))
        return "classification" if labelled else "bitext"
    if name.strip() and "/" not in name and ending_of(path) not in ENDINGS:
        check_elsewhere(name, "classification or bitext")
        lookup({**registry.DATASETS["bitext"], **registry.DATASETS["classification"]}, name)
    return "classification"
