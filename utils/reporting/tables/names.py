"""Display names of models and of a user's own data, for tables, figures and pages: a small file names.toml."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Mapping
from pathlib import Path

from utils.cli.types import path as argument_path
from utils.errors import UserError

FILE = "names.toml"
EXAMPLE = '"local/e5-cbc8d6fb" = "E5 (ours)"'


def add_names_arg(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add the flag of the file of display names."""
    parser.add_argument(
        "--names",
        type=argument_path,
        metavar="FILE",
        help=f"display names of models and own data, lines such as {EXAMPLE} (default: {FILE} in the logs)",
    )


def read_names(path: Path | None, logs: Path) -> Mapping[str, str]:
    """Return the display names by the names in records; empty where no file is named and the logs have none.

    Raises UserError for a file that cannot be read, and for two names that would be shown as one.
    """
    chosen = path if path is not None else logs / FILE
    if path is None and not chosen.is_file():
        return {}
    try:
        names = tomllib.loads(chosen.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{chosen} cannot be read ({error})", f"a TOML file with lines such as {EXAMPLE}") from error
    for name, shown in names.items():
        if not isinstance(shown, str) or not shown.strip():
            raise UserError(f"{chosen}: {name} is not a text", f"lines such as {EXAMPLE}")
    twice = sorted({shown for shown in names.values() if list(names.values()).count(shown) > 1})
    if twice:
        raise UserError(f"{chosen}: {twice[0]!r} stands for several names", "give each a display name of its own")
    return names
