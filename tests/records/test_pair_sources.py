"""Rows of own pairs: those from one language and all of them, whichever run recorded a pair."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Run

from utils.records.pair_sources import with_sources
from utils.records.result import LoggedResult
from utils.reporting.pages.leaderboards import boards_of, entry_of
from utils.runlog import load

NGRAM = ("--model_checkpoint", "baseline/char_ngram", "--k", "1")
TABLE = "script/aggregate/aggregate_bitext_mining.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The sample in three languages, a file for each, line by line."""
    with (ROOT / "data/sample/parallel.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    (tmp_path / "mine").mkdir()
    for column, ending in (("eng", "en"), ("fra", "fr"), ("deu", "de")):
        (tmp_path / f"mine/text.{ending}").write_text("".join(f"{row[column]}\n" for row in rows), encoding="utf-8")
    return tmp_path / "mine"


@pytest.mark.parametrize("order", list(itertools.permutations([(), ("--src_lang", "en")])))
def test_a_pair_counts_for_every_row_that_it_belongs_to(
    run: Run, tmp_path: Path, folder: Path, order: list[tuple[str, ...]]
) -> None:
    for source in order:
        assert run("bitext.py", *NGRAM, "--dataset", "mine", *source).returncode == 0
    ngram, logs = "baseline/char_ngram", tmp_path / "logs"
    figures = {"de_en": 47.84, "de_fr": 31.24, "en_fr": 45.57, "en_de": 53.43}
    every = sum(figures[name] for name in ("de_en", "de_fr", "en_fr")) / 3
    from_en = sum(figures[name] for name in ("en_de", "en_fr")) / 2
    assert (round(every, 2), round(from_en, 2)) == (41.55, 49.50)
    done = run(TABLE, "--format", "csv", "--bold", "best")
    lines = done.stdout.splitlines()
    assert lines[1:3] == [f"{ngram} (src_lang any),41.55,3,3,true", f"{ngram} (src_lang en),49.50,2,2,true"]
    assert "missing" not in done.stderr
    lines = run(TABLE, "--format", "csv", "--langs", "fr").stdout.splitlines()[1:3]  # (31.24 + 45.57) / 2, and 45.57
    assert [line.partition(" (src_lang ")[2] for line in lines] == ["any),38.40,2,2", "en),45.57,1,1"]
    assert run(TABLE, "--src_lang", "en", "--format", "csv").stdout.splitlines()[1] == f"{ngram},49.50,2,2"

    means = load(logs).groupby("row", observed=True).f1.mean()
    expected = {f"{ngram} (src_lang any)": 41.55, f"{ngram} (src_lang en)": 49.50}
    assert {row: round(100 * value, 2) for row, value in means.items()} == expected

    done = run("script/aggregate/compare.py", ngram, ngram, "--task", "bitext", "--setting_b", "margin=ratio")
    assert done.returncode == 2 and "(src_lang any); " in done.stderr
    done = run("script/plot/plot_k.py", "--task", "bitext", "--output", "k.png")
    with (tmp_path / "k.csv").open(encoding="utf-8", newline="") as file:
        drawn = [(row["model"], row["percent"], row["n"], row["expected"]) for row in csv.DictReader(file)]
    assert drawn == [(f"{ngram} (src_lang any)", "41.5488", "3", "3")]
    assert "2 records of pairs from other languages left out (--setting src_lang=LANG chooses: en)" in done.stderr

    entries = [entry_of(number, result) for number, result in enumerate(_logged(logs))]
    boards = {board["settings"]["src_lang"]: board for board in boards_of(entries)}
    cells = {source: (board["rows"], board["cells"]["f1"][0][0]) for source, board in boards.items()}
    assert cells[None] == ([f"{ngram} (src_lang any)"], [pytest.approx(every / 100, abs=1e-4), 3, 3])
    assert cells["en"] == ([ngram], [pytest.approx(from_en / 100, abs=1e-4), 2, 2])


def _logged(logs: Path) -> list[LoggedResult]:
    from utils.records.reader import read_all

    return list(read_all(logs))


def test_pairs_from_another_language_have_a_leaderboard_of_their_own(tmp_path: Path) -> None:
    results = [
        LoggedResult(tmp_path / f"{source}_ace", "nusax", model, f"{source}_ace", 1, 42, {"f1": f1}, run, {})
        for model, source, f1 in (("a", "eng", 0.3), ("b", "eng", 0.2), ("a", "ind", 0.8))
        for run in [{"task": "bitext", "src_lang": source, "tgt_lang": "ace"}]
    ]
    results = [dataclasses.replace(one, path=one.path / one.model) for one in results]
    boards = boards_of([entry_of(number, result) for number, result in enumerate(results)])
    shown = {board["settings"]["src_lang"]: (board["rows"], board["cells"]["f1"]) for board in boards}
    assert shown == {None: (["a", "b"], [[[0.3, 1, 11]], [[0.2, 1, 11]]]), "ind": (["a"], [[[0.8, 1, 11]]])}


def pair(subset: str, asked: str | None = None, model: str = "m", **run: Any) -> LoggedResult:
    source, target = subset.split("_")
    run = {
        "task": "bitext",
        "source": {"source": "mine", "revision": "r"},
        "src_lang": source,
        "tgt_lang": target,
        **run,
    }
    run["args"] = {"src_lang": asked, **run.get("args", {})}
    return LoggedResult(Path(f"{model}/{subset}"), "mine-00000000", model, subset, 1, 42, {"f1": 0.5}, run, {})


def rows_of(*results: LoggedResult) -> list[tuple[str, str, str | None]]:
    return sorted((one.model, one.subset, one.source) for one in with_sources(results))


def test_rows_of_one_source_or_of_all_pairs() -> None:
    every = [pair(subset) for subset in ("de_en", "de_fr", "en_fr")]
    assert rows_of(*every) == [("m", one.subset, "") for one in every]
    assert rows_of(pair("en_de", "en"), pair("fr_de", "fr")) == [("m", "en_de", "en"), ("m", "fr_de", "fr")]
    columns = {"columns": ["en", "fr"]}
    assert rows_of(pair("en_de", "en"), pair("en_fr", args=columns)) == [("m", "en_de", ""), ("m", "en_fr", "")]
    other = pair("en_de", "en", "n")
    assert rows_of(*every, other) == [*(("m", one.subset, "any") for one in every), ("n", "en_de", "en")]
    assert rows_of(pair("de_en"), pair("en_de", "en")) == [("m", "de_en", "de"), ("m", "en_de", "en")]


def test_what_has_a_source_keeps_it() -> None:
    results = [dataclasses.replace(pair("de_en"), source="any"), dataclasses.replace(pair("en_de", "en"), source="en")]
    assert [one.source for one in with_sources(results)] == ["any", "en"]
    assert json.dumps([one.subset for one in with_sources(results)]) == '["de_en", "en_de"]'


def test_a_row_of_all_pairs_names_what_it_lacks(run: Run, folder: Path) -> None:
    for flags in ("--src_lang en --langs fr", "--langs fr", "--src_lang fr --langs en"):
        assert run("bitext.py", *NGRAM, "--dataset", folder.name, *flags.split()).returncode == 0
    done = run(TABLE, "--format", "csv")
    rows = [line.split(",") for line in done.stdout.splitlines()[1:4]]
    told = [(name.partition(" (")[2], int(n), int(expected)) for name, _, n, expected in rows]
    assert told == [("src_lang any)", 2, 3), ("src_lang en)", 1, 2), ("src_lang fr)", 1, 2)]
    assert "(src_lang any): 1 of 3 subsets: de_en" in done.stderr
