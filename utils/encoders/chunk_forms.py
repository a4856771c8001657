"""How rows of each kind are kept in a chunk of the cache: an array of items, and each row's number of them.

Dense rows are their own items. The items of rows of several vectors are the vectors, and those of sparse rows pairs of
a column and a value.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from utils.retrieval.mapped_rows import blocks, new_rows
from utils.retrieval.token_rows import TokenRows, offsets_of

Ints = npt.NDArray[np.int64]
PAIRS = np.dtype([("column", "<i4"), ("value", "<f4")])


class ChunkForm(ABC):
    """How the rows of one kind of encoder are kept."""

    dtype: np.dtype[Any]
    n_axes: int  # of the array of items
    is_ragged: bool  # whether rows have different numbers of items

    @abstractmethod
    def pack(self, rows: Any) -> tuple[npt.NDArray[Any], Ints | None]:
        """Return the items of rows, and the number of each row's items where they differ."""

    @abstractmethod
    def unpack(self, items: npt.NDArray[Any], lengths: Ints | None, width: int, folder: Path | None = None) -> Any:
        """Return the rows of what `pack` returned; they have `width` columns.

        Copies that are too large for memory are in a file of the folder (`new_rows`).
        """

    def values(self, items: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return the numbers of items, which have to be finite."""
        return items

    def is_whole(self, items: npt.NDArray[Any], lengths: Ints | None) -> bool:
        """Return whether these are items of this form, and as many as the rows have together."""
        fits = items.dtype == self.dtype and items.ndim == self.n_axes
        return fits and (not self.is_ragged or (lengths is not None and int(lengths.sum()) == len(items)))


class DenseForm(ChunkForm):
    """Rows (n, d) of one float32 vector each."""

    dtype, n_axes, is_ragged = np.dtype(np.float32), 2, False

    def pack(self, rows: Any) -> tuple[npt.NDArray[Any], Ints | None]:
        """Return the rows."""
        return np.ascontiguousarray(rows, dtype=np.float32), None

    def unpack(self, items: npt.NDArray[Any], lengths: Ints | None, width: int, folder: Path | None = None) -> Any:
        """Return the items."""
        return items


class TokenForm(ChunkForm):
    """Rows of several float32 vectors each (TokenRows)."""

    dtype, n_axes, is_ragged = np.dtype(np.float32), 2, True

    def pack(self, rows: Any) -> tuple[npt.NDArray[Any], Ints | None]:
        """Return the vectors and the number of each row's."""
        return np.ascontiguousarray(rows.vectors, dtype=np.float32), rows.lengths

    def unpack(self, items: npt.NDArray[Any], lengths: Ints | None, width: int, folder: Path | None = None) -> Any:
        """Return the rows."""
        assert lengths is not None
        return TokenRows(items, offsets_of(lengths))


class SparseForm(ChunkForm):
    """Sparse rows (n, d): csr_array of scipy with float32 values."""

    dtype, n_axes, is_ragged = PAIRS, 1, True

    def pack(self, rows: Any) -> tuple[npt.NDArray[Any], Ints | None]:
        """Return pairs of columns and values, and the number of each row's."""
        items = np.empty(rows.nnz, dtype=PAIRS)
        items["column"], items["value"] = rows.indices, rows.data
        return items, np.diff(rows.indptr).astype(np.int64)

    def unpack(self, items: npt.NDArray[Any], lengths: Ints | None, width: int, folder: Path | None = None) -> Any:
        """Return the rows."""
        from scipy.sparse import csr_array

        assert lengths is not None
        values, columns = (new_rows((len(items),), folder, PAIRS[name]) for name in ("value", "column"))
        for part in blocks(items, values, columns):
            values[part], columns[part] = items["value"][part], items["column"][part]
        return csr_array((values, columns, offsets_of(lengths)), shape=(len(lengths), width))

    def values(self, items: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return the values of pairs."""
        found: npt.NDArray[np.float32] = items["value"]
        return found


DENSE, TOKENS, SPARSE = DenseForm(), TokenForm(), SparseForm()


def digest(items: npt.NDArray[Any], lengths: Ints | None, width: int) -> str:
    """Return the hash of a chunk's content, which is the name of its file."""
    found = hashlib.sha256(items.tobytes())
    if lengths is not None:
        found.update(np.append(lengths, width).tobytes())
    return found.hexdigest()[:32]
