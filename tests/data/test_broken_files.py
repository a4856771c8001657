"""Files of every format, broken at random places: each is read, or refused with a hint, without another error."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from utils.data.bitext import bitext_pairs, load_bitext
from utils.data.classification import load_labeled
from utils.data.own_bitext import find_bitext
from utils.data.own_labeled import find_labeled
from utils.data.sources import Sources
from utils.data.tables import read_table
from utils.errors import UserError

PIECES = (
    *(b'"', b"\r", b"\n", b"\0", b"\xff", b"\xfe\xff", b"\t", b",", b";", b"[", b"{", b"NaN", b"1e999", b"null"),
    *(b"\\ud800", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"9" * 5000, b"[" * 9999),
)
N_FILES = 60  # of each format


def whole_files() -> dict[str, bytes]:
    """Return a whole file of each format, by its name."""
    lines = [f'"a ""{row}"" b"\t{row % 2}\tl{row % 3}\t{("train", "test")[row % 2]}\n' for row in range(12)]
    tsv = "text\tlabel\tlang\tsplit\n" + "".join(lines)
    csv = tsv.replace("\t", ",").encode()
    rows = [f'{{"text": "a {row} \\ud83d\\ude00", "label": {row % 2}, "lang": {row % 3}}}\n' for row in range(12)]
    parquet, archive = io.BytesIO(), io.BytesIO()
    pq.write_table(pa.table({"text": ["a", "b"] * 9, "label": [1, 2] * 9}), parquet)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("own.csv", csv)
    return {
        "own.tsv": tsv.encode(),
        "own.csv": csv,
        "own.jsonl": "".join(rows).encode(),
        "own.parquet": parquet.getvalue(),
        "own.csv.gz": gzip.compress(csv, mtime=0),
        "own.zip": archive.getvalue(),
    }


def broken(content: bytes, draw: random.Random) -> bytes:
    """Return a file with something put in, taken out or cut off at up to four places."""
    made = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(made) + 1)
        how = draw.choice(("put in", "take out", "cut off"))
        if how == "put in":
            made[place:place] = draw.choice(PIECES)
        elif how == "take out":
            del made[place : place + draw.randint(1, 20)]
        else:
            del made[max(place, len(made) // 2) :]
    return bytes(made)


@pytest.mark.parametrize("name", whole_files())
def test_a_broken_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    draw, path, where = random.Random(name), tmp_path / name, Sources(None, tmp_path)
    ends = {"read": 0, "refused": 0}
    for _ in range(N_FILES):
        path.write_bytes(broken(whole_files()[name], draw))
        read_table.cache_clear()
        flags = {"no_header": draw.random() < 0.3, "strict": draw.random() < 0.3}
        for task in ("bitext", "classification"):
            try:
                if task == "bitext":
                    spec = find_bitext(str(path), draw.choice((None, ["text", "label"])), None, None, **flags)
                    texts = load_bitext(spec, *bitext_pairs(spec, None, None)[0], where).sources
                else:
                    spec = find_labeled(str(path), None, 42, **flags)
                    texts = load_labeled(spec, spec.subsets[0], "train", where).texts
            except UserError as error:
                assert error.hint and "\n" not in error.what
                ends["refused"] += 1
            else:
                assert all(text.strip() for text in texts) and "".join(texts).encode()
                ends["read"] += 1
    assert sum(ends.values()) == 2 * N_FILES and ends["refused"] > 0
