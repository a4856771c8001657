"""Writing records of made-up figures, for the tests of what reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from utils.records import store
from utils.records.paths import record_path
from utils.schema import RunRecord


def write_record(
    folder: Path,
    subset: str,
    record: RunRecord,
    predictions: Mapping[str, Any],
    prompts: Mapping[str, Any] | None = None,
) -> Path:
    """Write one record with its predictions and prompts to its usual place in a folder, and return its path."""
    path = record_path(folder, subset, record.k)
    store.write_record(path, record, predictions, prompts)
    return path
