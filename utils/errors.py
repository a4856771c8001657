"""Errors of the user, warnings, and suggestions for a mistyped name."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")
DISK_FULL = (
    "No space left on device",
    "disk is full",
    "Disk quota exceeded",
    "unexpected pos ",  # torch.save does not say why it fails: it finds less in the file than it has written ...
    "iostream error",  # ... or cannot close it
)
OUT_OF_MEMORY = ("allocate memory", "out of memory")
SHOWN = 20  # names that a hint lists
NEAR = 3  # names that a hint suggests


class UserError(Exception):
    """A mistake that the user can correct.

    what: what is wrong, in terms of what the user typed; printed after "error:".
    hint: what to do about it; printed after "hint:".
    """

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


def lookup(rows: Mapping[str, T], name: str) -> T:
    """Return the row of the data set of this name; raises UserError with similar names where there is none."""
    if name in rows:
        return rows[name]
    raise UserError(f"unknown dataset {name!r}", f"{suggest(name, rows)} (--list shows all)")


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a hint with the known names that are near a mistyped one, or with up to 20 names if none is.

    Names that begin with the mistyped one, or that it begins with, come before those of similar spelling.
    """
    import difflib

    names = list(dict.fromkeys(known))
    lowered = {candidate.lower(): candidate for candidate in names}
    typed = name.lower()
    begins = [other for other in lowered if len(other) > 1 < len(typed) and _share_a_beginning(typed, other)]
    similar = difflib.get_close_matches(typed, list(lowered), n=NEAR, cutoff=0.6)
    close = [lowered[match] for match in dict.fromkeys([*sorted(begins, key=len), *similar])][:NEAR]
    if close:
        return f"did you mean {' or '.join(repr(match) for match in close)}?"
    return f"choose from: {', '.join(names[:SHOWN])}" + (", ..." if len(names) > SHOWN else "")


def _share_a_beginning(name: str, other: str) -> bool:
    return name.startswith(other) or other.startswith(name) or other.split("/")[-1].startswith(name)


@lru_cache
def warn(message: str) -> None:
    """Print a warning to standard error, once per process."""
    print(f"warning: {message}", file=sys.stderr)


@lru_cache
def note(message: str) -> None:
    """Print a note to standard error, once per process."""
    print(f"note: {message}", file=sys.stderr)


def causes(error: BaseException) -> list[BaseException]:
    """Return an error and, one after another, the errors that led to it."""
    chain = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None and inner not in chain:
        chain.append(inner)
    return chain


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error, or one that led to it, says that no space is left on a disk.

    Libraries in other languages report it as text only.
    """
    return any(
        (isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT))
        or any(words in str(cause) for words in DISK_FULL)
        for cause in causes(error)
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the memory ran out, of the processor or of a GPU; torch's is a RuntimeError."""
    is_of_torch = isinstance(error, RuntimeError) and any(words in str(error) for words in OUT_OF_MEMORY)
    return isinstance(error, MemoryError) or is_of_torch


def counted(n: int, noun: str) -> str:
    """Return a number with what it counts: `1 record`, `2,000 records`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def limited(hint: str, limit: int | None, n: int) -> str:
    """Return a hint on too few of something, with --limit where it left them from the `n` that there are."""
    return hint if limit is None or limit >= n else f"{hint}: raise --limit {limit}, or leave it out"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the error's type where the message is empty."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
