"""Display names: what a small file calls models and a user's own data."""

from __future__ import annotations

from pathlib import Path

import made_records as made
import pytest
from conftest import Run

SCRIPT = "script/aggregate/aggregate_bitext_mining.py"
E5, NGRAM = "local/e5-cbc8d6fb", "baseline/char_ngram"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Records of a checkpoint of one's own, of an ensemble with it, and of one's own data."""
    for model, right in ((E5, 10), ("e5-cbc8d6fb__char_ngram__weights1.0_1.0", 15), (NGRAM, 5)):
        made.log_bitext(tmp_path / "logs", "pairs-0a1b2c3d", model, right, 20, 42, subset="de_en")
    return tmp_path / "logs"


def test_a_file_beside_the_records_names_rows_and_columns(run: Run, logs: Path) -> None:
    plain = run(SCRIPT, "--format", "csv").stdout
    assert f"\n{E5},50.00" in plain and plain.startswith("model,pairs-0a1b2c3d,")
    (logs / "names.toml").write_text(f'"{E5}" = "E5 (ours)"\n"{NGRAM}" = "n-grams"\n"pairs-0a1b2c3d" = "Letters"\n')
    lines = run(SCRIPT, "--format", "csv").stdout.splitlines()
    assert lines[0] == "model,Letters,Letters_n,Letters_expected"
    assert {line.split(",")[0] for line in lines[1:]} == {"E5 (ours)", "n-grams", "E5 (ours)__n-grams__weights1.0_1.0"}
    chosen = run(SCRIPT, "--models", "E5 (ours)", "--dataset", "Letters")
    assert "50.00" in chosen.stdout and "n-grams" not in chosen.stdout
    compared = run("script/aggregate/compare.py", "E5 (ours)", "n-grams", "--task", "bitext")
    assert compared.returncode == 0 and "25.00" in compared.stdout, compared.stderr
    figure = run("script/plot/plot_heatmap.py", "--task", "bitext", "--format", "svg", "--output", "heat")
    assert figure.returncode == 0 and "E5 (ours)" in (logs.parent / "heat.csv").read_text()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("x = ", "cannot be read"),
        ("x = 1\n", "x is not a text"),
        ('x = " "\n', "x is not a text"),
        ('x = "one"\ny = "one"\n', "'one' stands for several names"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(content: str, told: str, run: Run, logs: Path) -> None:
    (logs.parent / "mine.toml").write_text(content)
    done = run(SCRIPT, "--names", "mine.toml")
    assert done.returncode == 2 and told in done.stderr and "hint: " in done.stderr
