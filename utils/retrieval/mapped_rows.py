"""Rows that are too large for memory: a temporary file holds them, and readers let go of what they have read."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from utils.errors import note

LARGE = 1 << 28  # bytes of an array from which it is in a file
BLOCK = 1 << 26  # bytes that are read at once


def new_rows(shape: Sequence[int], folder: Path | None, dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
    """Return an array (n, ...) that is yet to be filled.

    From 256 MiB on, a temporary file in the folder holds it (None: in the system's folder for such files), which has no
    name and disappears with the array. Where the disk has no room for it, the array is in memory, and a note says so.
    """
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    if n_bytes < LARGE:
        return np.empty(shape, dtype)
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # otherwise a disk that becomes full kills the process
                os.posix_fallocate(file.fileno(), 0, n_bytes)
            else:
                file.truncate(n_bytes)
            return np.asarray(np.memmap(file, dtype, "r+", shape=tuple(shape)))
    except OSError as error:
        place = folder or tempfile.gettempdir()
        note(f"{n_bytes / 2**30:.1f} GiB of vectors are kept in memory, as {place} cannot hold them ({error.strerror})")
        return np.empty(shape, dtype)


def is_mapped(rows: Any) -> bool:
    """Return whether a file holds an array, or the array that it is a view of."""
    return _file_of(rows) is not None


def release(rows: Any) -> None:
    """Give back the memory of the pages of a mapped file that have been read; what is read again comes from the file.

    Other arrays stay as they are, and so do maps whose changes are not written to the file.
    """
    mapped = _file_of(rows)
    if mapped is not None and mapped.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
        mapped._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def blocks(*sides: Any, size: int | None = None) -> Iterator[slice]:
    """Yield slices of rows (n, ...) of up to `size` bytes (64 MiB), and release what is mapped after each.

    sides: arrays of n rows each, which are read or written together.
    """
    widest = max(math.prod(rows.shape[1:]) * rows.dtype.itemsize for rows in sides)
    step = max(1, (size or BLOCK) // max(widest, 1))
    for start in range(0, len(sides[0]), step):
        yield slice(start, start + step)
        for rows in sides:
            release(rows)


def _file_of(rows: Any) -> np.memmap[Any, Any] | None:
    while isinstance(rows, np.ndarray):
        if isinstance(rows, np.memmap) and getattr(rows, "_mmap", None) is not None:
            return rows
        rows = rows.base
    return None
