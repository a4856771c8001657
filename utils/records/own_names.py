"""The names of own data in records: `<stem>-<digest>`, found by the stem or the path that the user typed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from utils.data.tables import ENDINGS
from utils.data.text_files import inner_name
from utils.errors import UserError


def logged_name(name: str, there: Iterable[str]) -> str | None:
    """Return the data set of records that a name stands for: its own, or that of own data without digest or by path.

    Data read in the usual way come before those of other columns of the file. Returns None where no record has the
    name; raises UserError where several data sets have it.
    """
    known = set(there)
    if name in known:
        return name
    path = Path(inner_name(Path(name)))
    stem = path.stem if path.suffix.lower() in ENDINGS else path.name
    begin, digest = re.escape(re.sub(r"[^\w.-]+", "_", stem)), "-[0-9a-f]{8}"
    usual = sorted(other for other in known if re.fullmatch(begin + digest, other))
    found = usual or sorted(other for other in known if re.fullmatch(f"{begin}-.+{digest}", other))
    if len(found) > 1:
        raise UserError(
            f"{name} is the name of {len(found)} data sets: {', '.join(found)}", "give the name of one of them in full"
        )
    return found[0] if found else None
