"""Whether the first line of a table names its columns, or is already data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from utils.data.languages import is_language
from utils.errors import UserError, note

WORDS = set(
    """text texts sentence sentences sent source sources src target targets tgt label labels id ids idx index
    lang language split translation translations translated original query passage document title content body
    line segment reference hypothesis topic class category input output one two a b c x y s t tweet post review
    native foreign l1 l2 raw clean human mt gold news comment question answer category name""".split()
)
LONGEST_NAME = 40  # characters
WITHOUT_BLANKS = re.compile("[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]{5}")


def is_name(cell: str) -> bool:
    """Return whether a cell consists of languages, numbers and words that name columns."""
    words = re.findall(r"[^\W\d_]+\d*|\d+", cell.lower())
    return bool(words) and all(word in WORDS or word.isdigit() or is_language(word) for word in words)


def is_text(cell: str) -> bool:
    """Return whether a cell is rather a text than a name: several words, or the end of a sentence."""
    several = len(cell.split()) > 1 or WITHOUT_BLANKS.search(cell) is not None
    return not is_name(cell) and (several or len(cell) > LONGEST_NAME or cell.rstrip().endswith(tuple(".?!…。？！।؟")))


def check_names(path: Path, names: Sequence[str]) -> None:
    """Raise UserError where the names of a table's columns, which are taken for languages, are texts.

    Names that are no known ones are noted, as the first line may be data.
    """
    shown = " and ".join(map(repr, names))
    if any(map(is_text, names)):
        raise UserError(
            f"{path}: its first line, {shown}, does not name columns",
            "add --no_header if this line is data; if it does name them, choose them with --columns SRC TGT",
        )
    if not any(map(is_name, names)):
        note(f"{path}: its first line names the columns {shown} (--no_header: it is data)")
