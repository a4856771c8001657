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
from utils.records.columns import SIDES
from utils.records.paths import neighbors_path, predictions_path, prompts_path
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
    """Yield (place, found, expected) for each difference of two JSON values, as deep as their structure is the same.

    What only `found` has differs in an encoder, where a plain value may be left out.
    """
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in {**expected, **(found if path.startswith("encoders[") else {})}:
            yield from differences(found.get(key), expected.get(key), f"{path}.{key}" if path else key)
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for index, pair in enumerate(zip(found, expected, strict=True)):
            yield from differences(*pair, f"{path}[{index}]")
    elif found != expected:
        yield path, found, expected


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else text[:157] + "..."


def write_record(
    path: Path, record: RunRecord, predictions: Mapping[str, Any], prompts: Mapping[str, Any] | None
) -> None:
    """Write one record with its predictions and prompts.

    The record is written last, since it marks the work as done.
    """
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
        write_json(prompts_path(path), prompts)
    write_json(path, body, indent=2)


def write_neighbors(record: Path, results: Mapping[str, TopK], identity: Mapping[str, Any]) -> None:
    """Write the neighbours' indices and scores per direction, and the identity of the records that they belong to.

    A file with the same settings and at least as many neighbours is kept.
    """
    path, settings = neighbors_path(record), _hash_of(identity)
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
    write_json(path, {**content, "of": {"tag": None, **identity}})


def read_neighbors(record: Path, identity: Mapping[str, Any]) -> dict[str, TopK]:
    """Return what `write_neighbors` wrote, by direction; empty where there is no file of these settings."""
    import numpy as np

    path = neighbors_path(record)
    there = read_json(path) if path.is_file() else None
    if there is None or there.get("settings") != _hash_of(identity):
        return {}
    sides = {side: there[side] for side in SIDES if isinstance(there.get(side), dict)}
    return {
        side: TopK(np.array(one["indices"], dtype=np.int64), np.array(one["scores"], dtype=np.float32))
        for side, one in sides.items()
    }


def _hash_of(identity: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]
