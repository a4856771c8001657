"""Paths of records and of the files that belong to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from utils.schema import EncoderSpec

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


def record_path(folder: Path, subset: str, k: int) -> Path:
    """Return the path of the record of one subset and k."""
    return folder / f"eval_{_clean(subset)}_{k}.json"


def predictions_path(record: Path) -> Path:
    """Return the path of the predictions of a record."""
    return record.with_name(f"{record.stem}_preds.json")
