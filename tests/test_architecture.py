"""Who may import whom (docs/architecture.md), and what must not be loaded before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

SCRIPTS = ("bitext.py", "classification.py", "icl.py", "visualize.py")
SERVICES = {"openai", "cohere", "bitsandbytes", "tiktoken", "tenacity"}
HEAVY = {
    "torch",
    "transformers",
    "sentence_transformers",
    "datasets",
    "sklearn",
    "scipy",
    "pandas",
    "matplotlib",
} | SERVICES


def imports(path: Path, *, top_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in tree.body if top_only else ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" if node.module == "utils" else node.module for alias in node.names}
    return found


@pytest.mark.parametrize("script", SCRIPTS)
def test_root_scripts_import_utils_only(script: str) -> None:
    names = {name.split(".")[0] for name in imports(ROOT / script)} - {"utils"}
    assert {name for name in names if name not in sys.stdlib_module_names} <= {"numpy"}


@pytest.mark.parametrize(
    "code",
    [
        "import bitext; bitext.parse([])",
        "import classification; classification.parse([])",
        "import visualize; visualize.parse([])",
        "import utils.registry, utils.cli, utils.readers",
    ],
)
def test_nothing_heavy_is_loaded_for_help_and_list(code: str) -> None:
    check = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_whole_run_never_imports_the_services(tmp_path: Path) -> None:
    argv = ["--model_checkpoint", "baseline/char_ngram", "--langs", "spa", "--output_dir", str(tmp_path / "logs")]
    argv += ["--cache_dir", str(tmp_path / "cache")]
    check = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import bitext; bitext.main({argv!r}); "
    check += f"print(sorted({SERVICES!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "[]"
