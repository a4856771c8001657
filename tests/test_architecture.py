"""Who may import whom (docs/architecture.md), and what must not be loaded before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from conftest import ROOT

SCRIPTS = (
    *(
        "bitext.py",
        "chat.py",
        "classification.py",
        "finetune.py",
        "icl.py",
        "layers.py",
        "mine.py",
        "retrieval.py",
        "sts.py",
        "sweep.py",
    ),
    "visualize.py",
)
SERVICES = {"openai", "cohere", "bitsandbytes", "tiktoken", "ray", "submitit", "peft", "faiss", "sacrebleu"}
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


# The packages from the top layer to the bottom one. A file may import from lower layers, and from its own package.
LAYERS = (
    ("reporting", "sweep"),
    ("cli",),
    ("layers", "mining", "training"),
    ("records",),
    ("rerankers",),
    ("encoders", "generators"),
    ("api", "data", "checkpoints", "weights"),
    ("retrieval", "hub", "files", "tasks"),
    ("task_spec", "settings", "proxies", "cluster", "flags"),
    (
        "evaluation",
        "numerics",
        "parallel",
        "processes",
        "progress",
        "errors",
        "constants",
        "schema",
        "answers",
        "protocols",
        "loaders",
    ),
    ("words", "views"),
)
LAYER = {package: len(LAYERS) - place for place, packages in enumerate(LAYERS) for package in packages}
SHORT_NAMES = (
    "runlog",
    "prefetch",
    "parity",
    "demonstrations",
    "prompts",
)  # names that users import or run, each one line that leads into its package


@cache
def imports(path: Path) -> set[str]:
    """Return the modules that a file imports when it runs; those for types alone do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def package_of(module: str) -> str:
    return module.split(".")[1]


FILES = sorted((ROOT / "utils").rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_go_to_lower_layers(path: Path) -> None:
    package = path.relative_to(ROOT / "utils").parts[0].removesuffix(".py")
    if package in (*SHORT_NAMES, "__init__"):
        return
    used = {package_of(name) for name in imports(path) if name.startswith("utils.")} - {package}
    assert {name for name in used if LAYER[name] >= LAYER[package]} == set()


def test_no_file_imports_itself_in_a_circle() -> None:
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}
    graph = {
        module: {found for name in imports(path) for found in (name, name.rpartition(".")[0]) if found in names}
        for module, path in names.items()
    }
    assert list(TopologicalSorter(graph).static_order())  # CycleError names the circle


@pytest.mark.parametrize("script", SCRIPTS)
def test_root_scripts_import_utils_only(script: str) -> None:
    names = {name.split(".")[0] for name in imports(ROOT / script)} - {"utils"}
    assert {name for name in names if name not in sys.stdlib_module_names} <= {"numpy"}


@pytest.mark.parametrize(
    "code",
    [
        "import bitext; bitext.parse([])",
        "import classification; classification.parse([])",
        "import icl; icl.parse([])",
        "import mine; mine.parse([])",
        "import visualize; visualize.parse([])",
        "import sweep; sweep.parse([]); from utils.sweep.scripts import parse; parse('icl.py', [])",
        "import utils.data.registry, utils.cli.arguments, utils.data.bitext",
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
