"""Paths of records and of the files that belong to them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from utils.files import text_key
from utils.schema import EncoderSpec

LONGEST, LONGEST_FILE = 200, 255  # bytes of a subset's name in that of a file, and of a file's name
RECORD_NAME = re.compile(r"eval_(?P<subset>.+)_(?P<k>\d+)\.json")


def encoder_label(specs: Sequence[EncoderSpec], weights: Sequence[float] | None) -> str:
    """Return the name of one encoder, or of an ensemble: `<name>__<name>__weights<w>_<w>`, or `weights_tuned`."""
    if len(specs) == 1:
        return specs[0].name
    tail = "_tuned" if weights is None else "_".join(map(str, weights))
    return "__".join([*(spec.name.split("/")[-1] for spec in specs), f"weights{tail}"])


def run_folder(output_dir: Path, run: str, dataset: str, encoder: str, seed: int, *, debug: bool) -> Path:
    """Return the folder of one run's records; nothing in a name can lead outside `output_dir`."""
    parts = [*run.split("/"), dataset, *encoder.split("/"), f"seed_{seed}"]
    return output_dir.joinpath(*(["debug"] if debug else []), *map(_clean, parts))


def picture_stem(output_dir: Path, dataset: str, encoder: str, name: str) -> Path:
    """Return the path, without an ending, of pictures of one data set's texts in one encoder's space."""
    return output_dir.joinpath(*map(_clean, [dataset, *encoder.split("/"), name]))


def _clean(part: str) -> str:
    return re.sub(r"[^\w.+-]", "_", part).lstrip(".") or "_"


def file_name(name: str) -> str:
    """Return the name that a file has of a subset or a language; different names give different ones.

    It is the name itself where a file can have it. Otherwise it ends with a part of the hash of the name.
    """
    cleaned = _clean(name)
    short = cleaned.encode()[:LONGEST].decode(errors="ignore")
    return name if short == name else f"{short}_{text_key(name)[:8]}"


def record_path(folder: Path, subset: str, k: int) -> Path:
    """Return the path of the record of one subset and k."""
    return folder / f"eval_{file_name(subset)}_{k}.json"


def record_paths(folder: Path, subset: str, k: int) -> list[Path]:
    """Return the paths that the record of one subset and k may have, the usual one first.

    Earlier versions wrote subsets whose names differ only in characters that no file's name has to one path.
    """
    usual, earlier = record_path(folder, subset, k), folder / f"eval_{_clean(subset)}_{k}.json"
    return [usual] if earlier == usual or len(earlier.name.encode()) > LONGEST_FILE else [usual, earlier]


def records_at(folder: Path, subset: str) -> list[Path]:
    """Return the paths of the records of one subset that a folder has, whatever their k."""
    of_subset = re.compile(rf"eval_{re.escape(file_name(subset))}_\d+\.json")
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if of_subset.fullmatch(entry.name))
    except FileNotFoundError:
        return []


def predictions_path(record: Path) -> Path:
    """Return the path of the predictions of a record."""
    return record.with_name(f"{record.stem}_preds.json")


def prompts_path(record: Path) -> Path:
    """Return the path of the prompts of a record."""
    return record.with_name(f"{record.stem}_prompts.json")


def neighbors_path(record: Path) -> Path:
    """Return the path of the neighbours of a record, one file for all k."""
    return record.with_name(f"{record.stem.rpartition('_')[0]}_neighbors.json")
