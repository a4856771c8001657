"""The layout of confusion matrices: square cells leave no blank strip above them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from matplotlib.image import imread

FLAGS = ("--task", "classification", "--format", "png", "--output", "out")


@pytest.mark.slow
@pytest.mark.parametrize("langs", [("eng", "deu"), ("eng",)])
def test_no_strip_above_the_panels_is_blank(run: Run, tmp_path: Path, langs: tuple[str, ...]) -> None:
    flags = ("--model_checkpoint", "baseline/char_ngram", "--k", "1")
    done: subprocess.CompletedProcess[str] = run("classification.py", *flags, "--langs", *langs)
    assert done.returncode == 0, done.stderr
    assert run("script/plot/plot_confusion.py", *FLAGS, "--langs", *langs).returncode == 0
    picture = imread(tmp_path / "out.png")[..., :3]
    inked = np.flatnonzero((picture < 1).any(axis=(1, 2)))
    assert inked[0] < 0.1 * 200 and len(picture) - inked[-1] < 0.1 * 200  # a tenth of an inch of 200 dots
