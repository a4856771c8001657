"""Own data of records, found again where they were read from, if they are still the same files."""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.cli.icl_prompts import chosen_file, shape_of
from utils.data.own_bitext import find_bitext
from utils.data.own_items import Shape, find_prompted
from utils.data.own_judged import find_judged
from utils.errors import UserError
from utils.files import sha256_of
from utils.reporting.pages.leaderboards import Entry
from utils.schema import DatasetSpec
from utils.tasks import TASKS


def is_own(entry: Entry) -> bool:
    """Return whether a record is about a user's own data."""
    source = entry.result.run.get("source")
    return isinstance(source, dict) and source.get("kind") == "local"


class OwnData:
    """Finds the data sets of records again; `folders` are where a relative path may start."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = folders
        self._found: dict[str, DatasetSpec | str] = {}

    def find(self, entry: Entry) -> DatasetSpec | str:
        """Return the data set's row, or the reason why its texts cannot be shown."""
        run = entry.result.run
        args = run.get("args")
        asked = args if isinstance(args, dict) else {}
        names = ("dataset", "columns", "src_lang", "langs", "no_header", "template")
        key = str([entry.task, entry.result.seed, run["source"].get("revision"), [asked.get(name) for name in names]])
        if key not in self._found:
            self._found[key] = self._find(entry, asked, str(run["source"].get("revision")))
        return self._found[key]

    def _find(self, entry: Entry, asked: dict[str, Any], revision: str) -> DatasetSpec | str:
        name = asked.get("dataset")
        if not isinstance(name, str):
            return "the record does not say where they were read"
        there = [path for folder in self.folders if (path := folder / Path(name).expanduser()).exists()]
        if not there:
            return f"{name} is not there any more"
        for path in there:
            if path.is_file() and f"sha256:{sha256_of(path)}" != revision:
                continue
            spec = self._read_again(entry, asked, path)
            if not isinstance(spec, DatasetSpec) or spec.revision == revision:
                return spec
        return f"{name} was changed since"

    def _read_again(self, entry: Entry, asked: dict[str, Any], path: Path) -> DatasetSpec | str:
        """Return the row of own data as a record says to read them; its notes were told at the first time."""
        columns, no_header = asked.get("columns"), bool(asked.get("no_header"))
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                if TASKS[entry.task].data == "retrieval":
                    return find_judged(str(path), columns, no_header=no_header, split=asked.get("split"))
                if TASKS[entry.task].pairs:
                    return find_bitext(
                        str(path), columns, asked.get("src_lang"), asked.get("langs"), no_header=no_header
                    )
                shape = self._shape(asked.get("template")) if TASKS[entry.task].data == "prompted" else None
                return find_prompted(str(path), columns, entry.result.seed, shape, no_header=no_header)
        except UserError as error:
            return error.what
        except (AttributeError, TypeError, ValueError):  # the arguments of a record that was edited
            return "the record does not say how they were read"

    def _shape(self, template: str | None) -> Shape | None:
        """Return what a template shows, of which a relative path starts as that of the data does; None without one."""
        if template is None:
            return None
        there = (path for folder in self.folders if (path := folder / Path(template).expanduser()).is_file())
        file = chosen_file(argparse.Namespace(template=str(next(there, template))), None)
        return None if file is None else shape_of(file)
