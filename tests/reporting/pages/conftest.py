"""Pages of made-up logs and of real runs, written once for all tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import Run

from utils.data.registry import DATASETS

if TYPE_CHECKING:
    pass
from report_logs import NGRAM, OTHER, SCRIPT, log, log_icl, log_settings, source_of


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory, run_in: Run) -> Path:
    """A folder with `logs`: real runs of the lexical baseline, and made-up records beside them."""
    folder = tmp_path_factory.mktemp("report")
    flags = ["--model_checkpoint", NGRAM, "--langs"]
    for command in (["bitext.py", *flags, "spa", "fra", "swh"], ["classification.py", *flags, "eng", "deu"]):
        assert run_in(folder, *command).returncode == 0
    root = folder / "logs"
    for subset, right in (("eng_spa", 7), ("eng_fra", 60), ("eng_swh", 70)):
        log(root, OTHER, "sample", subset, right, 70, source=source_of(root, subset))
    for place, name in enumerate(["bucc", "nollysenti", "nusax", "nusatranslation", "tatoeba", "lince_mt", "phinc"]):
        for number, subset in enumerate(DATASETS["bitext"][name].subsets):
            log(root, "org/whole", name, subset, (number + 3 * place) % 32, 32)
    log(root, "org/half", "bucc", "de_en", 25, 32)  # 78.125 %, a tie that Python rounds to the even digit
    log_icl(root)
    return folder


@pytest.fixture(scope="session")
def report(logs: Path, run_in: Run) -> Path:
    done = run_in(logs, SCRIPT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("164 records, ") and done.stderr == ""
    return logs / "report.html"


@pytest.fixture(scope="session")
def told_apart(tmp_path_factory: pytest.TempPathFactory, run_in: Run) -> Path:
    """The page of `log_settings`; its logs stand beside it."""
    folder = tmp_path_factory.mktemp("told")
    log_settings(folder / "logs")
    assert run_in(folder, SCRIPT).returncode == 0
    return folder / "report.html"
