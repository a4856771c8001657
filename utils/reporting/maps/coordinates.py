"""Write and read projected texts: a table (Parquet and CSV) and its record with the provenance (docs/pictures.md)."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from utils.data.csv_text import csv_text
from utils.data.points import Points
from utils.errors import UserError
from utils.files import read_json, writable, write_atomic, write_json
from utils.records import store

COLUMNS = ("x", "y", "lang", "family", "script", "label", "sample", "split", "text")


def claim(stem: Path) -> None:
    """Create the folder of the files and check that it can be written, before the computation starts.

    Raises UserError where it cannot.
    """
    import tempfile

    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=stem.parent):
            pass
    except OSError as error:
        raise _unwritable(stem, error) from error


def _unwritable(stem: Path, error: OSError) -> UserError:
    return UserError(f"{stem.parent} cannot be written ({error.strerror})", "name another folder: --output_dir")


def write(stem: Path, points: Points, xy: npt.NDArray[np.float32], split: str, record: Mapping[str, Any]) -> None:
    """Write `<stem>.csv`, `.parquet` and, last, `.json`, each atomically; the record marks the work as done.

    Raises UserError where the folder cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = _table(points, xy, split)
    packed = io.BytesIO()
    pq.write_table(pa.table({**table, "x": xy[:, 0], "y": xy[:, 1]}), packed)
    body = {**record, "table_sha256": hashlib.sha256(packed.getvalue()).hexdigest()}
    try:
        write_atomic(_with(stem, "csv"), _csv(table))
        write_atomic(_with(stem, "parquet"), packed.getvalue())
        write_json(_with(stem, "json"), body, indent=2)
    except OSError as error:
        raise _unwritable(stem, error) from error


def read(
    stem: Path, identity: Mapping[str, Any], *, overwrite: bool
) -> tuple[Points, npt.NDArray[np.float32], dict[str, Any]] | None:
    """Return points, coordinates (n, 2) and record of equal settings; None where they are missing or damaged.

    Raises UserError where the files have other settings, unless they may be overwritten.
    """
    record = _with(stem, "json")
    other = None if overwrite else store.other_settings(record, identity)
    if other:
        raise UserError(
            f"{record} has other settings ({other})", "use another --output_dir, or --overwrite to replace it"
        )
    if other is None:
        return None
    body = read_json(record) or {}
    try:
        content = _with(stem, "parquet").read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest() != body.get("table_sha256"):
        return None
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(pa.BufferReader(content)).to_pydict()
    texts, langs, labels, samples = (tuple(table[name]) for name in ("text", "lang", "label", "sample"))
    xy = np.column_stack([table["x"], table["y"]]).astype(np.float32)
    return Points(texts, langs, labels, samples, body["not_parallel"]), xy, body


def _table(points: Points, xy: npt.NDArray[np.float32], split: str) -> dict[str, Any]:
    columns = points.columns()
    shortest = [[float(str(value)) for value in axis] for axis in xy.T]  # the digits of float32, not of float64
    values = (
        *(*shortest, points.langs, columns["family"], columns["script"], points.labels, points.samples),
        *([split] * len(points.texts), [writable(text)[0] for text in points.texts]),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _csv(table: Mapping[str, Any]) -> bytes:
    return csv_text([COLUMNS, *zip(*(table[name] for name in COLUMNS), strict=True)]).encode()


def _with(stem: Path, ending: str) -> Path:
    return stem.with_name(f"{stem.name}.{ending}")
