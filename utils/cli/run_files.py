"""The run files of retrieval: rankings that are written, and those that are scored instead of an encoder's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import UserError

if TYPE_CHECKING:
    from utils.cli.task_run import RetrievalTask
    from utils.schema import Judged


def imported_files(place: Path | None, subsets: Sequence[str]) -> dict[str, Path]:
    """Return the run file of each subset; none without --import_run. Raises UserError where one is missing."""
    if place is None:
        return {}
    from utils.records.paths import file_name

    if place.is_file() and len(subsets) > 1:
        hint = "name one language with --langs, or a folder with a file for each subset, such as eng.trec"
        raise UserError(f"--import_run {place} is one file for {len(subsets)} subsets", hint)
    found = {subset: place if place.is_file() else place / f"{file_name(subset)}.trec" for subset in subsets}
    for file in found.values():
        if not file.is_file():
            raise UserError(f"--import_run: there is no {file}", "give a run file, or a folder with SUBSET.trec files")
    return found


def export_runs(task: RetrievalTask[Judged], folder: Path, subsets: Sequence[str]) -> None:
    """Write the ranking of each subset as a run file, as deep as the largest k; what is logged is not searched."""
    from utils.data.trec_runs import write_run
    from utils.records.paths import file_name

    run = task.run
    for subset in subsets:
        data = task.load(subset)
        found = run.store.read_neighbors(subset, run.ks.values).get("forward")
        if found is None:
            raise UserError(f"the neighbours of {subset} are not in the logs", "run again with --overwrite")
        write_run(folder / f"{file_name(subset)}.trec", data.queries, data.passages, found, run.model)
    print(f"run files: {folder}")
