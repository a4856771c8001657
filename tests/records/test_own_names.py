"""Own data in records is found by the name or the path of its file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Run

from utils.errors import UserError
from utils.records.own_names import logged_name
from utils.reporting.tables.names import dataset_names
from utils.runlog import load

THERE = (
    "sample",
    "dups-0123abcd",
    "dups.v2-0123abcd",
    "own-title-label-00ff00ff",
    "mine-aaaaaaaa",
    "mine-bbbbbbbb",
    "dups-a-b-11111111",
)


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
    assert dataset_names([name], THERE, {}) == [found or name]


def test_a_name_of_several_data_sets_is_refused() -> None:
    with pytest.raises(UserError, match="mine is the name of 2 data sets: mine-aaaaaaaa, mine-bbbbbbbb"):
        logged_name("mine", THERE)


def test_a_mean_of_own_data_is_over_pairs_from_one_language(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.tsv").write_text("de\ten\tfr\nabc def\tabc\tdef\nuvw xyz\tuvw\tabc\nrst\trst\trst\n")
    flags = ("--dataset", "own.tsv", "--k", "1", "--model_checkpoint", "baseline/char_ngram")
    means = {}
    for source, targets in {"de": ("en", "fr"), "fr": ("de", "en")}.items():
        done = run("bitext.py", *flags, "--src_lang", source, "--langs", *targets)
        means[source] = next(line.split()[-1] for line in done.stdout.splitlines() if line.startswith("mean"))
    table = run("script/aggregate/aggregate_bitext_mining.py").stdout
    for source, mean in means.items():
        assert f"baseline/char_ngram (src_lang {source})" in table and mean in table and "(2/" not in table
        alone = run("script/aggregate/aggregate_bitext_mining.py", "--dataset", "own", "--src_lang", source)
        assert mean in alone.stdout and "(src_lang" not in alone.stdout
    assert means["de"] != means["fr"]


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
