"""What the documents say about files, packages, options, data sets and constants is so in the code."""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path

import pytest
from script_runner import ROOT, run_in_process
from test_architecture import LAYERS, SHORT_NAMES

from utils.cli.finetune_arguments import OBJECTIVES
from utils.data.registry import DATASETS, sets_of
from utils.tasks import TASKS

DOCUMENTS = sorted(
    path for path in ROOT.rglob("*.md") if path.relative_to(ROOT).parts[0] in ("docs", "data") or path.parent == ROOT
)
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in DOCUMENTS}
MADE_UP = "adding.md"  # its examples name files that a reader would write
FENCE = re.compile(r"^```.*?^```", flags=re.DOTALL | re.MULTILINE)
FOLDERS = ("bench", "data", "docs", "notebooks", "script", "tests", "utils")
PATH = re.compile(rf"(?<![\w/.~-])(?:{'|'.join(FOLDERS)})/[\w./*-]*[\w*/]")
MODULE = re.compile(r"(?<![\w./])utils(?:\.\w+)+")
WRITTEN = {"bench/results/"}  # folders that a command makes


@pytest.fixture(params=TEXTS)
def document(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def prose(document: str) -> str:
    """Return a document without its fenced blocks where these name files that are made up."""
    return FENCE.sub("", TEXTS[document]) if document.endswith(MADE_UP) else TEXTS[document]


def test_paths_exist(document: str) -> None:
    named = set(PATH.findall(prose(document))) - WRITTEN
    folder = (ROOT / document).parent
    assert {path for path in named if not is_there(path, folder)} == set()


def is_there(path: str, folder: Path) -> bool:
    """Return whether a path or a pattern leads to something, from the root or from a document's folder."""
    return any(any(root.glob(path.rstrip("/"))) for root in (ROOT, folder))


def test_modules_exist(document: str) -> None:
    assert {name for name in MODULE.findall(prose(document)) if not is_module_or_member(name)} == set()


def is_module_or_member(name: str) -> bool:
    """Return whether a dotted name is a module or package of the project, or a member of a module."""
    path = ROOT.joinpath(*name.split("."))
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    module, _, member = name.rpartition(".")
    return module != "utils" and hasattr(importlib.import_module(module), member)


def test_links_lead_somewhere(document: str) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", TEXTS[document]):
        path = (ROOT / document).parent / target if target else ROOT / document
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{target}#{anchor}"


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_document_is_reached_from_the_readme() -> None:
    reached, queue = set[Path](), [ROOT / "README.md"]
    while queue:
        path = queue.pop()
        if path not in reached:
            reached.add(path)
            links = re.findall(r"\]\((?!https?:)([^)#\s]+\.md)", path.read_text(encoding="utf-8"))
            queue += [(path.parent / link).resolve() for link in links]
    assert set(DOCUMENTS) - reached == set()


@pytest.fixture(scope="module")
def flags() -> set[str]:
    """The options that some script's --help shows."""
    scripts = [*ROOT.glob("*.py"), *(ROOT / "script").rglob("*.py"), *(ROOT / "bench").glob("[!_]*.py")]
    scripts += [ROOT / "utils" / f"{name}.py" for name in ("prefetch", "parity")]
    asked = [(path, ("--help",)) for path in scripts]
    asked += [(ROOT / "finetune.py", ("--objective", name, "--help")) for name in OBJECTIVES]
    shown = [run_in_process(path, argv, ROOT, os.environ) for path, argv in asked]
    assert [code for code, _, _ in shown] == [0] * len(asked)
    return set(re.findall(r"--[a-z]\w*", "\n".join(text for _, text, _ in shown)))


def test_options_exist(document: str, flags: set[str]) -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", prose(document)))
    assert named - flags == set()


def test_the_packages_of_the_architecture_are_those_on_disk() -> None:
    rows = re.findall(r"^\| `utils/(\w+)(?:/|\.py)` \|", TEXTS["docs/architecture.md"], flags=re.MULTILINE)
    on_disk = {path.name.removesuffix(".py") for path in (ROOT / "utils").iterdir() if path.name[0] not in "_."}
    assert len(rows) == len(set(rows))
    assert set(rows) == on_disk - set(SHORT_NAMES)
    inside = {path.name for path in (ROOT / "utils" / "reporting").iterdir() if path.is_dir() and path.name[0] != "_"}
    row = next(line for line in TEXTS["docs/architecture.md"].splitlines() if line.startswith("| `utils/reporting/`"))
    assert set(re.findall(r"\(`(\w+)/`\)", row)) == inside


def test_the_layers_of_the_architecture_are_those_of_its_test() -> None:
    section = TEXTS["docs/architecture.md"].split("## Layers: who may import whom")[1].split("\n## ")[0]
    layers = re.findall(r"^\d+\. (`.+`)$", section, flags=re.MULTILINE)
    assert [tuple(re.findall(r"`(\w+)`", layer)) for layer in layers] == list(LAYERS)


def test_the_means_of_the_tables_are_those_of_the_rows() -> None:
    scripts = {
        "bitext": "bitext_mining",
        "classification cross": "classification_cross",
        "icl cross": "icl_cross",
        "icl percentile": "icl_percentile",
    }
    rows = dict(re.findall(r"^\| `aggregate_(\w+)\.py` \|[^|]*\| ([^|]*) \|$", TEXTS["docs/tables.md"], re.MULTILINE))
    expected = {}
    for task in TASKS.values():
        for view in task.views:
            members = {
                group: [name for name, row in sets_of(task.data).items() if row.groups.get(view.name) == group]
                for group in view.groups
            }
            told = "; ".join(f"{group}: {', '.join(names)}" for group, names in members.items())
            expected[scripts.get(view.name, view.name)] = told or "none"
    assert {name: sorted(told.replace("; ", ", ").split(", ")) for name, told in rows.items()} == {
        name: sorted(told.replace("; ", ", ").split(", ")) for name, told in expected.items()
    }


def test_the_labelled_data_sets_have_as_many_languages_as_is_said() -> None:
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| (\d+) \|$", TEXTS["docs/classification.md"], flags=re.MULTILINE)
    assert {name: int(n) for name, n in rows} == {
        name: len(row.subsets) for name, row in DATASETS["classification"].items()
    }


def test_the_bitext_data_sets_are_named() -> None:
    row = next(line for line in TEXTS["docs/bitext.md"].splitlines() if line.startswith("| `--dataset` |"))
    assert set(re.findall(r"`([a-z]\w+)`", row)) == set(DATASETS["bitext"])


@pytest.mark.parametrize(
    ("said", "constant"),
    [
        ("chunks of {} texts", "utils.encoders.cache:CHUNK"),
        ("block of {} candidates", "utils.retrieval.pruning:BLOCK"),
        ("tiles of {} queries", "utils.retrieval.quantized_scan:QUERY_TILE"),
        ("queries by {} candidates", "utils.retrieval.quantized_scan:CANDIDATE_TILE"),
        ("more than {} candidates were kept", "utils.retrieval.pruning:MAX_KEPT"),
        ("fewer than {} candidates", "utils.retrieval.scan_choice:MIN_CANDIDATES"),
        ("k is greater than {}", "utils.retrieval.scan_choice:MAX_K"),
        ("a sample of {} queries", "utils.retrieval.scan_choice:SAMPLE_QUERIES"),
        ("queries and {} candidates: those", "utils.retrieval.scan_choice:SAMPLE_CANDIDATES"),
        ("is more than {} and more than", "utils.retrieval.exact_search:FEW"),
    ],
)
def test_constants_of_the_architecture_are_those_of_the_code(said: str, constant: str) -> None:
    module, name = constant.split(":")
    value = getattr(importlib.import_module(module), name)
    assert said.format(f"{value:,}") in " ".join(TEXTS["docs/architecture.md"].split())


def test_the_readme_is_short_and_tells_the_size_of_the_sample() -> None:
    readme = TEXTS["README.md"]
    table = (ROOT / "data" / "sample" / "parallel.tsv").read_text(encoding="utf-8").splitlines()
    assert len(readme.splitlines()) <= 225
    assert f"{len(table) - 1} sentences" in readme
