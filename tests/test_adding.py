"""The diffs of docs/adding.md, applied to a copy of the project, which then runs what they add."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest
from conftest import ROOT
from forked import Nursery, base_nursery
from tiny_models import make_model

pytestmark = pytest.mark.slow
DOCUMENT = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8")
SECTIONS = {
    title: re.findall(r"```diff\n(.*?)```", body, flags=re.DOTALL)
    for title, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", DOCUMENT, flags=re.DOTALL | re.MULTILINE)
}
IGNORED = shutil.ignore_patterns(".*", "__pycache__", "logs", "figures", "bench", "results")
LABELS = ("science/technology", "travel", "politics", "sports", "health", "entertainment", "geography")

Command = Callable[..., str]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project without its environment, caches and logs."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT, folder, ignore=IGNORED)
    return folder


@cache
def nursery() -> Nursery:
    """The process that forks those of the copies. It has nothing of this project, since the copies have their own."""
    return Nursery(["pytest", "anyio.pytest_plugin", "_hypothesis_pytestplugin"], os.environ, base_nursery())


@pytest.fixture
def command(copy: Path, tmp_path: Path, cache_dir: Path) -> Command:
    """Run a script of the copy in an empty folder and return what it prints; it must succeed."""

    def run_command(*arguments: str) -> str:
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "MINERS_CACHE_DIR": str(cache_dir), "PYTHONPATH": str(copy)}
        environment |= {"MINERS_DATA_DIR": str(tmp_path / "mirror") if (tmp_path / "mirror").is_dir() else ""}
        done = nursery().run([str(copy / arguments[0]), *arguments[1:]], tmp_path, environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_command


def apply(section: str, folder: Path) -> list[str]:
    """Apply the diffs of a section; return the files that they change, new ones included.

    A diff that is applied already stays, and rows that somebody has added at its place stay before its own.
    """
    changed = []
    for part in (
        part for diff in SECTIONS[section] for part in re.split(r"^(?=diff --git )", diff, flags=re.MULTILINE)
    ):
        if part:
            (name,) = re.findall(r"^\+\+\+ b/(.+)$", part, flags=re.MULTILINE)
            apply_to_file(part, folder, name, section)
            changed.append(name)
    return changed


def apply_to_file(diff: str, folder: Path, name: str, section: str) -> None:
    """Apply the part of a diff that is of one file: as git does, else group by group behind their lines of context."""
    tries = [
        subprocess.run(
            ["git", "apply", *flags, "-"], input=diff, cwd=folder, capture_output=True, text=True, check=False
        )
        for flags in ((), ("--reverse", "--check"))
    ]
    if not all(done.returncode for done in tries):
        return
    is_new, path = "\n--- /dev/null" in diff, folder / name
    lines = [] if is_new else path.read_text(encoding="utf-8").splitlines()
    hunks = re.split(r"^@@ -(\d+).*\n", diff, flags=re.MULTILINE)[1:]
    for number, hunk in zip(hunks[::2], hunks[1::2], strict=True):
        place = int(number)
        for group in re.findall(r"((?: .*\n)*)((?:-.*\n)*)((?:\+.*\n)*)", hunk):
            context, removed, added = ([line[1:] for line in part.splitlines()] for part in group)
            if (removed or added) and (not added or place_of(added, lines, place) is None):
                found = place_of([*context, *removed], lines, place)
                assert found is not None, f"{section}: {tries[0].stderr}"
                lines[found + len(context) : found + len(context) + len(removed)] = added
                place = found + len(context) + len(added)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def place_of(wanted: Sequence[str], lines: Sequence[str], near: int) -> int | None:
    """Return where lines begin in a file, at the place nearest to a line's number; None where they are not in it."""
    starts = range(len(lines) - len(wanted) + 1)
    fitting = [start for start in starts if list(lines[start : start + len(wanted)]) == list(wanted)]
    return min(fitting, key=lambda start: abs(start + 1 - near), default=None)


def shown_by(page: Path) -> str:
    """Return the records of a report page, which it has as gzip in base64."""
    packed = re.findall(r"H4sI[A-Za-z0-9+/=]+", page.read_text(encoding="utf-8"))
    return "\n".join(gzip.decompress(base64.b64decode(part)).decode() for part in packed)


CHECKS = ("tests/data/test_registry.py", "tests/test_loaders.py")
ALL_CHECKS = (
    *(*CHECKS, "tests/test_architecture.py", "tests/data/test_bitext.py", "tests/encoders/test_resolve.py"),
    "tests/test_hubness.py",
)


def check_copy(copy: Path, tests: Sequence[str] = CHECKS) -> None:
    """Run the tests of the registries in the copy, and the linter.

    What each file imports does not depend on the other diffs: it is looked at where all are applied.
    """
    for arguments in (["pytest", "-q", "-p", "no:cacheprovider", *tests], ["ruff", "check", "--no-cache", "."]):
        done = nursery().run(["-m", *arguments], copy)
        assert done.returncode == 0, done.stdout[-3000:]


def test_all_diffs_apply_together(copy: Path, command: Command) -> None:
    changed = {section: apply(section, copy) for section in SECTIONS if SECTIONS[section]}
    assert changed == {
        "A data set": ["utils/data/classification_sets.py"],
        "A data set that a template shows": ["utils/data/prompted_sets.py", "data/templates/stance.toml"],
        "An encoder": ["utils/encoders/registry.py"],
        "Another kind of encoder": ["utils/encoders/registry.py", "utils/encoders/word_hash.py"],
        "A generator": ["utils/generators/registry.py"],
        "A provider": ["utils/api/mistral.py", "utils/api/providers.py"],
        "A task": ["hubness.py", "tests/test_hubness.py", "utils/settings/hubness.py", "utils/tasks.py"],
    }
    listed = command("bitext.py", "--list")
    assert all(
        name in listed for name in ("news_topics", "somebody/encoder-base", "example/word-hash", "somebody/chat-7b")
    )
    check_copy(copy, ALL_CHECKS)


def test_diffs_apply_to_a_project_that_has_them_or_rows_of_its_own(copy: Path) -> None:
    for _ in range(2):
        for section in filter(SECTIONS.get, SECTIONS):
            apply(section, copy)
    once = (copy / "utils/encoders/registry.py").read_text(encoding="utf-8")
    assert once.count("somebody/encoder-base") == 1
    row = next(line for line in once.splitlines() if "somebody/encoder-base" in line)
    own = [row.replace("somebody/encoder-base", "me/mine") if line == row else line for line in once.splitlines()]
    before = own[once.splitlines().index(row) - 1]
    (copy / "utils/encoders/registry.py").write_text("\n".join(own) + "\n", encoding="utf-8")
    apply("An encoder", copy)
    both = (copy / "utils/encoders/registry.py").read_text(encoding="utf-8")
    assert both.count("somebody/encoder-base") == 1 and both.count("me/mine") == 1
    wrong = SECTIONS["An encoder"][0].replace(before, before.replace("(", "(?"))
    (copy / "utils/encoders/registry.py").write_text("\n".join(own) + "\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="An encoder"):
        apply_to_file(wrong, copy, "utils/encoders/registry.py", "An encoder")


def test_an_encoder_is_one_row(copy: Path, command: Command) -> None:
    apply("An encoder", copy)
    plan = command("bitext.py", "--langs", "spa", "--model_checkpoint", "somebody/encoder-base", "--dry_run")
    assert "encoder somebody/encoder-base" in plan and "140  to do" in plan
    check_copy(copy)


def test_a_generator_is_one_row(copy: Path) -> None:
    apply("A generator", copy)
    check_copy(copy)


def test_a_provider_is_a_file_and_its_name(copy: Path, command: Command) -> None:
    apply("A provider", copy)
    plan = command("bitext.py", "--langs", "spa", "--model_checkpoint", "mistral:mistral-embed", "--dry_run")
    assert "encoder mistral/mistral-embed" in plan and "(prices of 2026-11-26)" in plan
    check_copy(copy)


def test_a_data_set_is_one_row(copy: Path, command: Command, tmp_path: Path) -> None:
    apply("A data set", copy)
    folder = tmp_path / "mirror" / "somebody" / "news-topics"
    folder.mkdir(parents=True)
    for split, n in (("train", 14), ("test", 7)):
        rows = [
            {"text": f"{lang} text {row} on {LABELS[row % 7]}", "label": LABELS[row % 7], "lang": lang}
            for lang in ("eng", "hau", "swh")
            for row in range(n)
        ]
        (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    flags = ("--dataset", "news_topics", "--model_checkpoint", "baseline/char_ngram")
    assert "100.00" in command("classification.py", *flags)
    table = json.loads(command("script/aggregate/aggregate_classification.py", "--format", "json"))
    assert "news_topics" in json.dumps(table) and "Mono" not in table  # the other sets of the mean are missing
    command("script/report.py", "--output", str(tmp_path / "report.html"))
    assert "news_topics" in shown_by(tmp_path / "report.html")
    check_copy(copy)


def test_a_data_set_that_a_template_shows_is_a_row_and_a_template(copy: Path, command: Command, tmp_path: Path) -> None:
    apply("A data set that a template shows", copy)
    for split in ("train", "test"):
        path = tmp_path / "mirror" / "somebody" / "stance" / "de" / f"{split}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"topic": "Katzen", "post": f"{split} {row}", "label": row % 2} for row in range(4)]
        path.write_text("\n".join(map(json.dumps, rows)))
    model = make_model(tmp_path / "tiny", "llama")
    flags = ("--dataset", "stance", "--langs", "de", "--gen_model_checkpoint", str(model), "--demonstrations", "random")
    plan = command("icl.py", *flags, "--template_lang", "native", "--answers", "native", "--dry_run")
    assert "Behauptung: Katzen\nText: train " in plan and '\n\nBehauptung: Katzen\nText: test 0\nAntwort: "\n' in plan
    check_copy(copy, (*CHECKS, "tests/generators/test_templates.py"))


def test_a_task_is_a_script_a_row_and_a_test(copy: Path, command: Command, tmp_path: Path) -> None:
    apply("A task", copy)
    flags = ("--langs", "spa", "fra", "--model_checkpoint", "baseline/char_ngram")
    printed = command("hubness.py", *flags)
    record = json.loads(next(tmp_path.rglob("eval_eng_spa_1.json")).read_text(encoding="utf-8"))
    assert record["run"]["task"] == "hubness" and f"{100 * record['antihubs']:.2f}" in printed
    assert "already logged" in command("hubness.py", *flags)
    assert "antihubs" in command("script/aggregate/aggregate.py", "--task", "hubness")
    command("script/report.py", "--output", str(tmp_path / "report.html"))
    assert "antihubs" in shown_by(tmp_path / "report.html")
    check_copy(copy)


def test_a_kind_of_encoder_is_a_file_and_a_row(copy: Path, command: Command, tmp_path: Path) -> None:
    apply("Another kind of encoder", copy)
    flags = ("--langs", "spa", "--model_checkpoint", "example/word-hash")
    first = command("bitext.py", *flags)
    assert "eng_spa" in first
    assert command("bitext.py", *flags, "--overwrite").splitlines()[:3] == first.splitlines()[:3]
    record = json.loads(next(tmp_path.rglob("eval_eng_spa_1.json")).read_text(encoding="utf-8"))
    assert record["run"]["cache"]["example/word-hash"] == {"hits": 140, "misses": 0}  # the second run's
    check_copy(copy)
