"""Display names of models and of a user's own data, for tables, figures and pages: a small file names.toml."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from utils.cli.types import path as argument_path
from utils.data.registry import DATASETS
from utils.errors import UserError, note, suggest
from utils.records.original import generator_and_encoder
from utils.records.own_names import logged_name
from utils.records.reader import read_all
from utils.records.result import LoggedResult

FILE = "names.toml"
OWN_NAME = "give each a display name of its own"
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

    Raises UserError for a file that cannot be read, for two names that would be shown as one, and for one that would be
    shown as a registered data set.
    """
    chosen = path if path is not None else logs / FILE
    if path is None and not chosen.is_file():
        return {}
    try:
        names = tomllib.loads(chosen.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UserError(f"{chosen} cannot be read ({error})", f"a TOML file with lines such as {EXAMPLE}") from error
    for name, shown in names.items():
        if not isinstance(shown, str) or not shown.strip():
            raise UserError(f"{chosen}: {name} is not a text", f"lines such as {EXAMPLE}")
    twice = sorted({shown for shown in names.values() if list(names.values()).count(shown) > 1})
    if twice:
        raise UserError(f"{chosen}: {twice[0]!r} stands for several names", OWN_NAME)
    registered = {name for rows in DATASETS.values() for name in rows}
    for name, shown in names.items():
        if shown in registered and shown != name:
            raise UserError(f"{chosen}: {name!r} would be shown as the registered data set {shown!r}", OWN_NAME)
    return names


def dataset_names(asked: Sequence[str] | None, there: Collection[str], names: Mapping[str, str]) -> list[str] | None:
    """Return the data sets of records that names stand for, whether they are display names or those of the records.

    there: the data sets, by whichever name. A name that none has is returned as it is; None stays None.
    """
    if asked is None:
        return None
    found = []
    for name in asked:
        of_records = logged_name(name, names)
        others = [names.get(of_records or ""), *(key for key, shown in names.items() if shown == name)]
        found.append(logged_name(name, there) or next((other for other in others if other in there), None) or name)
    return found


def check_names(names: Mapping[str, str], results: Iterable[LoggedResult], logs: Path) -> None:
    """Check display names by the records that there are.

    Lines for what no record in the logs has, of whatever task, are noted. Raises UserError for what would be shown by
    the name of other records.
    """
    found = {name for result in results for name in _names_in(result)}
    for name, shown in names.items():
        if name in found and shown in found and names.get(shown, shown) == shown != name:
            raise UserError(f"display names: {name!r} would be shown as {shown!r}, the name of other records", OWN_NAME)
    unknown = set(names) - found
    if not unknown:
        return
    there = {name for result in read_all(logs) for name in _names_in(result)}
    for name in sorted(unknown - there):
        note(f"display names: no record has {name!r}; {suggest(name, sorted(there))}")


def _names_in(result: LoggedResult) -> Iterator[str]:
    """Yield the names of a record that can have a display name: its data set, its models, and the whole ensemble."""
    yield from (result.dataset, result.model, str(generator_and_encoder(result)[0].get("name")))
    encoders = result.run.get("encoders")
    for member in encoders if isinstance(encoders, list) else ():
        if isinstance(member, dict):
            yield str(member.get("checkpoint"))
