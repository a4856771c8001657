"""A user's own file of items that a template shows: pairs of texts, questions with options, questions with answers."""

from __future__ import annotations

from collections.abc import Sequence

from utils.data.mteb_rows import is_mteb
from utils.data.own_data import find_labeled, named_row, own_path
from utils.schema import DatasetSpec

Shape = tuple[str, tuple[str, ...]]  # the kind of a template, and the fields that it shows


def find_prompted(
    name: str,
    columns: Sequence[str] | None,
    seed: int,
    shape: Shape | None,
    *,
    no_header: bool = False,
    strict: bool = False,
) -> DatasetSpec:
    """Return the row of a registered data set that can be prompted, or one made for the file of this path.

    shape: what the template of the command line shows; None without one, as of labelled texts. Raises UserError where
    there is no such data set, or its columns are not found.
    """
    path = own_path(name, "prompted", columns, no_header=no_header)
    if path is None:
        return named_row(name, "classification" if is_mteb(name) else "prompted")
    return find_labeled(name, columns, seed, no_header=no_header, strict=strict)
