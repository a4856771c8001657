"""Own data in records is found by the name or the path of its file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Run

from utils.errors import UserError
from utils.records.own_names import logged_name, logged_names
from utils.runlog import load

THERE = ("sample", "dups-0123abcd", "dups.v2-0123abcd", "own-title-label-00ff00ff", "mine-aaaaaaaa", "mine-bbbbbbbb")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("sample", "sample"),
        ("dups", "dups-0123abcd"),
        ("dups.tsv", "dups-0123abcd"),
        ("../data/dups.tsv.gz", "dups-0123abcd"),
        ("dups.zip", "dups-0123abcd"),
        ("folder/dups.v2", "dups.v2-0123abcd"),
        ("own", "own-title-label-00ff00ff"),
        ("mine-bbbbbbbb", "mine-bbbbbbbb"),
        ("dup", None),
        ("nusax", None),
    ],
)
def test_a_name_is_completed(name: str, found: str | None) -> None:
    assert logged_name(name, THERE) == found
    assert logged_names([name], THERE) == [found or name]


def test_a_name_of_several_data_sets_is_refused() -> None:
    with pytest.raises(UserError, match="mine is the name of 2 data sets: mine-aaaaaaaa, mine-bbbbbbbb"):
        logged_name("mine", THERE)


def test_every_script_that_reads_records_takes_the_short_name(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dups.tsv").write_text("de\ten\nabc def\tabc\nuvw xyz\tuvw\n")
    for seed in ("1", "2"):
        done = run(
            "bitext.py",
            "--dataset",
            "dups.tsv",
            "--k",
            "1",
            "--model_checkpoint",
            "baseline/char_ngram",
            "--seed",
            seed,
        )
        assert done.returncode == 0, done.stderr
    where = ("--dataset", "dups", "--seed", "1")
    table = run("script/aggregate/aggregate_bitext_mining.py", *where, "--format", "json")
    assert "dups-" in table.stdout and json.loads(table.stdout)
    assert run("script/plot/plot_heatmap.py", "--task", "bitext", *where).returncode == 0
    assert "2 records" in run("script/report.py", "--dataset", "dups").stdout
    assert load(tmp_path / "logs", dataset="dups.tsv")["seed"].tolist() == [1, 2]
