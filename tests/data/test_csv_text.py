"""CSV files with names that a spreadsheet would evaluate, from everything that writes them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from conftest import Run
from report_logs import log

from utils.data.csv_text import as_written, csv_text

BAD = "=cmd()"


def test_formulas_are_text_and_numbers_stay_numbers() -> None:
    rows = [["=1+1", "+a", "@x", "\ta", "-org/y"], ["-", "-1.25", "+2.50", "a=b", -0.5], ["'=q", "", None, 1, "a\nb"]]
    assert csv_text(rows) == "'=1+1,'+a,'@x,'\ta,'-org/y\n-,-1.25,+2.50,a=b,-0.5\n'=q,,,1,\"a\nb\"\n"
    assert csv_text([["a\rb", 1], ["c", 2]]) == '"a\rb","1"\nc,2\n'
    assert [as_written(text) for text in ("'=1", "=1", "'a", "'", "-")] == ["=1", "=1", "'a", "'", "-"]


@pytest.mark.parametrize(
    "command",
    [
        ("script/aggregate/aggregate_bitext_mining.py", "--metric", "acc", "--format", "csv", "--output", "out.csv"),
        (*("script/aggregate/compare.py", BAD, "b", "--task", "bitext"), "--format", "csv", "--output", "out.csv"),
        ("script/plot/plot_k.py", "--task", "bitext", "--metric", "acc", "--format", "svg", "--output", "out"),
        ("script/plot/plot_compare.py", BAD, "b", "--task", "bitext", "--format", "svg", "--output", "out"),
    ],
)
def test_no_written_cell_is_a_formula(run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    for model, right in ((BAD, 6), ("b", 4)):
        for subset in ("=a_b", "c_d"):
            log(tmp_path / "logs", model, "+mine", subset, right, 12)
    done = run(*command)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out.csv").open(newline="") as lines:
        cells = [cell for line in csv.reader(lines) for cell in line]
    assert any(cell.startswith("'") for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "@")) or cell[:2] in ("+m", "-o")]


def test_the_texts_of_pictures_are_no_formulas(run: Run, tmp_path: Path) -> None:
    texts = ["=1+1", "-two", "three", "+four", "@five"]
    lines = [f'{{"text": "{text}", "label": "{place % 2}", "split": "test"}}' for place, text in enumerate(texts)]
    (tmp_path / "own.jsonl").write_text("\n".join(lines))
    flags = ("--dataset", "own.jsonl", "--method", "pca", "--model_checkpoint", "baseline/char_ngram")
    done = run("visualize.py", *flags, "--format", "svg")
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.rglob("pca*.csv")
    with path.open(newline="", encoding="utf-8") as written:
        told = [row["text"] for row in csv.DictReader(written)]
    assert told == ["'=1+1", "'-two", "three", "'+four", "'@five"]
