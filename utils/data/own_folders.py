"""The entries of a user's folder: which stand beside the data, and a note on those that are left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from utils.errors import note

ABOUT = ("readme", "license", "licence", "copying", "changelog", "citation", "notice", "authors", "contributing")
HIDDEN = (".", "__")  # the beginnings of names of entries that systems make, such as .git and __MACOSX
SHOWN = 8  # names before "..."


def is_beside(file: Path) -> bool:
    """Return whether a file stands beside the texts: hidden, a backup copy, or a note on them such as README.md."""
    name = file.name.lower()
    about = Path(name).stem in ABOUT and Path(name).suffix in ("", ".md", ".txt", ".rst")
    return name.startswith(".") or name.endswith(("~", ".bak", ".orig", ".tmp", ".swp")) or about


def folders_below(path: Path) -> list[Path]:
    """Return the folders in a folder, in the order of their names, without hidden ones."""
    return [entry for entry in sorted(path.iterdir()) if entry.is_dir() and not entry.name.startswith(HIDDEN)]


def note_left_out(path: Path, names: Sequence[str], why: str) -> None:
    """Print a note on entries of a folder of data that are no language of it."""
    if names:
        shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
        note(f"the folder {path}: left out, {why}: {shown}")
