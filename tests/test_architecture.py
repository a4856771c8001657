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
# file -> (rooms of utils/ it may import anywhere, third-party packages it may import at the top)
RULES: dict[str, tuple[set[str], set[str]]] = {
    "schema": (set(), set()),
    "languages": (set(), set()),
    "loaders": (set(), set()),
    "registry": ({"schema", "languages", "loaders"}, set()),
    "voting": (set(), {"numpy"}),
    "labeled": ({"schema", "registry", "languages", "sources", "readers"}, set()),
    "metrics": ({"schema"}, {"numpy"}),
    "stats": ({"schema"}, {"numpy"}),
    "swaps": ({"stats"}, {"numpy"}),
    "retrieval": ({"schema", "scan", "scorers", "search", "slabs"}, {"numpy"}),
    "slabs": ({"schema", "arithmetic", "lanes"}, {"numpy"}),
    "scorers": ({"schema", "arithmetic"}, {"numpy"}),
    "search": ({"schema", "arithmetic", "lanes", "scan", "scorers", "survivors"}, {"numpy"}),
    "arithmetic": (set(), set()),
    "batching": (set(), {"numpy"}),
    "lanes": (set(), {"numpy"}),
    "backends": ({"schema", "cache"}, set()),
    "sentence_models": ({"schema", "arithmetic", "backends", "batching", "hub", "lanes"}, {"numpy"}),
    "scan": ({"arithmetic", "fused", "survivors"}, set()),
    "fused": ({"schema", "triton_kernels"}, set()),
    "triton_kernels": (set(), {"triton"}),
    "survivors": (set(), set()),
    "fusion": ({"schema", "retrieval", "scorers", "search"}, {"numpy"}),
    "cache": ({"schema"}, {"numpy"}),
    "scoring": ({"metrics", "stats"}, {"numpy"}),
    "hub": ({"schema"}, set()),
    "sources": ({"schema", "cache", "hub"}, set()),
    "readers": ({"schema", "registry", "sources"}, set()),
    "own_data": ({"schema", "registry", "sources", "readers"}, set()),
    "checkpoints": ({"schema", "registry", "sources", "hub", "cache", "bundled"}, set()),
    "encoders": ({"schema", "registry", "cache", "api_encoders", "traffic"}, {"numpy"}),
    "gaps": ({"schema"}, {"numpy"}),
    "providers": ({"schema"}, set()),
    "served": ({"schema", "registry", "providers"}, set()),
    "token_counts": ({"hub"}, set()),
    "traffic": ({"schema", "registry", "providers"}, set()),
    "in_flight": (set(), set()),
    "vector_requests": ({"schema", "providers", "traffic"}, {"numpy"}),
    "text_requests": ({"schema", "providers", "traffic"}, set()),
    "api_encoders": (
        {"schema", "registry", "answers", "in_flight", "providers", "token_counts", "traffic", "batch_api", "encoders"}
        | {"vector_requests"},
        {"numpy"},
    ),
    "api_generators": (
        {"schema", "in_flight", "providers", "token_counts", "traffic", "batch_api", "text_requests"},
        set(),
    ),
    "batch_api": ({"schema", "registry", "cache", "providers", "token_counts", "traffic"}, set()),
    "bundled": ({"schema", "cache", "sentence_models"}, {"numpy"}),
    "runlog": ({"schema", "registry", "cache", "frames"}, set()),
    "mteb_tasks": ({"schema", "registry", "languages"}, set()),
    "frames": ({"registry", "languages", "runlog"}, set()),
    "palette": (set(), set()),
    "figures": ({"cache"}, set()),
    "pages": ({"cache"}, set()),
    "points": ({"schema", "labeled", "languages", "readers", "sources"}, set()),
    "projection": ({"schema"}, {"numpy"}),
    "purity": ({"retrieval"}, {"numpy"}),
    "coloring": ({"schema", "languages", "palette", "points"}, set()),
    "coordinates": ({"schema", "cache", "points", "runlog"}, {"numpy"}),
    "scatter": ({"coloring", "figures", "palette"}, {"numpy"}),
    "pictures": ({"coloring", "figures", "pages", "points", "projection", "scatter"}, {"numpy"}),
    "prompts": (set(), set()),
    "tries": (set(), {"numpy"}),
    "tokenizing": ({"schema", "tries"}, set()),
    "tree_models": (set(), set()),
    "label_scoring": ({"schema", "tries", "tree_models"}, {"numpy"}),
    "language_models": ({"schema", "arithmetic", "hub", "label_scoring", "tokenizing", "tries"}, set()),
    "bundled_generator": ({"schema", "cache", "language_models"}, set()),
    "answers": ({"schema", "cache"}, set()),
    "generators": (
        {"schema", "registry", "answers", "checkpoints", "hub", "bundled_generator", "language_models"}
        | {"api_generators", "traffic"},
        set(),
    ),
    "decisions": ({"schema"}, {"numpy"}),
    "answering": ({"schema", "decisions", "prompts"}, {"numpy"}),
    "demonstrations": ({"schema"}, {"numpy"}),
    "cli": ({"schema", "registry", "generators", "providers", "served"}, set()),
    "session": (
        {"schema", "cli", "checkpoints", "encoders", "runlog", "fusion", "retrieval", "sources", "tuning"}
        | {"api_encoders", "gaps", "providers", "served", "traffic"},
        set(),
    ),
    "tuning": (set(), set()),
    "parity": (
        {
            "registry",
            "schema",
            "cli",
            "own_data",
            "readers",
            "sources",
            "checkpoints",
            "served",
            "encoders",
            "traffic",
            "retrieval",
        },
        set(),
    ),
    "prefetch": (
        {"schema", "cli", "registry", "labeled", "readers", "sources", "checkpoints", "encoders", "hub"}
        | {"generators", "bundled_generator", "served", "token_counts"},
        set(),
    ),
    "__init__": (set(), set()),
}


PLOT_ROOMS = (
    *("script.plot", "script.plot._drawing", "script.plot._languages", "script.plot._lines", "script.plot._means"),
    *("script.plot._naming", "script.plot._plots", "script.aggregate._build", "script.aggregate._cells"),
)


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


@pytest.mark.parametrize("path", sorted((ROOT / "utils").glob("*.py")), ids=lambda path: path.stem)
def test_rooms_import_only_what_the_table_allows(path: Path) -> None:
    rooms, packages = RULES[path.stem]
    used = {name.split(".")[1] for name in imports(path) if name.startswith("utils.")}
    assert used <= rooms
    top = {name.split(".")[0] for name in imports(path, top_only=True)} - {"utils", "__future__"}
    assert {name for name in top if name not in sys.stdlib_module_names} <= packages


@pytest.mark.parametrize("script", SCRIPTS)
def test_root_scripts_import_utils_only(script: str) -> None:
    names = {name.split(".")[0] for name in imports(ROOT / script)} - {"utils"}
    assert {name for name in names if name not in sys.stdlib_module_names} <= {"numpy"}


@pytest.mark.parametrize("path", sorted((ROOT / "script").rglob("[!_]*.py")), ids=lambda path: path.stem)
def test_aggregates_and_figures_reach_the_rooms_through_the_files_with_an_underscore(path: Path) -> None:
    rooms = {name for name in imports(path) if name.startswith(("utils", "script"))}
    assert rooms <= {
        "script",  # of which _report alone is imported, by report.py
        "script.aggregate",
        "script.aggregate._classification",
        "script.aggregate._icl",
        "script.aggregate._items",
        "script.aggregate._paired",
        "script.aggregate._select",
        "script.aggregate._sides",
        *(PLOT_ROOMS if path.parent.name == "plot" else ()),
        "utils.cli",
        "utils.schema",
    }


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
