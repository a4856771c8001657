"""Records of which one value is replaced by another, read by everything that reads records."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Run
from hostile import NGRAM, VALUES, fault_of, places_in, usual, with_value, write_raw
from hypothesis import given
from hypothesis import strategies as st
from made_records import ICL
from record_files import write_record
from script_runner import run_in_process

from utils.schema import RunRecord

LABELED = ("classification", "icl")
TABLES = {
    "bitext": ("aggregate_bitext_mining",),
    "classification": ("aggregate_classification", "aggregate_classification_cross"),
    "icl": ("aggregate_icl", "aggregate_icl_percentile"),
}
PLOTS = ("plot_k", "plot_heatmap", "plot_groups")


def make_logs(folder: Path, run_in: Callable[..., Any]) -> dict[str, Path]:
    """Log two models of every task in the folder, and return one record of each task."""
    for script in ("bitext.py", "classification.py"):
        for model in (("--model_checkpoint", NGRAM), ("--model_checkpoints", NGRAM, NGRAM, "--weights", "1", "2")):
            done = run_in(folder, script, *model, "--langs", "fra", "deu", "--k", "1")
            assert done.returncode == 0, done.stderr
    (bitext,) = folder.glob(f"logs/save_bitext/*/{NGRAM}/*/eval_eng_fra_1.json")
    (labeled,) = folder.glob(f"logs/save_classification/*/{NGRAM}/*/eval_fra_1.json")
    body = json.loads(labeled.read_text())
    generator = {"name": "org/gen", "revision": "a", "kind": "base", "dtype": "fp32", "quantization": ""}
    prompts = {"prompts": ["a", "b"], "demonstrations": [[0], [1]], "labels": ["x", "y"], "scores": [[-1.0, -2.0]] * 2}
    for lang in ("fra", "deu"):
        run = {**body["run"], **ICL, "generator": generator, "subset": lang}
        record = RunRecord(
            {name: body[name] for name in ("acc", "prec", "rec", "f1")},
            {"acc": (0.0, 1.0)},
            2,
            1,
            run,
            {"labels": ["x", "y"], "confusion": [[1, 0], [1, 0]], "unparsed": 0.0},
        )
        place = folder / "logs" / "save_icl" / "sample" / "org" / "gen" / NGRAM / "seed_42"
        icl = write_record(place, lang, record, {"gold": ["x", "y"], "hyp": ["x", "x"]}, prompts)
    return {"bitext": bitext, "classification": labeled, "icl": icl}


def readers_of(task: str) -> list[tuple[str, ...]]:
    """Return the commands that read the records of a task, the run itself among them."""
    again = ("--model_checkpoint", NGRAM, "--langs", "fra", "deu", "--k", "1")
    tables = [
        (f"script/aggregate/{name}.py", *more) for name in TABLES[task] for more in ((), ("--ci", "--format=csv"))
    ]
    tables.append((tables[0][0], "--bold", "significant", "--reference", "paper", "--format", "json"))
    sides = (f"{NGRAM}", f"{NGRAM}") if task != "icl" else ("org/gen + baseline/char_ngram, 1-shot",) * 2
    plots = [] if task == "icl" else [(f"script/plot/{name}.py", "--task", task, "--format", "svg") for name in PLOTS]
    labeled = [] if task == "bitext" else [("script/plot/plot_confusion.py", "--task", task, "--format", "svg")]
    return [
        *([] if task == "icl" else [(f"{task}.py", *again)]),
        *tables,
        ("script/aggregate/compare.py", *sides, "--task", task),
        *plots,
        *labeled,
        ("script/report.py",),
        ("script/aggregate/to_mteb.py", "--classification"),
        ("load.py",),
        ("load.py", "preds"),
    ]


LOAD = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from utils.cli.main import run
from utils.runlog import load
run(lambda argv: print(load("logs", preds=bool(argv))))
"""


class Mutated:
    """The logs of one folder, of which one file is changed at a time."""

    def __init__(self, folder: Path, run_in: Callable[..., Any], cache: Path) -> None:
        self.folder, self.cache = folder, cache
        self.records = make_logs(folder, run_in)
        shutil.copytree(folder / "logs", folder / "kept")
        (folder / "load.py").write_text(LOAD)

    def files_of(self, task: str) -> list[Path]:
        """Return a task's record and the files beside it."""
        record = self.records[task]
        names = (record.name, f"{record.stem}_preds.json", f"{record.stem}_prompts.json", "tuned_weights.json")
        neighbors = f"{record.stem.rpartition('_')[0]}_neighbors.json"
        return [path for name in (*names, neighbors) if (path := record.with_name(name)).is_file()]

    def fault(self, path: Path, place: tuple[Any, ...], value: Any, command: tuple[str, ...]) -> str:
        """Change a file at a place, run a command, and return what is wrong with its end."""
        kept = self.folder / "kept" / path.relative_to(self.folder / "logs")
        write_raw(path, with_value(json.loads(kept.read_text()), place, value))
        before = {entry.name for entry in self.folder.parent.iterdir()}
        script = self.folder / command[0] if command[0] == "load.py" else ROOT / command[0]
        env = {**os.environ, "MINERS_CACHE_DIR": str(self.cache), "MINERS_DATA_DIR": ""}
        try:
            code, out, err = run_in_process(script, command[1:], self.folder, env)
        finally:
            shutil.copy(kept, path)
        done: Any = type("Done", (), {"returncode": code, "stdout": out, "stderr": err})
        return fault_of(done, self.folder, before)


@pytest.fixture(scope="module")
def mutated(tmp_path_factory: pytest.TempPathFactory, run_in: Run, cache_dir: Path) -> Mutated:
    folder = tmp_path_factory.mktemp("outside") / "inside"
    folder.mkdir()
    return Mutated(folder, run_in, cache_dir)


@pytest.mark.slow
@pytest.mark.parametrize("task", list(TABLES))
def test_no_value_of_a_record_ends_in_a_traceback(task: str, mutated: Mutated) -> None:
    files = {path: list(places_in(json.loads(path.read_text()))) for path in mutated.files_of(task)}
    record, *others = files
    path = st.integers(0, 3).map(lambda n: others[n % len(others)] if n == 0 else record)
    changes = path.flatmap(lambda one: st.tuples(st.just(one), st.sampled_from(files[one])))

    @usual(25)
    @given(change=changes, value=st.sampled_from((..., *VALUES)), command=st.sampled_from(readers_of(task)))
    def check(change: tuple[Path, tuple[Any, ...]], value: Any, command: tuple[str, ...]) -> None:
        assert mutated.fault(*change, value, command) == ""

    check()
