"""Records that the original MINERS wrote: four metrics in a file, whose path tells the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.data.registry import DATASETS
from utils.generators.registry import GENERATORS
from utils.records.checks import is_fraction, is_whole
from utils.records.result import LoggedResult

METRICS = ("acc", "prec", "rec", "f1")
SETTINGS: dict[str, Any] = {
    "similarity": "euclidean",
    "legacy": True,
}  # how the original computes; its files say neither


def is_original(result: LoggedResult) -> bool:
    """Return whether a record is the original's: it has no provenance."""
    return "run" not in result.body


def original_result(
    path: Path, folders: Sequence[str], match: re.Match[str], content: Mapping[str, Any]
) -> LoggedResult | None:
    """Return a file of metrics as a result, or None where it is not the original's.

    path: the file. folders: the folders between the root of the logs and the file, which are
    `<run>/<dataset>/<model>/seed_<n>`. match: subset and k in the file's name. content: the file's JSON object.
    """
    start = next((index for index, part in enumerate(folders) if any(part in rows for rows in DATASETS.values())), None)
    if start is None or not re.fullmatch(r"seed_\d+", folders[-1]) or start + 1 >= len(folders) - 1:
        return None
    metrics = {name: float(content[name]) for name in METRICS if is_fraction(content.get(name))}
    k, seed = int(match["k"]), int(folders[-1].removeprefix("seed_"))
    if len(metrics) != len(METRICS) or not is_whole(k) or not is_whole(seed):
        return None
    model = "/".join(folders[start + 1 : -1])
    run = _run_of(folders[:start])
    return LoggedResult(path, folders[start], model, match["subset"], k, seed, metrics, run, content)


def _run_of(folders: Sequence[str]) -> dict[str, Any]:
    """Return the task and its settings, as far as the names of the folders tell them."""
    for place, part in enumerate(folders):
        if part.startswith("save_bitext"):
            return {"task": "bitext"}
        if part.startswith("save_icl"):
            return _icl_run_of(folders[place:])
        if match := re.fullmatch(r"save_classification(?:_cross_(.+))?", part):
            return {"task": "classification", "cross": match[1] is not None, "train_lang": match[1]}
    return {}


def _icl_run_of(folders: Sequence[str]) -> dict[str, Any]:
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


def task_of(result: LoggedResult) -> str:
    """Return the task of a file whose path does not tell it: bitext where the subset is one of a bitext data set's."""
    spec = DATASETS["bitext"].get(result.dataset)
    return "bitext" if spec is not None and result.subset in spec.subsets else "classification"


def pair_of(result: LoggedResult) -> tuple[str, str] | None:
    """Return the source and the target language in the subset's name, or None where it is not a bitext record."""
    bitext = result.run.get("task") in (None, "bitext") and result.dataset in DATASETS["bitext"]
    src_lang, separator, tgt_lang = result.subset.partition("_")
    return (src_lang, tgt_lang) if bitext and separator and "_" not in tgt_lang else None


def generator_and_encoder(result: LoggedResult) -> tuple[Mapping[str, Any], str]:
    """Return the generator of a generative record and the name of its encoder, whoever wrote it.

    The original's folders are the generator's name and the encoder's; the encoder is empty where the generator is none
    that is known.
    """
    model = result.plain_model
    if generator := result.run.get("generator"):
        return generator, model
    name = next((name for name in GENERATORS if model.startswith(f"{name}/")), None)
    encoder = model.removeprefix(f"{name}/") if name else ""
    return {"name": name or model, "quantization": result.run.get("quantization")}, encoder
