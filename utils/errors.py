"""The user's error, warnings, and suggestions for a mistyped name."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")


def lookup(rows: Mapping[str, T], name: str, kind: str) -> T:
    """Return the row of exactly this name, or raise UserError with the closest names."""
    if name in rows:
        return rows[name]
    raise UserError(f"unknown {kind} {name!r}", f"{suggest(name, rows)}; --list shows all")


def suggest(name: str, known: Iterable[str]) -> str:
    """Say which known names are near to a mistaken one, or list them where none is (at most 20)."""
    names = list(known)
    lowered = {candidate.lower(): candidate for candidate in names}
    close = [lowered[match] for match in difflib.get_close_matches(name.lower(), list(lowered), n=3, cutoff=0.6)]
    if close:
        return f"did you mean {' or '.join(repr(match) for match in close)}?"
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"choose from: {shown}"


@lru_cache
def warn(message: str) -> None:
    """Print a warning, once."""
    print(f"warning: {message}", file=sys.stderr)


class UserError(Exception):
    """A mistake that the user can mend: what was found, and what to do about it."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or its kind where it says nothing."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
