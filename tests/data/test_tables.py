"""Tables of texts as people have them: encodings, delimiters, quotes, line ends, and compressed files."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from utils.data.bitext import load_bitext
from utils.data.own_bitext import find_bitext
from utils.data.sources import Sources
from utils.data.tables import read_table
from utils.errors import UserError


def put(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("encoding", "text", "what", "hint"),
    [
        (
            "latin-1",
            "a,b\nx,y\ngr\u00fcn,x\n",
            "Latin-1 or Windows-1252: line 3 has the byte 0xFC",
            "iconv -f WINDOWS-1252",
        ),
        (
            "cp1252",
            "a,b\n\u201cone of many words\u201d,\u20ac\n",
            "Latin-1 or Windows-1252: line 2",
            "iconv -f WINDOWS-1252",
        ),
        (
            "utf-16",
            "a,b\ngr\u00fcn,x\n",
            "is in UTF-16, not in UTF-8",
            "iconv -f UTF-16 -t UTF-8 '{}/my own.csv' > '{}/my own.utf8.csv'",
        ),
        ("utf-16-le", "a,b\nx,y\n", "is in UTF-16LE", "iconv -f UTF-16LE"),
        ("utf-16-be", "a,b\nx,y\n", "is in UTF-16BE", "iconv -f UTF-16BE"),
        ("utf-32", "a,b\nx,y\n", "is in UTF-32", "iconv -f UTF-32"),
        (
            "cp1251",
            "a,b\n\u043f\u0440\u0438\u0432\u0435\u0442,x\n",
            "not in UTF-8: line 2 has the byte 0xEF",
            "WINDOWS-1251",
        ),
    ],
)
def test_another_encoding_is_called_by_its_name(encoding: str, text: str, what: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_table(put(tmp_path / "my own.csv", text.encode(encoding)))
    assert what in caught.value.what and hint.format(tmp_path, tmp_path) in caught.value.hint


def test_a_byte_order_mark_of_utf8_is_no_part_of_a_name(tmp_path: Path) -> None:
    assert list(read_table(put(tmp_path / "own.csv", "a,b\nx,y\n".encode("utf-8-sig")))) == ["a", "b"]
    assert list(read_table(put(tmp_path / "two.csv", "\ufeff\ufeffa,b\nx,\ufeffy\n"))) == ["a", "b"]
    assert read_table(tmp_path / "two.csv")["b"] == ["\ufeffy"]


def test_columns_without_a_name_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = put(tmp_path / "index.csv", ",de,en\n0,eins,one\n1,zwei,two\n")
    assert dict(read_table(index)) == {"de": ["eins", "zwei"], "en": ["one", "two"]}
    assert capsys.readouterr().err == f"note: {tmp_path}/index.csv: 1 column without a name left out\n"
    assert dict(read_table(put(tmp_path / "end.tsv", "de\ten\t\neins\tone\t\n"))) == {"de": ["eins"], "en": ["one"]}
    assert capsys.readouterr().err == ""
    with pytest.raises(UserError, match=r"gap.tsv has 1 column: de"):
        find_bitext(str(put(tmp_path / "gap.tsv", "de\t\neins\tone\n")), None, None, None)


@pytest.mark.parametrize("content", ['""\n', '"\n"\n', '"', '"\t\n"', '""""\n'])
def test_tables_of_quotation_marks_alone_are_errors(content: str, tmp_path: Path) -> None:
    with pytest.raises(UserError):
        find_bitext(str(put(tmp_path / "own.tsv", content)), None, None, None)


SWALLOWED = {
    "stray.tsv": ('a\tb\n"1\tx\n2\ty\n3"\tz\n4\tw\n', ['"1', "2", '3"', "4"], "2 to 4"),
    "last.tsv": ('a\tb\n1\t"x\n2\ty"\n', ["1", "2"], "2 to 3"),
    "last.csv": ('a,b\n1,"x\n2,y\n3,z"\n', ["1", "2", "3"], "2 to 4"),
    "stray.csv": ('a,b\n"1,x\n2,y\n3",z\n4,w\n', ['"1', "2", '3"', "4"], "2 to 4"),
    "short.csv": ('a,b\n"1,x\n2",y\n', ["1,x\n2"], ""),  # as likely a text
    "other.tsv": (
        'a\tb\n"1\tx\n2\ty\n3"\tz\n"p\tq"\tw\n',
        ["1\tx\n2\ty\n3", "p\tq"],
        "",
    ),  # another one needs its quotes
}


@pytest.mark.parametrize("name", SWALLOWED)
def test_a_stray_quotation_mark_makes_no_text_of_rows(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, expected, lines = SWALLOWED[name]
    assert read_table(put(tmp_path / name, content))["a"] == expected
    said = capsys.readouterr().err
    note = f"the quotation marks around lines {lines} would make one text of whole rows, and are read as text\n"
    assert (f"note: {tmp_path / name}: {note}" in said) == bool(lines)
    assert ("1 quoted text spans several lines" in said) == (not lines)


DELIMITED = {
    "semicolons.csv": (
        'de;en\nHallo, du;hello, you\n"a;b";c\n',
        {"de": ["Hallo, du", "a;b"], "en": ["hello, you", "c"]},
    ),
    "bars.csv": ("a|b\nx|y\n", {"a": ["x"], "b": ["y"]}),
    "tabs.csv": ("a\tb\nx,1\ty\n", {"a": ["x,1"], "b": ["y"]}),
    "commas.tsv": ('a,b\n"x, y",z\n', {"a": ["x, y"], "b": ["z"]}),
    "said.tsv": ('a\tb\n"Stop!" she cried.\tx\n', {"a": ['"Stop!" she cried.'], "b": ["x"]}),
    "open.tsv": ('a\tb\n"Stop!\tx\ny\tz"\n', {"a": ['"Stop!', "y"], "b": ["x", 'z"']}),
    "quoted.tsv": ('a\tb\n"say ""x"""\t"p\tq"\n', {"a": ['say "x"'], "b": ["p\tq"]}),
    "inside.csv": ('a,b\nhe said "x",y\n"p,q",r\n', {"a": ['he said "x"', "p,q"], "b": ["y", "r"]}),
    "returns.csv": ('a,b\r\nx\ry,z\r\n"p\rq",r\r\n', {"a": ["x\ry", "p\rq"], "b": ["z", "r"]}),
    "separators.tsv": ("a\tb\nx\u2028y\x85\x0bz\tw\n", {"a": ["x\u2028y\x85\x0bz"], "b": ["w"]}),
}


@pytest.mark.parametrize("name", DELIMITED)
def test_delimiters_quotes_and_line_ends_are_noticed(name: str, tmp_path: Path) -> None:
    content, expected = DELIMITED[name]
    assert dict(read_table(put(tmp_path / name, content))) == expected


def test_what_is_noticed_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("semicolons.csv", "said.tsv", "quoted.tsv"):
        read_table(put(tmp_path / name, DELIMITED[name][0]))
    read_table(put(tmp_path / "all.tsv", '"a"\t"b"\n"x"\t"y"\n'))
    assert dict(read_table(put(tmp_path / "some.tsv", 'a\tb\n"Stop!"\tx\nGo\ty\n'))) == {
        "a": ["Stop!", "Go"],
        "b": ["x", "y"],
    }
    assert capsys.readouterr().err.splitlines() == [
        f"note: {tmp_path}/semicolons.csv: the columns are separated by semicolons",
        f"note: {tmp_path}/said.tsv: the quotation marks are not balanced as CSV has them, and are read as text",
        f"note: {tmp_path}/some.tsv: CSV's quotation marks are taken off some fields (1); "
        "double those that belong to texts",
    ]


def test_line_numbers_are_those_of_the_file(tmp_path: Path) -> None:
    path = put(tmp_path / "own.tsv", 'a\tb\n\n"x\ny"\tz\n\nw\tv\n')
    assert read_table(path).lines == [3, 6]
    with pytest.raises(UserError, match=r"own2.tsv: line 6 has 3 fields, but line 1, the first, has 2"):
        read_table(put(tmp_path / "own2.tsv", 'a\tb\n\n"x\ny"\tz\n\nw\tv\tu\n'))


COMPRESSED = {".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress}


@pytest.mark.parametrize("ending", [*COMPRESSED, ".zst", ".zip"])
def test_compressed_files_are_read(ending: str, tmp_path: Path) -> None:
    path, content = tmp_path / f"own.tsv{ending}", b"de\ten\neins\tone\n"
    if ending == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("own.tsv", content)
            archive.writestr("__MACOSX/._own.tsv", b"")
    elif ending == ".zst":
        path.write_bytes(pa.compress(content, "zstd", asbytes=True))
    else:
        path.write_bytes(COMPRESSED[ending](content))
    assert load_bitext(find_bitext(str(path), None, None, None), "de", "en", Sources(None, tmp_path)).targets == (
        "one",
    )
    assert find_bitext(str(path), None, None, None).name.startswith("own-")
    path.write_bytes(path.read_bytes()[:-9])
    read_table.cache_clear()
    with pytest.raises(UserError, match=r"cannot be decompressed"):
        read_table(path)


def test_the_file_in_an_archive_may_name_the_format(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "own.zip", "w") as archive:
        archive.writestr("data/pairs.csv", "de;en\neins;one\n")
    spec = find_bitext(str(tmp_path / "own.zip"), None, None, None)
    assert spec.name.startswith("own-") and load_bitext(spec, "de", "en", Sources(None, tmp_path)).targets == ("one",)


def test_an_archive_of_several_files_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "own.tsv.zip", "w") as archive:
        archive.writestr("a.tsv", b"")
        archive.writestr("b.tsv", b"")
    with pytest.raises(UserError, match=r"has 2 files, expected one: a.tsv, b.tsv"):
        read_table(tmp_path / "own.tsv.zip")


def test_quotation_marks_that_are_read_as_text_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "inches.csv").write_text('eng,fra\n6\' 2" tall,grand\n"ok",bien\n', encoding="utf-8")
    assert read_table(tmp_path / "inches.csv")["eng"] == ["6' 2\" tall", '"ok"']
    told = f"note: {tmp_path}/inches.csv: the quotation marks are not balanced as CSV has them, and are read as text"
    assert capsys.readouterr().err.splitlines() == [told]
