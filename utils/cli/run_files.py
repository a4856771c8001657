"""The run files of retrieval: rankings that are written, and those that are scored instead of an encoder's."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.data.text_files import UNPACK
from utils.errors import UserError
from utils.records.paths import file_name
from utils.records.variants import place_of
from utils.tasks import TASKS

if TYPE_CHECKING:
    from utils.cli.task_run import RetrievalTask
    from utils.data.subsets import Judged

USUAL = {"fuse": "score", "normalize": "none", "embedding_precision": "float32", "backend": "torch"}
USUAL |= {"similarity": "cosine", "margin": "none"}
IDLE = (  # flags of encoders
    "first_stage model_checkpoint model_checkpoints weights prompt query_prompt passage_prompt max_length dtype fp16 "
    "pooling attention layer dimensions"
).split() + list(USUAL)


def imported_files(args: argparse.Namespace, subsets: Sequence[str]) -> dict[str, Path]:
    """Return the run file of each subset; none without --import_run.

    Raises UserError where a file is missing, and for flags of encoders, which would decide nothing.
    """
    place: Path | None = args.import_run
    if place is None:
        return {}
    for flag in IDLE:
        if getattr(args, flag) not in (None, False, USUAL.get(flag)):
            raise UserError(f"--import_run with --{flag}", "a run file has rankings already: leave one of the two out")
    if not place.exists():
        raise UserError(f"--import_run: there is no {place}", "give a run file, or a folder with SUBSET.trec files")
    if place.is_dir():
        return {subset: _file_in(place, subset) for subset in subsets}
    if len(subsets) > 1:
        hint = "name one language with --langs, or a folder with a file for each subset, such as eng.trec"
        raise UserError(f"--import_run {place} is one file for {len(subsets)} subsets", hint)
    return dict.fromkeys(subsets, place)


def _file_in(folder: Path, subset: str) -> Path:
    """Return the run file of a subset, which may be compressed."""
    name = f"{file_name(subset)}.trec"
    for file in (folder / f"{name}{ending}" for ending in ("", *UNPACK)):
        if file.is_file():
            return file
    raise UserError(f"--import_run: there is no {folder / name}", "give a run file, or a folder with SUBSET.trec files")


def export_runs(task: RetrievalTask[Judged], folder: Path, subsets: Sequence[str]) -> None:
    """Write the ranking of each subset as a run file, as deep as the largest k; what is logged is not searched.

    The tag of the files is the model's name, with what departs in the encoder, such as its layer.
    """
    from utils.data.trec_runs import write_run

    run = task.run
    own = place_of(run.store.identity.of(""), run.dataset.name, TASKS["retrieval"])
    tag = f"{run.model}_{own}" if own else run.model
    for subset in subsets:
        data = task.load(subset)
        found = run.store.read_neighbors(subset, run.ks.values).get("forward")
        if found is None:
            raise UserError(f"the neighbours of {subset} are not in the logs", "run again with --overwrite")
        write_run(folder / f"{file_name(subset)}.trec", data.queries, data.passages, found, tag)
    print(f"run files: {folder}")
