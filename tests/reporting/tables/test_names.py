"""Display names: what a small file calls models and a user's own data."""

from __future__ import annotations

from pathlib import Path

import made_records as made
import pytest
from conftest import Run

from utils.reporting.tables.rows import renamed

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
        ('pairs-0a1b2c3d = "sample"\n', "'pairs-0a1b2c3d' would be shown as the registered data set 'sample'"),
        ('pairs-0a1b2c3d = "sib200"\n', "'pairs-0a1b2c3d' would be shown as the registered data set 'sib200'"),
        (f'"{E5}" = "{NGRAM}"\n', f"'{E5}' would be shown as '{NGRAM}', the name of other records"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(content: str, told: str, run: Run, logs: Path) -> None:
    (logs.parent / "mine.toml").write_text(content)
    done = run(SCRIPT, "--names", "mine.toml")
    assert done.returncode == 2 and told in done.stderr and "hint: " in done.stderr


def test_names_may_be_exchanged_and_those_of_other_models_taken(run: Run, logs: Path) -> None:
    (logs / "names.toml").write_text(f'"{E5}" = "{NGRAM}"\n"{NGRAM}" = "{E5}"\n')
    lines = run(SCRIPT, "--format", "csv").stdout.splitlines()
    assert f"{NGRAM},50.00,1,1" in lines and f"{E5},25.00,1,1" in lines
    (logs / "names.toml").write_text(f'"{E5}" = "intfloat/multilingual-e5-small"\n')
    assert "\nintfloat/multilingual-e5-small,50.00," in run(SCRIPT, "--format", "csv").stdout


def test_rows_of_generators_show_the_names_of_members() -> None:
    names = {"bundled/gemma": "Gemma", "org/e5": "E5 (ours)", "them/e5": "theirs", "baseline/char_ngram": "n-grams"}
    own = ["org/e5", "baseline/char_ngram"]
    name = "bundled/gemma (4bit) + e5__char_ngram__weights3.0_1.0, 1-shot"
    assert renamed(name, names, own) == "Gemma (4bit) + E5 (ours)__n-grams__weights3.0_1.0, 1-shot"
    assert renamed(name, names, ["them/e5", own[1]]) == "Gemma (4bit) + theirs__n-grams__weights3.0_1.0, 1-shot"
    assert renamed(name, names) == "Gemma (4bit) + e5__n-grams__weights3.0_1.0, 1-shot"  # whose e5 is not known
    assert renamed("bundled/gemma + org/e5, 1-shot", names, own[:1]) == "Gemma + E5 (ours), 1-shot"
    whole = {**names, "e5__char_ngram__weights3.0_1.0": r"both \1"}
    assert renamed(name, whole, own) == r"Gemma (4bit) + both \1, 1-shot"


def test_names_of_records_are_taken_beside_display_names(run: Run, logs: Path) -> None:
    encoders = [{"checkpoint": E5, "prompt": "x: ", "weight": 1.0}]
    made.log_bitext(
        logs / "x", "pairs-0a1b2c3d", E5, 4, 20, 42, subset="de_en", encoders=[{**encoders[0], "prompt": ""}]
    )
    made.log_bitext(logs / "y", "pairs-0a1b2c3d", E5, 6, 20, 42, subset="de_en", encoders=encoders)
    lines = f'"{E5}" = "ours"\n"{NGRAM}" = "n-grams"\n"pairs-0a1b2c3d" = "Letters"\n'
    (logs / "names.toml").write_text(lines + '"local/e5-cbc8d6fc" = "typo"\n')
    for dataset in ("Letters", "pairs", "pairs-0a1b2c3d"):
        done = run(SCRIPT, "--format", "csv", "--dataset", dataset, "--models", f'{E5} (prompt "x: ")')
        assert done.returncode == 0 and done.stdout.splitlines()[1].endswith(",30.00,1,1"), done.stderr
        assert f"no record has 'local/e5-cbc8d6fc'; did you mean '{E5}'?" in done.stderr
        assert "no record has 'baseline" not in done.stderr
        report = run("script/report.py", "--dataset", dataset, "--output", "report.html")
        assert report.returncode == 0 and "5 records" in report.stdout, report.stderr
    both = [f'{E5} (prompt "x: ")', "ours (no prompt)", "--task", "bitext", "--dataset", "pairs"]
    compared = run("script/aggregate/compare.py", *both)
    assert compared.returncode == 0 and "10.00" in compared.stdout, compared.stderr
    done = run(SCRIPT, "--models", "ours (no promt)")
    assert done.returncode == 2 and "'ours (no prompt)'" in done.stderr
