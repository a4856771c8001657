"""Command lines made of every parser's own flags, with values that nobody would give on purpose."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from hostile import NGRAM, SCRIPTS, command_lines, fault_of, make_files, parser_of, usual
from hypothesis import given
from made_records import log_bitext, log_generator, log_languages
from script_runner import run_in_process

RUNS = ("bitext.py", "classification.py", "icl.py", "mine.py", "visualize.py")
ALWAYS = {  # so that no example loads a model, or waits for a network
    **dict.fromkeys(RUNS, ("--model_checkpoint", NGRAM, "--dry_run")),
    "utils/prefetch.py": ("--check",),
    "utils/parity.py": ("--model_checkpoint", NGRAM, "--served", NGRAM),
    "script/aggregate/aggregate.py": ("--task", "classification"),
    "script/aggregate/from_mteb.py": (),
}
PLOTS_TASK = ("--task", "classification")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files of all kinds and logs of every task, beside which nothing may be written."""
    folder = tmp_path_factory.mktemp("outside") / "inside"
    folder.mkdir()
    make_files(folder)
    log_languages(folder / "logs")
    log_generator(folder / "logs")
    for model, right in ((NGRAM, 5), ("org/a", 3)):
        log_bitext(folder / "logs", "sample", model, right, 7, 42, subset="eng_fra")
    return folder


def run_hostile(script: str, line: list[str], folder: Path, cache: Path) -> str:
    """Run a command line in the folder and return what is wrong with its end."""
    home = folder / "home"
    env = {**os.environ, "HOME": str(home), "MINERS_CACHE_DIR": str(cache), "MINERS_DATA_DIR": ""}
    before = {path.name for path in folder.parent.iterdir()}
    code, out, err = run_in_process(ROOT / script, tuple(line), folder, env)
    done: Any = type("Done", (), {"returncode": code, "stdout": out, "stderr": err})
    return fault_of(done, folder, before)


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_no_command_line_ends_in_a_traceback(script: str, place: Path, cache_dir: Path) -> None:
    always = ALWAYS.get(script, ())
    lines = command_lines(script, parser_of(script, *always), always)

    @usual(8)
    @given(line=lines)
    def check(line: list[str]) -> None:
        assert run_hostile(script, line, place, cache_dir) == ""

    check()
