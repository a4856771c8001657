"""Mined pairs as a file: tab-separated lines, JSON lines or Parquet, written as a whole or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from utils.files import open_atomic, writable
from utils.progress import bar

if TYPE_CHECKING:
    from utils.mining.pairing import MinedPairs
    from utils.mining.text_store import TextStore

FORMATS = ("tsv", "jsonl", "parquet")
ROWS = 16_384  # pairs whose texts are in memory at once
FIELD_ENDS = re.compile(r"[\t\r\n]+")
COLUMNS = ("score", "source", "target", "source_id", "target_id")


def write_pairs(
    path: Path, kind: str, pairs: MinedPairs, source: TextStore, target: TextStore, *, is_lexicon: bool = False
) -> None:
    """Write pairs with their texts, in their order.

    tsv: score, source and target, where tabs and line ends within a text become a blank. jsonl and parquet: the ids
    as well. is_lexicon: tsv has the columns source, target and score, and their names in the first line.
    Raises UserError where the file cannot be written.
    """
    with open_atomic(path) as file:
        if kind == "parquet":
            _write_parquet(file, pairs, source, target)
            return
        if kind == "tsv" and is_lexicon:
            file.write(b"source\ttarget\tscore\n")
        line = _json_line if kind == "jsonl" else _lexicon_line if is_lexicon else _tsv_line
        for rows in _parts(pairs, source, target):
            file.write("".join(map(line, rows)).encode())


Row = tuple[float, str, str, str, str]


def _parts(pairs: MinedPairs, source: TextStore, target: TextStore) -> Iterator[list[Row]]:
    """Yield the rows of some pairs at a time: score, texts and ids."""
    with bar(len(pairs), "writing", "pairs") as advance:
        for start in range(0, len(pairs), ROWS):
            some = pairs.select(slice(start, start + ROWS))
            columns = [store.texts(numbers) for store, numbers in ((source, some.sources), (target, some.targets))]
            columns += [store.ids(numbers) for store, numbers in ((source, some.sources), (target, some.targets))]
            texts = [[writable(text)[0] for text in column] for column in columns]
            yield list(zip(map(rounded, some.scores), *texts, strict=True))
            advance(len(some))


def rounded(score: float) -> float:
    """Return a float32 score as the shortest decimal that stands for it."""
    return float(str(score))


def _tsv_line(row: Row) -> str:
    return "\t".join((f"{row[0]:.6f}", *(FIELD_ENDS.sub(" ", text) for text in row[1:3]))) + "\n"


def _lexicon_line(row: Row) -> str:
    return "\t".join((*(FIELD_ENDS.sub(" ", text) for text in row[1:3]), f"{row[0]:.6f}")) + "\n"


def _json_line(row: Row) -> str:
    return json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False) + "\n"


def _write_parquet(file: IO[bytes], pairs: MinedPairs, source: TextStore, target: TextStore) -> None:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    schema = pa.schema([("score", pa.float32()), *((name, pa.string()) for name in COLUMNS[1:])])
    with ParquetWriter(file, schema) as writer:
        for rows in _parts(pairs, source, target):
            columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
            writer.write_table(pa.table({name: list(values) for name, values in columns.items()}, schema=schema))
