"""Collections: every format and compression gives the same rows; what cannot be read is an error in two lines."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from utils.data.text_files import _broken
from utils.errors import UserError
from utils.mining.collections import Collection, Row, find_files

TEXTS = ["Ein Satz.", "  zwei\u2028Zeilen ", "", "五", 'mit "Zitat", Komma']
ROWS: list[Row] = [Row(f"a{number}", text) for number, text in enumerate(TEXTS)]
GZ, XZ = gzip.compress(b"x\n" * 9999, mtime=0), lzma.compress(b"x\n" * 9999)
SPOILED_GZ, SPOILED_XZ = GZ[:10] + b"\xff" * 20 + GZ[30:], XZ[:30] + b"\xff" * 20 + XZ[50:]


def rows_of(*files: Path, text: str | None = None, key: str | None = None, group: str | None = None) -> list[Row]:
    return list(Collection("source", files, text, key, group).rows())


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, "zstd", asbytes=True))


@pytest.mark.parametrize(
    ("ending", "compress"),
    [("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), (".zst", zstd)],
)
def test_lines_and_json_lines_are_read_from_compressed_files(tmp_path: Path, ending: str, compress: object) -> None:
    assert callable(compress)
    plain, lines = tmp_path / f"a.txt{ending}", tmp_path / f"a.jsonl{ending}"
    plain.write_bytes(compress("\ufeff".encode() + "".join(f"{text}\r\n" for text in TEXTS).encode()))
    lines.write_bytes(compress("".join(json.dumps({"id": key, "text": text}) + "\n" for key, text, _ in ROWS).encode()))
    assert rows_of(plain) == [Row(None, text) for text in TEXTS]
    assert rows_of(lines) == ROWS


def test_tables_are_read_by_name_and_by_number(tmp_path: Path) -> None:
    tsv, csv, columns = tmp_path / "a.tsv", tmp_path / "a.csv", tmp_path / "bucc.de"
    tsv.write_text("text\tlang\tid\n" + "".join(f"{text}\tde\t{key}\n" for key, text, _ in ROWS), encoding="utf-8")
    quoted = "".join(f'{key},"{(text or "").replace(chr(34), chr(34) * 2)}"\n' for key, text, _ in ROWS)
    csv.write_text("key,sentence\n" + quoted, encoding="utf-8")
    columns.write_text("".join(f"{key}\t{text}\n" for key, text, _ in ROWS), encoding="utf-8")
    parquet.write_table(pa.table({"id": ["a0", None], "text": ["x", None]}), tmp_path / "a.parquet")
    assert rows_of(tsv) == ROWS
    assert rows_of(csv, text="sentence", key="key") == ROWS
    assert rows_of(columns, text="2", key="1") == ROWS
    assert rows_of(columns, text="1") == [Row(None, key) for key, *_ in ROWS]
    assert rows_of(tmp_path / "a.parquet") == [Row("a0", "x"), Row(None, "")]


def test_groups_are_read_in_every_format_and_an_empty_one_is_none(tmp_path: Path) -> None:
    expected = [Row(None, "x", "7"), Row(None, "y"), Row(None, "z", "7")]
    values = [("x", "7"), ("y", ""), ("z", "7")]
    (tmp_path / "a.tsv").write_text("item\ttext\n" + "".join(f"{group}\t{text}\n" for text, group in values))
    (tmp_path / "a.txt").write_text("".join(f"{text}\t{group}\n" for text, group in values))
    rows = [{"text": text, "item": int(group) if group else None} for text, group in values]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    for name in ("a.tsv", "a.jsonl", "a.parquet"):
        assert rows_of(tmp_path / name, group="item") == expected
    assert rows_of(tmp_path / "a.txt", group="2") == expected
    with pytest.raises(UserError, match="no column 'items'"):
        rows_of(tmp_path / "a.jsonl", group="items")


def test_blank_groups_and_nan_are_none_and_equal_numbers_are_one_group(tmp_path: Path) -> None:
    values = ["NaN", '" "', "null", "1", "1.0", '"1"', '"1.0"', '"1.5"', '"nan"', '"a "', "-2.00"]
    lines = [f'{{"text": "x", "item": {value}}}' for value in values]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    found = [row.group for row in rows_of(tmp_path / "a.jsonl", group="item")]
    assert found == [None, None, None, "1", "1", "1", "1", "1.5", None, "a", "-2"]


def test_a_quoted_text_of_csv_may_have_several_lines(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text\n"one\ntwo"\nthree\n', encoding="utf-8")
    assert rows_of(tmp_path / "a.csv") == [Row(None, "one\ntwo"), Row(None, "three")]
    (tmp_path / "a.csv").write_text('text\nthree\n"one\ntwo"', encoding="utf-8")
    assert rows_of(tmp_path / "a.csv") == [Row(None, "three"), Row(None, "one\ntwo")]


def test_folders_and_patterns_are_sorted_and_each_file_counts_once(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt.gz", "notes.pdf", ".hidden.txt", "in/c.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = find_files([str(tmp_path), str(tmp_path / "*.txt")], "source")
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a.txt.gz", "b.txt", "in/c.jsonl"]


@pytest.mark.parametrize(
    ("name", "content", "column", "message"),
    [
        ("a.txt", b"good\n\xff\n", None, "a.txt is not in UTF-8: line 2 has the byte 0xFF"),
        ("a.txt.gz", b"no gzip", None, "a.txt.gz cannot be decompressed"),
        ("a.txt.zst", b"no zstd", None, "a.txt.zst cannot be decompressed"),
        ("a.txt.gz", gzip.compress(b"x\n" * 9999, mtime=0)[:-9], None, "a.txt.gz cannot be decompressed"),
        ("a.txt.xz", b"no xz", None, "a.txt.xz cannot be decompressed"),
        ("a.txt.xz", SPOILED_XZ, None, "a.txt.xz cannot be decompressed"),
        ("a.txt.gz", SPOILED_GZ, None, "a.txt.gz cannot be decompressed"),
        ("a.txt", b"a\tb\n", "\u00b2", "there is no '\u00b2'"),
        ("a.txt", b"a\tb\n", "3", "a.txt: line 1 has 2 fields, and no field 3"),
        ("a.txt", b"a\tb\n", "sentence", "there is no 'sentence'"),
        ("a.tsv", b"id\tsentence\n", None, "a.tsv has no column 'text'"),
        ("a.tsv", b"id\ttext\nx\n", None, "a.tsv: row 2 has 1 field, but the first 2"),
        ("a.jsonl", b'{"text": "x"}\nno\n', None, "a.jsonl: line 2 is not JSON"),
        ("a.jsonl", b'{"text": 1}\n', None, "a.jsonl: row 1 has 1 for a text"),
        ("a.jsonl", b'{"text": "x"}\n', "texts", "a.jsonl has no column 'texts'"),
        ("a.parquet", b"x", None, "a.parquet cannot be read as parquet"),
        ("a.txt", "x\n".encode("utf-16"), None, "a.txt is in UTF-16, not in UTF-8"),
        ("a.txt", "some text\nx\n".encode("utf-16-le"), None, "a.txt is in UTF-16LE, not in UTF-8"),
        ("a.txt", "x\na caf\xe9\n".encode("latin-1"), None, "but, it seems, in Latin-1 or Windows-1252: line 2 has"),
        ("a.txt", b"x\na\0b\n", None, "a.txt is no text: line 2 has bytes of value 0"),
        ("a.txt", b"one\rtwo\rthree\r", None, "a.txt: its lines end with carriage returns alone"),
        ("a.csv", b'text\nx\n"one\ntwo\n', None, "a quotation mark that opens in line 3 or later is not closed"),
    ],
)
def test_what_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: bytes, column: str | None, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as error:
        rows_of(tmp_path / name, text=column)
    assert message in error.value.what and error.value.hint


def test_a_path_to_nothing_is_an_error(tmp_path: Path) -> None:
    for pattern in ("none.txt", "*.txt", "."):
        with pytest.raises(UserError, match="--target"):
            find_files([str(tmp_path / pattern)], "target")


def test_a_pattern_that_is_none_and_a_column_that_is_there_twice_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--target a\*\*b: no pattern of files"):
        find_files(["a**b"], "target")
    twice = pa.Table.from_arrays([pa.array(["x"]), pa.array(["y"])], names=["text", "text"])
    parquet.write_table(twice, tmp_path / "a.parquet")
    with pytest.raises(UserError, match="has 2 columns 'text'"):
        rows_of(tmp_path / "a.parquet")


def test_a_long_window_of_zstandard_is_no_broken_file() -> None:
    error = _broken(Path("a b.txt.zst"), OSError("ZSTD decompress failed: Frame requires too much memory for decoding"))
    assert error.hint.endswith("unpack it by zstd -d --long=31 'a b.txt.zst' -o 'a b.txt'")
