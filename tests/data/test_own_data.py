"""A user's own data as people have it: blanks, encodings, delimiters, quotes, headers, compression, splits, folders."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import ROOT, Run

from utils.data.bitext import bitext_pairs, load_bitext
from utils.data.classification import load_labeled
from utils.data.labeled_tables import SPLIT_NAMES
from utils.data.own_bitext import find_bitext
from utils.data.own_labeled import find_labeled
from utils.data.sources import Sources
from utils.data.subsets import BitextSubset, LabeledTexts
from utils.data.tables import read_table
from utils.data.text_files import read_lines
from utils.errors import UserError

WHERE = Sources(None, Path("unused"))
GAPS = "id\tde\ten\tfr\n1\teins\tone\tun\n2\tzwei\t\tdeux\n3\tdrei\tthree\t \n4\t\tfour\t\n5\tf\u00fcnf\tfive\tcinq\n"
NGRAM = ("--model_checkpoint", "baseline/char_ngram", "--k", "1")


def put(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def pair(path: Path, src: str, tgt: str, columns: Sequence[str] | None = None, **reading: bool) -> BitextSubset:
    return load_bitext(find_bitext(str(path), columns, src, [tgt], **reading), src, tgt, WHERE)


def labelled(path: Path, split: str = "train", columns: Sequence[str] | None = None) -> LabeledTexts:
    spec = find_labeled(str(path), columns, 42)
    return load_labeled(spec, spec.subsets[0], split, WHERE)


def test_a_pair_leaves_out_the_rows_in_which_one_of_its_sides_is_blank(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = put(tmp_path / "gaps.tsv", GAPS)
    found = {(src, tgt): pair(path, src, tgt, [src, tgt]) for src, tgt in (("de", "en"), ("de", "fr"), ("en", "fr"))}
    assert found["de", "en"].sources == ("eins", "drei", "f\u00fcnf") and found["de", "en"].n_dropped == 2
    assert found["de", "fr"].targets == ("un", "deux", "cinq") and found["de", "fr"].gold == (0, 1, 2)
    assert found["en", "fr"].sources == ("one", "five") and found["en", "fr"].n_dropped == 3
    assert "en_fr: 3 of 5 rows left out, as a side is blank" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"gaps.tsv: line 3, en: the text is blank"):
        pair(path, "de", "en", ["de", "en"], strict=True)


def test_a_run_records_the_rows_that_it_left_out(run: Run, tmp_path: Path) -> None:
    put(tmp_path / "gaps.tsv", GAPS)
    flags = ("--dataset", "gaps.tsv", "--src_lang", "de", "--langs", "en", "fr", *NGRAM)
    done = run("bitext.py", *flags)
    assert done.returncode == 0, done.stderr
    records = {path.name: json.loads(path.read_text()) for path in tmp_path.rglob("eval_*_1.json")}
    assert {name: (record["n"], record["run"]["n_dropped"]) for name, record in records.items()} == {
        "eval_de_en_1.json": (3, {"pairs": 2}),
        "eval_de_fr_1.json": (3, {"pairs": 2}),
    }
    strict = run("bitext.py", *flags, "--strict", "--overwrite")
    assert strict.returncode == 2 and "line 3, en: the text is blank" in strict.stderr


def test_a_label_with_one_row_is_in_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"text {row},{'ab'[row % 2]}" for row in range(20)] + ["alone,c"]
    path = put(tmp_path / "own.csv", "text,label\n" + "\n".join(rows) + "\n")
    train, test = labelled(path), labelled(path, "test")
    assert Counter(train.labels) == {"a": 8, "b": 8, "c": 1} and Counter(test.labels) == {"a": 2, "b": 2}
    assert "labels with one row are in training only: 'c'" in capsys.readouterr().err
    many = put(tmp_path / "many.csv", "text,label\n" + "\n".join(f"text {row},{row // 2}" for row in range(12)) + "\n")
    assert Counter(labelled(many, "test").labels) == dict.fromkeys("012345", 1)  # a fifth would be less than one each


def test_a_first_line_of_texts_is_no_header(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = put(tmp_path / "pairs.tsv", "Hello world\tHallo Welt\nGood night\tGute Nacht\n")
    with pytest.raises(UserError) as caught:
        find_bitext(str(path), None, None, None)
    assert "its first line, 'Hello world' and 'Hallo Welt', does not name columns" in caught.value.what
    assert "--no_header" in caught.value.hint
    found = pair(path, "eng", "deu", no_header=True)
    assert found.sources == ("Hello world", "Good night") and found.targets == ("Hallo Welt", "Gute Nacht")
    assert find_bitext(str(path), None, None, None, no_header=True).subsets == ("1_2",)
    words = put(tmp_path / "words.tsv", "dog\tHund\ncat\tKatze\n")
    find_bitext(str(words), None, None, None)
    assert "its first line names the columns 'dog' and 'Hund' (--no_header: it is data)" in capsys.readouterr().err
    for header in (
        "german\tenglish",
        "de\ten",
        "deu_Latn\teng_Latn",
        "source sentence\ttarget sentence",
        "pt-BR\tzh-CN",
    ):
        find_bitext(str(put(tmp_path / "named.tsv", f"{header}\nx\ty\n")), None, None, None)
    find_bitext(str(put(tmp_path / "own.jsonl", '{"dog": "x", "Hello you there": "y"}\n')), None, None, None)
    assert capsys.readouterr().err == ""
    assert labelled_without_header(tmp_path) == (("good film", "bad film"), ("1", "0"))


def labelled_without_header(tmp_path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    path = put(tmp_path / "reviews.csv", "good film,1,en,train\nbad film,0,en,train\n")
    found = load_labeled(find_labeled(str(path), None, 42, no_header=True), "en", "train", WHERE)
    return found.texts, found.labels


@pytest.mark.parametrize(
    ("written", "split"),
    [
        ("Training", "train"),
        ("valid", "validation"),
        ("val", "validation"),
        ("development", "validation"),
        ("eval", "test"),
        ("testing", "test"),
    ],
)
def test_splits_by_other_names(written: str, split: str, tmp_path: Path) -> None:
    path = put(tmp_path / "own.csv", f"text,label,split\nx,y,{written}\nz,w,{written}\n")
    assert labelled(path, split).texts == ("x", "z")


def test_the_document_lists_the_names_of_splits() -> None:
    document = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    section = document.split("\n## Your own labelled text\n")[1].split("\n## ")[0]
    rows = [re.findall(r"`(\w+)`", line) for line in section.splitlines() if line.startswith("| `")]
    assert {name: split for split, *names in rows for name in names} == SPLIT_NAMES


def test_languages_and_labels_may_be_numbers(tmp_path: Path) -> None:
    rows = "\n".join(
        f'{{"text": "t{row}", "label": {row % 2}, "lang": {1 + row // 4}, "split": "train"}}' for row in range(8)
    )
    path = put(tmp_path / "own.jsonl", rows)
    spec = find_labeled(str(path), None, 42)
    assert spec.subsets == ("1", "2")
    assert load_labeled(spec, "2", "train", WHERE).labels == ("0", "1", "0", "1")
    put(tmp_path / "gap.jsonl", rows + '\n{"text": "t", "label": 1}')
    with pytest.raises(UserError, match=r"gap.jsonl: line 9 has no language in the column 'lang'"):
        find_labeled(str(tmp_path / "gap.jsonl"), None, 42)


ROWS = [("good day", "a", "en", "train"), ("bad day", "b", "en", "train"), ("bad night", "b", "en", "test")]
ROWS += [("bon jour", "a", "fr", "train"), ("mal", "b", "fr", "training"), ("mal soir", "b", "fr", "Test")]


def write_rows(path: Path, header: str = "text\tlabel\tlang\tsplit", rows: Sequence[Sequence[str]] = ROWS) -> Path:
    return put(path, "".join(f"{line}\n" for line in [header, *map("\t".join, rows)]))


@pytest.mark.parametrize(
    ("header", "columns", "note"),
    [
        ("text\tlabel\tlang\tsplit", None, ""),
        (
            "text\tlabel\tlang\tsplit",
            ["text", "label"],
            "the column 'lang' is the language and the column 'split' is the split",
        ),
        ("review\tstars\tlang\tsplit", ["review", "stars", "lang"], "the column 'split' is the split"),
        ("text\tlabel\tlanguage\tset", None, "the column 'language' is the language and the column 'set' is the split"),
        (
            "Text\tLABEL\tLanguage\tSplit",
            ["Text", "LABEL"],
            "'Language' is the language and the column 'Split' is the split",
        ),
        ("Text\tLabel\tLang\tSplit", None, "the column 'Text' is the text and the column 'Label' is the label"),
    ],
)
def test_columns_by_their_names(
    header: str, columns: list[str] | None, note: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = find_labeled(str(write_rows(tmp_path / "mine.tsv", header)), columns, 42)
    assert spec.subsets == ("en", "fr")
    assert load_labeled(spec, "fr", "test", WHERE).texts == ("mal soir",)
    assert load_labeled(spec, "en", "train", WHERE).texts == ("good day", "bad day")
    told = capsys.readouterr().err
    assert (note in told) if note else not told


def test_a_column_called_set_is_no_split_where_its_values_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [[f"text {n}", "ab"[n % 2], "en", str(n)] for n in range(10)]
    spec = find_labeled(str(write_rows(tmp_path / "mine.tsv", "text\tlabel\tlang\tset", rows)), None, 42)
    assert "split" not in spec.options and len(load_labeled(spec, "en", "test", WHERE).texts) == 2
    assert "the column 'set' is not read as the split, since '0' is no name of a split" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("mal soir", "b", "fr", "tst"), "mine.tsv: line 7 has the split 'tst'"),
        (("mal soir", "", "fr", "test"), "mine.tsv: line 7 has no label"),
        (("mal soir", "b", "fr", "train"), "mine.tsv has no rows of the split 'test' for the language 'fr'"),
    ],
)
def test_a_fault_of_any_language_is_found_before_the_first_record(
    row: tuple[str, ...], message: str, run: Run, tmp_path: Path
) -> None:
    write_rows(tmp_path / "mine.tsv", rows=[*ROWS[:-1], row])
    done = run("classification.py", "--dataset", "mine.tsv", *NGRAM)
    assert done.returncode == 2 and message in done.stderr and not (tmp_path / "logs").exists()


def test_pairs_of_other_lengths_and_a_k_too_large_are_found_before_the_first_record(run: Run, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "de", "en", "fr")
    (folder / "text.fr").write_text("un\n")
    done = run("bitext.py", "--dataset", folder.name, *NGRAM)
    assert done.returncode == 2 and "fr texts" in done.stderr and not (tmp_path / "logs").exists()
    write_rows(tmp_path / "mine.tsv", rows=[("fine", "a", "en", "train"), *ROWS])
    done = run("classification.py", "--dataset", "mine.tsv", *NGRAM[:2], "--k", "3")
    assert done.returncode == 2 and "--k 3, but fr has 2 candidates" in done.stderr
    assert not (tmp_path / "logs").exists()


def test_languages_without_a_record_are_missing(run: Run, tmp_path: Path) -> None:
    write_rows(tmp_path / "mine.tsv")
    folder = folder_of(tmp_path, "de", "en", "fr")
    assert run("classification.py", "--dataset", "mine.tsv", *NGRAM, "--langs", "en").returncode == 0
    done = run("script/aggregate/aggregate_classification.py", "--format", "csv")
    assert done.stdout.splitlines()[1].endswith(",1,2") and "1 of 2 subsets: fr" in done.stderr
    assert run("bitext.py", "--dataset", folder.name, *NGRAM, "--src_lang", "en", "--langs", "fr").returncode == 0
    done = run("script/aggregate/aggregate_bitext_mining.py", "--format", "csv")
    assert done.stdout.splitlines()[1].endswith(",1,2") and "1 of 2 subsets: en_de" in done.stderr
    done = run("script/aggregate/aggregate_bitext_mining.py", "--format", "csv", "--langs", "fr")
    assert done.stdout.splitlines()[1].endswith(",1,1")


def test_strict_and_the_notes_hold_where_records_exist(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("de\ten\neins\tone\nzwei\t\ndrei\tthree\n")
    flags = ("bitext.py", "--dataset", "pairs.tsv", *NGRAM)
    for _ in range(2):
        done = run(*flags)
        assert done.returncode == 0 and done.stderr.count("1 of 3 rows left out, as a side is blank") == 1
    assert "1 of 1 subsets are already logged" in done.stdout
    done = run(*flags, "--strict")
    assert done.returncode == 2 and "line 3, en: the text is blank" in done.stderr


def test_a_test_label_that_training_lacks_is_noted(run: Run, tmp_path: Path) -> None:
    write_rows(tmp_path / "mine.tsv", rows=[*ROWS, ("mal", "B", "fr", "test")])
    done = run("classification.py", "--dataset", "mine.tsv", *NGRAM)
    assert done.returncode == 0 and " fr: labels of the test that no training text has: 'B'" in done.stderr
    assert " en: labels" not in done.stderr


def test_halves_of_surrogate_pairs_are_replaced_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = put(tmp_path / "own.jsonl", '{"de": "x \\ud83d", "en": "y"}\n{"de": "\\ud83d\\ude00", "en": "\\ude00"}\n')
    found = pair(path, "de", "en")
    assert found.sources == ("x \ufffd", "\U0001f600") and found.targets == ("y", "\ufffd")
    assert "are read as U+FFFD (2)" in capsys.readouterr().err
    rows = read_table(put(tmp_path / "pairs.jsonl", '{"query": "a", "pos": ["\\ud800", "b"]}\n'))
    assert rows["pos"] == [["\ufffd", "b"]]


def test_aligned_files_end_lines_at_line_feeds_alone(tmp_path: Path) -> None:
    path = put(tmp_path / "text.de", b"a\rb\r\nc\xc2\x85d\xe2\x80\xa8e\x0c\x1cf\n\ng")
    assert read_lines(path) == ["a\rb", "c\x85d\u2028e\x0c\x1cf", "", "g"]
    with pytest.raises(UserError, match=r"its lines end with carriage returns alone"):
        read_lines(put(tmp_path / "old.de", b"a\rb\rc\r"))


def folder_of(tmp_path: Path, *langs: str) -> Path:
    folder = tmp_path / "aligned"
    folder.mkdir()
    for lang in langs:
        put(folder / f"text.{lang}", f"{lang} one\n{lang} two\n")
    return folder


def test_a_folder_makes_all_pairs_of_its_files(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "de", "en", "fr")
    cases = {
        (None, None): [("de", "en"), ("de", "fr"), ("en", "fr")],
        (None, ("de",)): [("en", "de"), ("fr", "de")],
        ("fr", None): [("fr", "de"), ("fr", "en")],
        ("en", ("de",)): [("en", "de")],
    }
    names = set()
    for (src, langs), expected in cases.items():
        spec = find_bitext(str(folder), None, src, langs)
        assert bitext_pairs(spec, src, langs) == expected
        names.add((spec.name, spec.revision))
    assert len(names) == 1  # one data set, whatever the source is
    assert load_bitext(find_bitext(str(folder), None, "fr", None), "fr", "en", WHERE).targets == ("en one", "en two")
    put(folder / "notes.fr", "")
    with pytest.raises(UserError, match=r"notes.fr and text.fr in .* both give the language 'fr'"):
        find_bitext(str(folder), None, None, None)


def test_pairs_of_one_name_are_refused_even_if_one_of_them_is_asked_for(tmp_path: Path) -> None:
    folder, table = tmp_path / "folder", put(tmp_path / "t.tsv", "a\ta_b\tb_c\tc\n1\t2\t3\t4\n")
    folder.mkdir()
    for lang in ("a", "a_b", "b_c", "c"):
        put(folder / f"x.{lang}", "one\ntwo\n")
    said = "the pair of 'a' and 'b_c' and that of 'a_b' and 'c' have the same name, a_b_c"
    for name, src, langs in ((folder, None, None), (folder, "a", ["b_c"]), (table, "a", ["c", "b_c"])):
        with pytest.raises(UserError, match=said):
            find_bitext(str(name), None, src, langs)
    assert find_bitext(str(table), None, "a", ["c", "a_b"]).subsets == ("a_c", "a_a_b")


def test_a_folder_may_have_notes_on_its_files(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "en", "md")
    spec = find_bitext(str(folder), None, None, None)
    assert spec.subsets == ("en_md",)  # a language may be called md
    for name in ("README.md", "readme", "LICENSE", "Readme.txt", "text.en.bak", "text.md~", ".DS_Store"):
        (folder / name).write_text("about these files\n")
    assert find_bitext(str(folder), None, None, None) == spec


def test_a_folder_of_binary_files_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "de", "en")
    for lang in ("de", "en"):
        put(folder / f"text.{lang}", bytes(range(256)) * 9)
    with pytest.raises(UserError, match=r"text.de is no text|text.de is not in UTF-8"):
        pair(folder, "de", "en")


def test_other_columns_of_a_file_are_another_data_set(tmp_path: Path) -> None:
    path = put(tmp_path / "own.csv", "text,title,label\nx,y,z\n")
    plain = find_labeled(str(path), None, 42)
    titles = find_labeled(str(path), ["title", "label"], 42)
    assert find_labeled(str(path), ["text", "label"], 42).name == plain.name
    assert titles.name.startswith("own-title-label-") and titles.revision == plain.revision
    pairs = [find_bitext(str(path), ["text", other], "x", ["y"]).name for other in ("title", "label")]
    assert pairs[0] != pairs[1] and pairs[0].startswith("own-text-title-")
    assert find_bitext(str(path), ["text", "title"], None, None).name == plain.name  # the pair is named text_title


def test_a_name_without_its_ending_is_suggested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "dups.tsv", "a\tb\nx\ty\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        find_bitext("dups", None, None, None)
    assert caught.value.hint == "did you mean dups.tsv?"
    with pytest.raises(UserError, match=r"no home directory|determine home"):
        find_bitext("~nosuchuser/x.tsv", None, None, None)
