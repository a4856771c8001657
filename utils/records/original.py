"""Records that the original MINERS wrote, placed by their paths."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.data.registry import DATASETS
from utils.generators.registry import GENERATORS
from utils.records.result import LoggedResult

ORIGINAL_METRICS = ("acc", "prec", "rec", "f1")


def _original_result(
    path: Path, folders: Sequence[str], match: re.Match[str], content: Mapping[str, Any]
) -> LoggedResult | None:
    start = next((index for index, part in enumerate(folders) if any(part in rows for rows in DATASETS.values())), None)
    if start is None or not re.fullmatch(r"seed_\d+", folders[-1]) or start + 1 >= len(folders) - 1:
        return None
    metrics = {name: float(content[name]) for name in ORIGINAL_METRICS if isinstance(content.get(name), int | float)}
    if len(metrics) != len(ORIGINAL_METRICS):
        return None
    model = "/".join(folders[start + 1 : -1])
    seed = int(folders[-1].removeprefix("seed_"))
    run = _original_run(folders[:start])
    return LoggedResult(path, folders[start], model, match["subset"], int(match["k"]), seed, metrics, run, content)


def _original_icl_run(folders: Sequence[str]) -> dict[str, Any]:
    match = re.fullmatch(r"save_icl(_8bit)?(?:_cross_([^_]+(?:_Latn)?))?(_balance)?(_percentile)?", folders[0])
    if match is None:
        return {"task": "icl"}
    band = re.fullmatch(r"(\d+)_(\d+)", folders[1]) if match[4] and len(folders) > 1 else None
    return {
        "task": "icl",
        "cross": match[2] is not None,
        "train_lang": match[2],
        "balance": bool(match[3]),
        "quantization": "8bit" if match[1] else "",
        "min_percentile": int(band[1]) if band else None,
        "max_percentile": int(band[2]) if band else None,
    }


def _original_run(folders: Sequence[str]) -> dict[str, Any]:
    """Read the task, and the training language of a cross-lingual run, off the original's folder names."""
    for part in folders:
        if part.startswith("save_bitext"):
            return {"task": "bitext"}
        if part.startswith("save_icl"):
            return _original_icl_run(folders[folders.index(part) :])
        if match := re.fullmatch(r"save_classification(?:_cross_(.+))?", part):
            return {"task": "classification", "cross": match[1] is not None, "train_lang": match[1]}
    return {}


def generator_and_encoder(model: str) -> tuple[str, str]:
    """Return the two names in the folders of an original's ICL file; the encoder is empty where none is told apart."""
    name = next((name for name in GENERATORS if model.startswith(f"{name}/")), None)
    return (name, model.removeprefix(f"{name}/")) if name else (model, "")
