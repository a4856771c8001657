"""The tables and figures of layers.py's records: flags that contradict each other or belong to another script."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Run
from tiny_encoders import bert_config, make_encoder

TABLE, FIGURE = "script/aggregate/aggregate_layers.py", "script/plot/plot_layers.py"


@pytest.fixture(scope="module")
def logs(run_in: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    model = str(make_encoder(folder / "a", bert_config()))
    done = run_in(folder, "layers.py", "--langs", "deu", "--poolings", "mean", "--model_checkpoint", model)
    assert done.returncode == 0, done.stderr
    return folder / "logs"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (
            (TABLE, "--measure", "lens"),
            "error: measure lens is a task of its own\nhint: script/aggregate/aggregate_lens.py has its table\n",
        ),
        (
            (TABLE, "--measure", "pca"),
            "error: no layers results with measure pca; there is bitext\nhint: choose with --measure\n",
        ),
        (
            (FIGURE, "--measure", "pca"),
            "error: no layers results with measure pca; there is bitext\nhint: choose with --measure\n",
        ),
        (
            (FIGURE, "--measure", "bitext", "--setting", "layers=all", "measure=pca"),
            "error: --measure bitext with --setting measure=pca\nhint: leave one of them out\n",
        ),
        (
            (FIGURE, "--measure", "lens", "--setting", "measure=bitext"),
            "error: --measure lens with --setting measure=bitext\nhint: leave one of them out\n",
        ),
    ],
)
def test_what_does_not_fit_is_told_in_two_lines(run: Run, logs: Path, command: tuple[str, ...], told: str) -> None:
    done = run(*command, "--logs", str(logs))
    assert (done.returncode, done.stderr) == (2, told)


def test_a_setting_that_says_the_same_is_taken(run: Run, logs: Path) -> None:
    same = ("--measure", "bitext", "--setting", "measure=bitext", "--format", "png", "--output", "fig")
    done = run(FIGURE, *same, "--logs", str(logs))
    assert done.returncode == 0 and done.stdout == "wrote fig.png, fig.csv\n", done.stderr
