"""Rows of a query, its positives and its negatives as a file, as FlagEmbedding and `retrieval.py` read them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.files import open_atomic, writable
from utils.mining.output import rounded

if TYPE_CHECKING:
    from utils.mining.choosing import PairRow
    from utils.mining.text_store import TextStore


def write_rows(
    path: Path, kind: str, parts: Iterable[list[PairRow]], texts: TextStore, *, with_scores: bool = False
) -> None:
    """Write rows `{"query", "pos", "neg"}` in their order, with the cosines as `pos_scores` and `neg_scores`.

    Raises UserError where the file cannot be written.
    """
    with open_atomic(path) as file:
        if kind == "jsonl":
            for part in parts:
                rows = _with_texts(part, texts, with_scores)
                file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
            return
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter

        columns = {"query": pa.string(), "pos": pa.list_(pa.string()), "neg": pa.list_(pa.string())}
        if with_scores:
            columns |= {"pos_scores": pa.list_(pa.float32()), "neg_scores": pa.list_(pa.float32())}
        schema = pa.schema(list(columns.items()))
        with ParquetWriter(file, schema) as writer:
            for part in parts:
                writer.write_table(pa.Table.from_pylist(list(_with_texts(part, texts, with_scores)), schema))


def _with_texts(rows: list[PairRow], texts: TextStore, with_scores: bool) -> Iterator[dict[str, Any]]:
    """Yield rows with their texts, each of which is read once."""
    numbers = np.unique(np.concatenate([[row.query, *row.pos, *row.neg] for row in rows] or [[]]).astype(np.int64))
    known = dict(zip(numbers.tolist(), (writable(text)[0] for text in texts.texts(numbers)), strict=True))
    for row in rows:
        found: dict[str, Any] = {
            "query": known[row.query],
            "pos": [known[text] for text in row.pos.tolist()],
            "neg": [known[text] for text in row.neg.tolist()],
        }
        if with_scores:
            found["pos_scores"] = [rounded(score) for score in row.pos_scores.astype(np.float32)]
            found["neg_scores"] = [rounded(score) for score in row.neg_scores.astype(np.float32)]
        yield found
