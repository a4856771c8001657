"""ranking.csv and agreement.csv: the pivot of each row, rows of earlier commands, and files of earlier versions."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import Run
from tiny_encoders import bert_config, make_encoder

from utils.cli.layers_tables import add_to_table
from utils.layers.pivots import are_into_one, by_pivot

HEADER = ("pivot", "layer", "lang", "value", "rank")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_encoder(tmp_path_factory.mktemp("models") / "a", bert_config()))


def table_of(folder: Path, name: str) -> list[dict[str, str]]:
    (path,) = folder.rglob(f"{name}.csv")
    return list(csv.DictReader(path.open(encoding="utf-8")))


def test_rankings_of_several_pivots_are_kept_apart(run: Run, tmp_path: Path, model: str) -> None:
    (tmp_path / "share.csv").write_text("lang,share\nde,5.9\nhi,0.2\nja,5.0\nes,4.5\nsw,0.01\nfr,4.3\n")
    (tmp_path / "speakers.csv").write_text("lang,millions\nde,134\nhi,609\nja,126\nes,560\nsw,87\n")
    flags = ("--measure", "similarity", "--model_checkpoint", model, "--langs")
    against = ("--against", "share.csv")
    for langs in (("deu", "hin", "jpn", "spa"), ("swh", "deu")):
        done = run("layers.py", *flags, *langs)
        assert done.returncode == 0, done.stderr
        assert "languages by their likeness to eng at layer" in done.stdout
    assert ", of all 5 languages in the folder: " in done.stdout
    of_eng = table_of(tmp_path, "ranking")
    at = [row for row in of_eng if (row["layer"], row["figure"]) == ("2", "centred")]
    assert {row["pivot"] for row in of_eng} == {"eng"} and [row["rank"] for row in at] == ["1", "2", "3", "4", "5"]
    values = [float(row["value"]) for row in at]
    assert values == sorted(values, reverse=True) and {row["lang"] for row in at} == {"deu", "hin", "jpn", "spa", "swh"}

    done = run("layers.py", *flags, "eng", "hin", "jpn", "spa", "--pivot", "deu", *against)
    assert done.returncode == 0 and "likeness to deu at layer" in done.stdout, done.stderr
    both = table_of(tmp_path, "ranking")
    assert both[: len(of_eng)] == of_eng and {row["pivot"] for row in both[len(of_eng) :]} == {"deu"}
    done = run("layers.py", *flags, "deu", "hin", "jpn", "spa", *against)
    assert done.returncode == 0, done.stderr
    done = run("layers.py", *flags, "deu", "hin", "jpn", "spa", "--against", "speakers.csv")
    assert done.returncode == 0, done.stderr
    found = table_of(tmp_path, "agreement")
    groups = {(row["pivot"], row["against"]): row["languages"] for row in found}
    title = "share of share.csv"
    # English has no number; of English also Swahili is in the folder, which the last commands did not ask for
    assert groups == {("deu", title): "3", ("eng", title): "5", ("eng", "millions of speakers.csv"): "5"}
    assert len(found) == len(groups) * 3 * 6


def test_files_of_earlier_versions_are_read(run: Run, tmp_path: Path, model: str) -> None:
    flags = ("--measure", "similarity", "--model_checkpoint", model, "--langs", "deu", "hin")
    assert run("layers.py", *flags).returncode == 0
    (path,) = tmp_path.rglob("ranking.csv")
    new = path.read_text()
    earlier = [",".join(line.split(",")[1:]) for line in new.splitlines()]
    path.write_text("\n".join([*earlier, "0,own,cosine,swh,0.5,0.4,0.6,3,3,3"]) + "\n")
    done = run("layers.py", *flags)
    assert done.returncode == 0 and "warning" not in done.stderr, done.stderr
    lines = new.splitlines()
    assert path.read_text().splitlines() == [lines[0], ",0,own,cosine,swh,0.5,0.4,0.6,3,3,3", *lines[1:]]
    path.write_bytes(b"\xff\xfe")
    done = run("layers.py", *flags)
    assert done.returncode == 0 and "is broken, and its earlier rows are left out" in done.stderr
    assert path.read_text() == new


def test_pairs_without_a_common_language_are_ranked_together(run: Run, tmp_path: Path, model: str) -> None:
    (tmp_path / "pairs").mkdir()
    for lang, texts in {"deu": "Haus Hund Meer", "eng": "house dog sea", "fra": "maison chien mer"}.items():
        (tmp_path / f"pairs/{lang}.txt").write_text("\n".join(texts.split()) + "\n")
    flags = ("--measure", "similarity", "--model_checkpoint", model, "--dataset", "pairs", "--layers", "1")
    done = run("layers.py", *flags)
    assert done.returncode == 0 and "pairs of languages by their likeness at layer 1, pooling own" in done.stdout
    assert run("layers.py", *flags, "--pivot", "fra").returncode == 0
    found = [(row["pivot"], row["lang"]) for row in table_of(tmp_path, "ranking") if row["figure"] == "centred"]
    assert sorted(found) == [("", "deu_eng"), ("", "deu_fra"), ("", "eng_fra"), ("fra", "deu"), ("fra", "eng")]


def test_the_files_have_records_of_one_setting(run: Run, tmp_path: Path, model: str) -> None:
    flags = ("--measure", "similarity", "--model_checkpoint", model, "--langs")
    assert run("layers.py", *flags, "deu", "hin", "--limit", "10").returncode == 0
    assert run("layers.py", *flags, "spa", "swh", "--limit", "20").returncode == 0
    for name, column in (("ranking", "lang"), ("layers", "subset")):
        found = {row[column].removeprefix("eng_") for row in table_of(tmp_path, name)}
        assert found == {"spa", "swh"}, name


def test_the_pivot_is_the_language_that_pairs_share() -> None:
    tatoeba = {"afr_eng": ("afr", "eng"), "jav_eng": ("jav", "eng")}
    assert are_into_one(tatoeba.values())
    assert by_pivot(tatoeba, into=True) == {"eng": {"afr_eng": "afr", "jav_eng": "jav"}}
    own = {"eng_deu": ("eng", "deu"), "eng_fra": ("eng", "fra"), "deu_fra": ("deu", "fra")}
    assert not are_into_one(own.values()) and not are_into_one([("eng", "deu")])
    assert by_pivot(own, into=False) == {"eng": {"eng_deu": "deu", "eng_fra": "fra"}, "deu": {"deu_fra": "fra"}}
    twice = {"a": ("eng", "srp"), "b": ("eng", "srp")}
    assert by_pivot(twice, into=False) == {"eng": {"a": "a", "b": "b"}}


def test_lines_of_other_groups_stay(tmp_path: Path) -> None:
    path, how = tmp_path / "t.csv", {"own": ("pivot",), "same": ("layer", "lang", "value")}
    add_to_table(path, HEADER, [("eng", 0, "=deu", -0.5, 1), ("eng", 1, "fra", None, 2)], **how)
    add_to_table(path, HEADER, [("deu", 0, "eng", 0.25, 1)], **how)
    add_to_table(path, HEADER, [("eng", 0, "=deu", -0.5, 7)], **how)
    lines = path.read_text().splitlines()
    assert lines == ["pivot,layer,lang,value,rank", "deu,0,eng,0.25,1", "eng,0,'=deu,-0.5,7"]


def test_processes_that_add_at_the_same_time_lose_no_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"

    def add(number: int) -> None:
        add_to_table(path, HEADER, [(f"p{number}", 0, "x", 0.5, 1)], own=("pivot",), same=("lang",))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(24)))
    assert {row["pivot"] for row in csv.DictReader(path.open())} == {f"p{number}" for number in range(24)}
    assert [each.name for each in tmp_path.iterdir()] == ["t.csv"]
