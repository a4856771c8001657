"""Reading the records under a folder."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.files import read_json
from utils.records.checks import is_number, is_whole
from utils.records.original import original_result
from utils.records.paths import RECORD_NAME, predictions_path
from utils.records.result import LoggedResult
from utils.records.validation import fault_of, metrics_of


def read_predictions(record: Path, direction: str = "") -> tuple[list[Any], list[Any]] | None:
    """Return gold and hyp (n,) of a record, or None where there are no predictions or the two differ in length.

    direction: `backward` for those of the targets in a record of both directions.
    """
    path = predictions_path(record)
    content = read_json(path) if path.is_file() else None
    if content is not None and direction:
        content = content.get(direction)
    return answers_in(content) if isinstance(content, dict) else None


def read_values(record: Path, metric: str) -> list[float | None] | None:
    """Return the values of a metric (n,) that the predictions of a record state; None where they state none.

    An item that the metric does not apply to, such as an answer too short for its language to be told, has None.
    """
    path = predictions_path(record)
    content = read_json(path) if path.is_file() else None
    stated = content.get("values") if content is not None else None
    values = stated.get(metric) if isinstance(stated, dict) else None
    if not isinstance(values, list) or not all(value is None or is_number(value) for value in values):
        return None
    return values if any(value is not None for value in values) else None


def read_statistics(record: Path, metric: str) -> list[list[int]] | None:
    """Return the counts (n, m) of which a metric of a corpus is made, of each item; None where there are none."""
    path = predictions_path(record)
    content = read_json(path) if path.is_file() else None
    stated = content.get("statistics") if content is not None else None
    rows = stated.get(metric) if isinstance(stated, dict) else None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) and row for row in rows):
        return None
    is_sound = len({len(row) for row in rows}) == 1 and all(is_whole(count) for row in rows for count in row)
    return rows if is_sound else None


def answers_in(content: Mapping[str, Any]) -> tuple[list[Any], list[Any]] | None:
    """Return gold and hyp (n,) of a file of predictions, or None where it has none or the two differ in length.

    All are labels or all are indices; None in hyp is an answer that names no label.
    """
    gold, hyp = content.get("gold"), content.get("hyp")
    if not isinstance(gold, list) or not isinstance(hyp, list) or len(gold) != len(hyp) or not gold:
        return None
    kinds = {*map(type, gold), *map(type, hyp)} - {type(None)}
    if kinds != {str} and (kinds != {int} or not all(map(is_whole, {*gold, *hyp} - {None}))):
        return None
    return gold, hyp


def is_right(content: Mapping[str, Any], gold: Sequence[Any], hyp: Sequence[Any]) -> list[bool | None]:
    """Return whether each answer of a file of predictions is right (n,).

    A written answer is right where it matches a reference exactly, if that is one of its measures; else it is neither
    right nor wrong, as a translation is.
    """
    values = content.get("values")
    stated = values if isinstance(values, dict) else {}
    exact = stated.get("em")
    if isinstance(exact, list) and len(exact) == len(gold):
        return [value == 1 for value in exact]
    if "statistics" in content or "f1" in stated:
        return [None] * len(gold)
    return [expected == answer for expected, answer in zip(gold, hyp, strict=True)]


def read_results(root: Path, task: str, *, debug: bool = False) -> Iterator[LoggedResult]:
    """Yield every readable result of one task under a folder, as `read_all` does.

    A file of the original whose path does not tell the task counts for any. Raises UserError if there is no folder.
    """
    return (result for result in read_all(root, debug=debug) if result.run.get("task", task) == task)


def read_all(root: Path, *, debug: bool = False, left_out: list[Path] | None = None) -> Iterator[LoggedResult]:
    """Yield every readable result under a folder; files that cannot be read are named on standard error.

    A record's body says what it is of. A file with the original's four metrics alone is identified by its path,
    `.../<dataset>/<model>/seed_<n>/eval_<subset>_<k>.json`. `debug` includes the records of --limit runs. The files
    that are named are also added to `left_out`. Raises UserError where there is no folder.
    """
    if not root.is_dir():
        raise UserError(f"no folder of logs at {root}", "run a script first, or name the folder: --logs FOLDER")
    places: dict[str, tuple[str, ...]] = {}  # folder -> its path under the root, split once per folder
    for folder, name, match in _record_files(root):
        path = Path(folder, name)
        if folder not in places:
            places[folder] = Path(os.path.relpath(folder, root)).parts
        if "debug" in places[folder] and not debug:
            continue
        content = read_json(path)
        result = None
        if content is not None:
            own = "run" in content
            fault = fault_of(content) if own else ""
            if not fault:
                result = _own_result(path, content) if own else original_result(path, places[folder], match, content)
            if result is None:
                why = (
                    fault
                    or "it lacks the original's metrics as fractions, or its path has no data set that --list shows"
                )
                print(f"warning: {path} is not a record and is left out: {why}", file=sys.stderr)
        if result is not None:
            yield result
        elif left_out is not None:
            left_out.append(path)


def _record_files(root: Path) -> list[tuple[str, str, re.Match[str]]]:
    """Return the folder, the name and its parts of every file that has a record's name, in the order of paths."""
    found: dict[tuple[str, ...], tuple[str, str, re.Match[str]]] = {}
    for folder, _, names in os.walk(root):
        parts = Path(folder).parts
        matches = ((name, RECORD_NAME.fullmatch(name)) for name in names)
        found |= {(*parts, name): (folder, name, match) for name, match in matches if match}
    return [found[place] for place in sorted(found)]


def read_record(path: Path) -> LoggedResult:
    """Return one record of this suite. Raises UserError where the file is none."""
    content = read_json(path)
    if not isinstance(content, dict) or "run" not in content:
        raise UserError(f"{path} is no record", "run the script again with --overwrite")
    if fault := fault_of(content):
        raise UserError(f"{path}: {fault}", "run the script again with --overwrite")
    return _own_result(path, content)


def _own_result(path: Path, content: Mapping[str, Any]) -> LoggedResult:
    run = content["run"]
    place = (path, run["dataset"], run["model"], run["subset"])
    return LoggedResult(*place, content["k"], run["seed"], metrics_of(content), run, content)
