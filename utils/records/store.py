"""Writing records, and finding out whether a record with the same settings is there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from utils.errors import warn
from utils.files import read_json, writable, write_json
from utils.records.checks import is_whole
from utils.records.paths import predictions_path, record_path
from utils.schema import RunRecord, TopK

SHOWN = 3  # differing settings named in a note


def run_fault(content: Mapping[str, Any]) -> str:
    """Return what is wrong with the provenance in a file's content; empty where it is an object."""
    return "" if isinstance(content["run"], dict) else "its run is no object"


def other_settings(
    path: Path, identity: Mapping[str, Any], fault_of: Callable[[Mapping[str, Any]], str] = run_fault
) -> str | None:
    """Return why the file at a record's place is another one: it has other settings, or is no record of this suite.

    An empty text stands for the record itself, None for no file, or one that is broken: `fault_of` returns what is
    wrong with its content, which is told once.
    """
    content = read_json(path) if path.is_file() else None
    if content is None:
        return None
    if "run" not in content:
        return "it is not a record of this suite"
    if fault := fault_of(content):
        _tell_of(path, fault)
        return None
    whole = {"tag": None, **identity}  # a record without a tag has no such key
    expected = json.loads(writable(json.dumps(whole, ensure_ascii=False))[0])
    differing = list(differences({key: content["run"].get(key) for key in expected}, expected))
    shown = "; ".join(f"{key}: {_short(before)}, now {_short(now)}" for key, before, now in differing[:SHOWN])
    return shown + (f"; and {len(differing) - SHOWN} more" if len(differing) > SHOWN else "")


@lru_cache
def _tell_of(path: Path, fault: str) -> None:
    warn(f"{path} is broken and computed again: {fault}")


def differences(found: Any, expected: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield (place, found, expected) for each difference of two JSON values, as deep as their structure is the same."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in expected:
            yield from differences(found.get(key), expected[key], f"{path}.{key}" if path else key)
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for index, pair in enumerate(zip(found, expected, strict=True)):
            yield from differences(*pair, f"{path}[{index}]")
    elif found != expected:
        yield path, found, expected


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else text[:157] + "..."


def write_record(
    folder: Path,
    subset: str,
    record: RunRecord,
    predictions: Mapping[str, Any],
    prompts: Mapping[str, Any] | None = None,
) -> Path:
    """Write one record with its predictions and prompts, and return its path.

    The record is written last, since it marks the work as done.
    """
    path = record_path(folder, subset, record.k)
    body = {
        **record.metrics,
        "n": record.n,
        "k": record.k,
        "ci95": dict(record.ci95),
        **record.details,
        "run": dict(record.run),
    }
    write_json(predictions_path(path), predictions)
    if prompts is not None:
        write_json(path.with_name(f"{path.stem}_prompts.json"), prompts)
    write_json(path, body, indent=2)
    return path


def write_neighbors(folder: Path, subset: str, results: Mapping[str, TopK], identity: Mapping[str, Any]) -> None:
    """Write the neighbours' indices and scores per direction.

    A file with the same settings and at least as many neighbours is kept.
    """
    path, settings = _neighbors_file(folder, subset, identity)
    k = max(result.indices.shape[1] for result in results.values())
    there = read_json(path) if path.is_file() else None
    if there is not None and there.get("settings") == settings and is_whole(there.get("k")) and there["k"] >= k:
        return
    content: dict[str, Any] = {"settings": settings, "k": k}
    for direction, result in results.items():
        shortest = [
            [float(str(score)) for score in row] for row in result.scores
        ]  # the digits of float32, not of float64
        content[direction] = {"indices": result.indices.tolist(), "scores": shortest}
    write_json(path, content)


def read_neighbors(folder: Path, subset: str, identity: Mapping[str, Any]) -> dict[str, TopK]:
    """Return what `write_neighbors` wrote, by direction; empty where there is no file of these settings."""
    import numpy as np

    path, settings = _neighbors_file(folder, subset, identity)
    there = read_json(path) if path.is_file() else None
    if there is None or there.get("settings") != settings:
        return {}
    sides = {side: one for side, one in there.items() if isinstance(one, dict)}
    return {
        side: TopK(np.array(one["indices"], dtype=np.int64), np.array(one["scores"], dtype=np.float32))
        for side, one in sides.items()
    }


def _neighbors_file(folder: Path, subset: str, identity: Mapping[str, Any]) -> tuple[Path, str]:
    """Return the path of the neighbours, one file for all k, and the hash of the settings that it has."""
    path = record_path(folder, subset, 0)
    settings = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]
    return path.with_name(path.name.replace("_0.json", "_neighbors.json")), settings
