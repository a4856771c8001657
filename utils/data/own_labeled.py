"""A user's own labelled texts as a registry row: a table with a column of texts and one of labels."""

from __future__ import annotations

from collections.abc import Sequence

from utils.data.labeled_tables import languages_in
from utils.data.own_data import check_columns, named_row, own_path, own_row
from utils.data.roles import ROLES, roles_of
from utils.data.tables import ENDINGS, read_table
from utils.errors import UserError
from utils.files import sha256_of
from utils.schema import DatasetSpec


def find_labeled(
    name: str,
    columns: Sequence[str] | None,
    seed: int,
    *,
    no_header: bool = False,
    strict: bool = False,
    otherwise: str = "",
) -> DatasetSpec:
    """Return the row of a registered data set of labelled texts, or one made for the file of this path.

    columns: the columns of text, label, language and split; no_header and strict: as `find_bitext` has them. otherwise:
    what else can be done with a file of other columns. Raises UserError where there is no such data set, or its columns
    are not found.
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
            f"line is data{otherwise}",
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
