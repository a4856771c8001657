"""Readers, pairs, own data and the sample: what is read, and what bad data says."""

from __future__ import annotations

import csv
import json
import unicodedata
from pathlib import Path

import pytest
from conftest import ROOT

from utils.data import registry
from utils.data.bitext import bitext_pairs, load_bitext
from utils.data.languages import SAMPLE_CS, SAMPLE_LANGS
from utils.data.own_bitext import find_bitext
from utils.data.sources import Sources
from utils.errors import UserError

SAMPLE = ROOT / "data" / "sample" / "parallel.tsv"


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(None, tmp_path / "cache")


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def only_pair(path: str, sources: Sources, columns: list[str] | None = None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    spec = find_bitext(path, columns, None, None)
    ((src, tgt),) = bitext_pairs(spec, None, None)
    subset = load_bitext(spec, src, tgt, sources)
    return subset.sources, subset.targets


def test_the_sample_is_whole() -> None:
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    languages = (*SAMPLE_LANGS, *SAMPLE_CS)
    assert len(rows) == 70 and set(rows[0]) == {"id", "split", "topic", *languages}
    assert len({row["id"] for row in rows}) == 70
    by_topic: dict[str, list[str]] = {}
    for row in rows:
        by_topic.setdefault(row["topic"], []).append(row["split"])
    topics = {"science/technology", "travel", "politics", "sports", "health", "entertainment", "geography"}
    assert set(by_topic) == topics
    assert all(splits.count("train") == 7 and splits.count("test") == 3 for splits in by_topic.values())
    for language in languages:
        texts = [row[language] for row in rows]
        assert len(set(texts)) == 70
        assert all(text == unicodedata.normalize("NFC", text).strip() and text for text in texts)


def test_rows_of_one_table_are_joined_by_their_numbers(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "mteb/sib200").mkdir(parents=True)
    rows = [
        ("eng_Latn", 7, "g"),
        ("eng_Latn", 3, "c"),
        ("eng_Latn", 5, "e"),
        ("fra_Latn", 3, "C"),
        ("fra_Latn", 7, "G"),
    ]
    langs, numbers, texts = zip(*rows, strict=True)
    table = pa.table({"lang": langs, "index_id": numbers, "text": texts})
    pq.write_table(table, tmp_path / "mteb/sib200/test-00000-of-00001.parquet")
    spec = registry.DATASETS["bitext"]["sib200"]
    subset = load_bitext(spec, "eng_Latn", "fra_Latn", Sources(tmp_path, tmp_path / "cache"))
    assert (subset.sources, subset.targets) == (("g", "c"), ("G", "C")) and subset.gold == (0, 1)


def test_code_switched_sides_are_the_code_switching_setting(sources: Sources) -> None:
    sample = registry.DATASETS["bitext"]["sample"]
    assert load_bitext(sample, "eng", "hinglish", sources).setting == "cs"
    assert load_bitext(sample, "eng", "swh", sources).setting == "xl"
    assert load_bitext(sample, "eng", "swh", sources).gold == tuple(range(70))


def test_pairs_by_source_and_languages() -> None:
    nusax, tatoeba = registry.DATASETS["bitext"]["nusax"], registry.DATASETS["bitext"]["tatoeba"]
    assert bitext_pairs(nusax, "ind", ["eng", "ace"]) == [("ind", "ace"), ("ind", "eng")]
    assert bitext_pairs(tatoeba, None, ["fra", "deu"]) == [("deu", "eng"), ("fra", "eng")]
    assert bitext_pairs(tatoeba, "deu", None) == [("deu", "eng")]
    assert bitext_pairs(registry.DATASETS["bitext"]["bucc"], "de", None) == [("de", "en")]


@pytest.mark.parametrize(
    ("dataset", "src", "langs", "what", "hint"),
    [
        ("nusax", None, ["indo"], "nusax has no language 'indo'", "did you mean 'ind'"),
        ("nusax", "en", None, "nusax has no language 'en'", "did you mean 'eng'"),
        ("tatoeba", "eng", None, "tatoeba has no pair from 'eng', only pairs into it", "--direction backward"),
        ("tatoeba", "dej", None, "tatoeba has no source language 'dej'", "did you mean 'deu'"),
        ("nusax", None, ["eng"], "--langs eng selects no pair of nusax", "choose from: ace"),
        ("phinc", "deu", None, "phinc has no source language 'deu'", "choose from: eng"),
    ],
)
def test_languages_that_lead_nowhere(
    dataset: str, src: str | None, langs: list[str] | None, what: str, hint: str
) -> None:
    with pytest.raises(UserError) as caught:
        bitext_pairs(registry.DATASETS["bitext"][dataset], src, langs)
    assert caught.value.what == what and hint in caught.value.hint


def test_own_tables_of_every_format(tmp_path: Path, sources: Sources) -> None:
    import pandas as pd

    frame = pd.DataFrame({"id": ["1", "2"], "de": ["Hallo, du", 'ein "Wort"'], "en": ["hello, you", "NA"]})
    expected = (("Hallo, du", 'ein "Wort"'), ("hello, you", "NA"))
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    frame.to_parquet(tmp_path / "a.parquet")
    for ending in ("csv", "tsv", "jsonl", "parquet"):
        assert only_pair(str(tmp_path / f"a.{ending}"), sources, ["de", "en"]) == expected


def test_language_columns_are_found_by_their_names(tmp_path: Path, sources: Sources) -> None:
    path = write(tmp_path / "wide.tsv", "id\teng\tdeu\tfra\n1\tone\teins\tun\n2\ttwo\tzwei\tdeux\n")
    spec = find_bitext(path, None, "eng", ["deu", "fra"])
    assert bitext_pairs(spec, "eng", ["deu", "fra"]) == [("eng", "deu"), ("eng", "fra")]
    assert load_bitext(spec, "eng", "fra", sources).targets == ("un", "deux")
    assert spec.name.startswith("wide-") and len(spec.name) == len("wide-") + 8


def test_a_folder_of_two_aligned_files(tmp_path: Path, sources: Sources) -> None:
    folder = tmp_path / "pair"
    folder.mkdir()
    write(folder / "text.de", "eins\nzwei\n")
    write(folder / "text.en", "one\ntwo\n")
    assert only_pair(str(folder), sources) == (("eins", "zwei"), ("one", "two"))
    spec = find_bitext(str(folder), None, "en", None)
    assert bitext_pairs(spec, "en", None) == [("en", "de")]


BAD_TABLES = {
    "three.tsv": ("id\ta\tb\n1\tx\ty\n", None, "three.tsv has 3 columns: id, a, b"),
    "column.tsv": ("a\tb\nx\ty\n", ["a", "c"], "column.tsv has no column 'c'"),
    "one.tsv": ("a\tb\nx\ty\n", ["a"], "--columns names 1 columns"),
    "same.tsv": ("a\tb\nx\ty\n", ["a", "a"], "source and target are both 'a'"),
    "short.tsv": ("a\tb\nx\ty\nz\n", None, "short.tsv: line 3 has 1 fields, but line 1, the first, has 2"),
    "blank.tsv": ("a\tb\nx\t\n \tz\n", None, "a_b: none of 2 rows has both texts"),
    "empty.csv": ("", None, "empty.csv is empty"),
    "header.csv": ("a,b\n", None, "a_b: no rows"),
    "twice.csv": ("a,a\nx,y\n", None, "two columns have the same name"),
    "number.jsonl": ('\n{"a": "x", "b": 3}\n', None, "number.jsonl: line 2, b: 3 (int) is not a text"),
    "broken.jsonl": ('{"a": 1}\n\n{', None, "broken.jsonl: line 3 is not JSON: Expecting property name"),
    "list.jsonl": ('{"a": 1}\n[1]\n', None, "list.jsonl: line 2 is not a JSON object"),
    "deep.jsonl": ('{"a": ' + "[" * 99_999, None, "deep.jsonl: line 1 cannot be read: it is nested too deeply"),
    "digits.jsonl": ('{"a": ' + "1" * 5000 + "}", None, "digits.jsonl: line 1 cannot be read: Exceeds the limit"),
    "empty.jsonl": ("\n", None, "empty.jsonl is empty"),
    "broken.parquet": ("not parquet", None, "broken.parquet cannot be read as parquet"),
    "what.xlsx": ("a", None, "what.xlsx has the ending .xlsx, which is no known format"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_tables_say_what_is_wrong(name: str, tmp_path: Path, sources: Sources) -> None:
    content, columns, message = BAD_TABLES[name]
    with pytest.raises(UserError) as caught:
        only_pair(write(tmp_path / name, content), sources, columns)
    assert message in caught.value.what and caught.value.hint


def test_wrong_encoding_is_said(tmp_path: Path, sources: Sources) -> None:
    (tmp_path / "latin.csv").write_bytes("a,b\ngrün,x\n".encode("latin-1"))
    with pytest.raises(UserError) as caught:
        only_pair(str(tmp_path / "latin.csv"), sources)
    assert "latin.csv is not in UTF-8 but, it seems, in Latin-1" in caught.value.what


def test_unaligned_folders_say_so(tmp_path: Path, sources: Sources) -> None:
    folder = tmp_path / "pair"
    folder.mkdir()
    write(folder / "a.de", "eins\nzwei\n")
    with pytest.raises(UserError, match="has 1 file, expected at least two"):
        find_bitext(str(folder), None, None, None)
    write(folder / "a.en", "one\n")
    with pytest.raises(UserError, match="2 de texts but 1 en texts"):
        only_pair(str(folder), sources)


def test_a_quoted_line_break_is_noted(tmp_path: Path, sources: Sources, capsys: pytest.CaptureFixture[str]) -> None:
    only_pair(write(tmp_path / "spans.tsv", 'a\tb\n"x\ny"\tz\n'), sources)
    assert "1 quoted text spans several lines (2 in all, the first in the row from line 2)" in capsys.readouterr().err


def test_pinned_files_come_from_the_mirror_and_are_verified(tmp_path: Path, sources: Sources) -> None:
    phinc = registry.DATASETS["bitext"]["phinc"]
    folder = tmp_path / "mirror" / phinc.source / "datasets" / "phinc"
    folder.mkdir(parents=True)
    (folder / "train.tsv").write_text("Sentence\tEnglish_Translation\na\tb\n")
    with pytest.raises(UserError) as caught:
        load_bitext(phinc, "eng", "hinglish", Sources(tmp_path / "mirror", sources.cache_dir))
    assert "expected 42ca2f038be2..." in caught.value.what and "altered" in caught.value.hint


def test_without_a_network_the_error_says_how_to_go_on(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError) as caught:
        load_bitext(registry.DATASETS["bitext"]["phinc"], "eng", "hinglish", sources)
    assert "is not in the cache, and HF_HUB_OFFLINE is set" in caught.value.what
    assert "--data_dir" in caught.value.hint and "checkpoint" not in caught.value.hint


SIZES = {
    ("bucc", "zh", "en"): 257,
    ("nollysenti", "en400", "ha"): 410,
    ("nusax", "eng", "ace"): 500,
    ("nusatranslation", "ind", "abs"): 1000,
    ("tatoeba", "deu", "eng"): 1000,
    ("lince_mt", "eng", "hinglish"): 9002,
    ("phinc", "eng", "hinglish"): 13738,
}


@pytest.mark.parametrize(("name", "src", "tgt"), SIZES)
def test_the_real_data_sets_have_their_known_sizes(name: str, src: str, tgt: str, mirror: Path, tmp_path: Path) -> None:
    subset = load_bitext(registry.DATASETS["bitext"][name], src, tgt, Sources(mirror, tmp_path))
    assert len(subset.sources) == len(subset.targets) == SIZES[name, src, tgt]
    assert subset.origin.kind == "mirror"
    first = {
        "tatoeba": lambda: all(text.endswith("\n") for text in subset.sources),
        "phinc": lambda: "British kid singers" in subset.sources[0],
        "lince_mt": lambda: subset.sources[0] == "Batman vs Superman" and len(set(subset.targets)) == 8288,
    }
    assert first.get(name, lambda: True)()


def test_reading_changes_nothing(mirror: Path, tmp_path: Path) -> None:
    one = load_bitext(registry.DATASETS["bitext"]["nusax"], "eng", "ace", Sources(mirror, tmp_path))
    load_bitext(registry.DATASETS["bitext"]["nusax"], "eng", "ban", Sources(mirror, tmp_path))
    assert load_bitext(registry.DATASETS["bitext"]["nusax"], "eng", "ace", Sources(mirror, tmp_path)) == one
    assert json.dumps(one.sources[:1]) == json.dumps([one.sources[0]])
