"""Mean and standard deviation over seeds, worked by hand."""

from __future__ import annotations

import json
from pathlib import Path

import made_records as made
import pytest
from conftest import Run

SCRIPT = "script/aggregate/aggregate_bitext_mining.py"


def test_mean_and_deviation_over_seeds(run: Run, tmp_path: Path) -> None:
    for seed, right in ((1, 10), (2, 12), (7, 17)):
        made.log_bitext(tmp_path / "logs", "phinc", "org/a", right, 20, seed)
        made.log_bitext(tmp_path / "logs", "lince_mt", "org/a", 10, 20, seed)
    made.log_bitext(tmp_path / "logs", "phinc", "org/b", 5, 20, 7)
    done = run(SCRIPT, "--seeds", "all", "--format", "json")
    rows = {(row["model"], row["column"]): row for row in json.loads(done.stdout)}
    cell = rows["org/a", "phinc"]
    # 50, 60, 85: mean 65; deviations 15, 5, 20: squares 650, over 2
    assert cell["mean"] == pytest.approx(0.65) and cell["sd"] == pytest.approx((0.0650 / 2) ** 0.5)
    assert cell["seeds"] == {"1": 0.5, "2": 0.6, "7": 0.85} and cell["n_seeds"] == 3
    group = rows["org/a", "CS"]  # a seed's mean over both sets: 50, 55, 67.5
    assert group["seeds"] == pytest.approx({"1": 0.5, "2": 0.55, "7": 0.675})
    assert rows["org/b", "phinc"]["sd"] is None and rows["org/b", "phinc"]["n_seeds"] == 1
    assert "seeds: phinc, org/b: has 7, without 1, 2" in done.stderr
    plain = run(SCRIPT, "--seeds", "1", "2", "--models", "org/a").stdout
    assert "55.00 ± 7.07 (2 seeds)" in plain and "50.00 ± 0.00 (2 seeds)" in plain
    assert "$55.00 \\pm 7.07$ &" in run(SCRIPT, "--seeds", "1", "2", "--models", "org/a", "--format", "latex").stdout
    latex = run(SCRIPT, "--seeds", "all", "--format", "latex").stdout
    assert "25.00 (1 seed)" in latex and "(3 seeds)" not in latex and "% mean over 3 seeds" in latex
    one = run(SCRIPT, "--seeds", "7", "9", "--models", "org/b")
    assert "25.00 (1 seed)" in one.stdout and "seeds: no record has seed 9" in one.stderr


def test_a_seed_with_other_subsets_is_left_out(run: Run, tmp_path: Path) -> None:
    for seed, subsets in ((1, "abc"), (2, "abc"), (3, "ab")):
        for subset in subsets:
            made.log_bitext(tmp_path / "logs", "mine", "org/a", 10 + seed, 20, seed, subset=subset)
    done = run(SCRIPT, "--seeds", "all", "--format", "csv")
    assert done.stdout == "model,mine,mine_n,mine_expected,mine_sd,mine_n_seeds\norg/a,57.50,3,3,3.54,2\n"
    assert "missing: mine, org/a, seed 3: 1 of 3 subsets: c" in done.stderr
    assert "seeds: mine, org/a: seed 3 has other subsets than seed 1 and is left out" in done.stderr


def test_means_of_different_seeds_have_no_deviation(run: Run, tmp_path: Path) -> None:
    for dataset, seeds in (("phinc", (1, 2)), ("lince_mt", (1,))):
        for seed in seeds:
            made.log_bitext(tmp_path / "logs", dataset, "org/a", 10 * seed, 20, seed)
    done = run(SCRIPT, "--seeds", "all", "--format", "csv", "--ci")
    header, row = (line.split(",") for line in done.stdout.splitlines())
    found = dict(zip(header, row, strict=True))
    assert (
        found["CS"] == "62.50"
        and found["CS_low"] < "62.50" < found["CS_high"]
        and (found["CS_sd"], found["CS_n_seeds"]) == ("", "")
    )
    assert "62.50 (mixed seeds)" in run(SCRIPT, "--seeds", "all", "--format", "latex").stdout
    assert found["phinc"] == "75.00" and found["phinc_low"] and found["phinc_sd"] == "35.36"


def test_the_interval_is_that_of_the_mean_over_seeds(run: Run, tmp_path: Path) -> None:
    for seed in (1, 2, 3, 4):
        made.log_bitext(tmp_path / "logs", "phinc", "org/a", 50, 100, seed)
    (row,) = json.loads(run(SCRIPT, "--seeds", "all", "--ci", "--format", "json").stdout)
    low, high = row["ci95"]  # four times the same items are no four times as many: 0.5 +- 1.96 * 0.05
    assert low == pytest.approx(0.402, abs=0.02) and high == pytest.approx(0.598, abs=0.02)


def test_mistakes(run: Run, tmp_path: Path) -> None:
    made.log_bitext(tmp_path / "logs", "phinc", "org/a", 50, 100, 3)
    for flags, what in (
        (["--seeds", "one"], "--seeds: 'one' is not an integer of 0 or more"),
        (["--seeds", "all", "3"], "--seeds: 'all' is not an integer"),
        (["--seeds", "4", "5"], "no bitext results with seed 4 or 5; there is 3"),
        (["--seeds", "3", "--seed", "1"], "not allowed with argument"),
    ):
        done = run(SCRIPT, *flags)
        assert done.returncode == 2 and what in done.stderr and "Traceback" not in done.stderr, done.stderr
