"""What the tests run scripts with: this process gives what a process of its own gives, and is left as it was."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import pytest
from conftest import Run

STATEFUL = """
import functools, os, sys, warnings
@functools.lru_cache
def warn():
    warnings.warn("said once a run")
warn(); warn()
os.environ["LEFT_BEHIND"] = "1"
os.chdir("/")
sys.path.insert(0, "/nowhere")
print(sys.argv[1:], sys.stdin.read() == "", "\\r\\n", end="")
sys.exit("a message")
"""


@pytest.mark.parametrize(
    "args",
    [
        ("bitext.py", "--help"),
        ("bitext.py", "--dataset", "nusx"),
        ("bitext.py", "--model_checkpoint", "baseline/char_ngram", "--langs", "spa", "--dry_run"),
        ("script/aggregate/compare.py", "one"),
    ],
)
def test_both_ways_give_the_same(args: tuple[str, ...], run: Run) -> None:
    here, alone = run(*args), run(*args, process=True)
    assert (here.returncode, here.stdout, here.stderr) == (alone.returncode, alone.stdout, alone.stderr)


def test_a_run_leaves_this_process_as_it_was(run: Run, tmp_path: Path) -> None:
    script = tmp_path / "stateful.py"
    script.write_text(STATEFUL)
    before = dict(os.environ), Path.cwd(), list(sys.path), list(sys.argv), list(warnings.filters)
    here, again, alone = run(str(script), "a"), run(str(script), "a"), run(str(script), "a", process=True)
    assert (dict(os.environ), Path.cwd(), sys.path, sys.argv, warnings.filters) == before
    for done in (here, again, alone):
        assert (done.returncode, done.stdout) == (1, "['a'] True \n")
        assert done.stderr.count("UserWarning: said once a run") == 1 and done.stderr.endswith("a message\n")


def test_a_defect_is_a_traceback_and_exit_code_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n")
    done = run(str(tmp_path / "broken.py"))
    assert done.returncode == 1 and done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_warnings_of_one_run_are_shown_in_the_next_one_too(run: Run) -> None:
    from utils import errors

    errors.warn("said once")
    assert errors.warn.cache_info().currsize == 1
    run("bitext.py", "--list")
    assert errors.warn.cache_info().currsize == 0
