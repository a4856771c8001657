"""A task that is one row of utils/tasks.py has tables, frames, comparisons and a page, with metrics of its own."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

import pytest
from conftest import ROOT
from forked import Nursery, base_nursery
from record_files import write_record

from utils.schema import RunRecord

# a process of its own: the modules of reporting read the tasks when they are imported
HEAD = f"""
import json, sys
from dataclasses import dataclass
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "script" / "aggregate")!r}]
from utils import task_spec, tasks
from utils.settings import base

@dataclass(frozen=True, kw_only=True)
class Settings(base.Settings):
    depth: int = base.setting(100, "whole")
    reader: str = base.setting("cross", choices=("cross", "late"))

tasks.TASKS["rerank"] = task_spec.TaskSpec(
    name="rerank", data="classification", settings=Settings, main_metric="gain", item_metrics=("acc", "gain"),
    views=(task_spec.View(name="rerank", title="reranking"),), table_settings=("reader",),
)
"""


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Records of the made-up task on one's own data: two readers, and two depths of one of them."""
    for model, reader, depth, gain in (
        ("org/a", "cross", 100, 0.5),
        ("org/b", "cross", 10, 0.25),
        ("org/a", "late", 100, 0.75),
    ):
        run = {"task": "rerank", "dataset": "mine", "model": model, "subset": "eng", "seed": 42}
        run |= {"reader": reader, "depth": depth}
        record = RunRecord({"acc": 1.0, "gain": gain}, {"gain": (gain - 0.1, gain + 0.1)}, 2, 1, run)
        write_record(tmp_path / "logs" / reader / model, "eng", record, {"gold": ["x", "y"], "hyp": ["x", "y"]})
    return tmp_path / "logs"


@cache
def nursery() -> Nursery:
    """The process that forks others; it has what the modules of reporting import, and none of them."""
    return Nursery([], os.environ, base_nursery())


def run_python(code: str, folder: Path) -> str:
    done = nursery().run(["-c", HEAD + code], folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_table(logs: Path, tmp_path: Path) -> None:
    code = "import aggregate; aggregate.main(['--task', 'rerank', '--ci', '--format', 'csv', *{flags}])"
    assert run_python(code.format(flags=[]), tmp_path) == (
        "model,mine,mine_low,mine_high,mine_n,mine_expected\n"
        "org/a,50.00,40.00,60.00,1,1\norg/b (depth 10),25.00,15.00,35.00,1,1\n"
    )
    assert run_python(code.format(flags=["--reader", "late"]), tmp_path) == (
        "model,mine,mine_low,mine_high,mine_n,mine_expected\norg/a,75.00,65.00,85.00,1,1\n"
    )
    assert run_python(code.format(flags=["--metric", "acc", "--models", "org/b"]), tmp_path).startswith(
        "model,mine,mine_low,mine_high,mine_n,mine_expected\norg/b (depth 10),"
    )


def test_its_columns_come_after_those_of_todays_tasks(logs: Path, tmp_path: Path) -> None:
    code = "from utils.runlog import load; frame = load('logs')\n"
    code += "print(frame.to_json(orient='records')); print(list(frame))"
    rows, columns = run_python(code, tmp_path).splitlines()
    assert {(row["model"], row["reader"], row["depth"], row["gain"]) for row in json.loads(rows)} == {
        *(("org/a", "cross", 100, 0.5), ("org/b", "cross", 10, 0.25), ("org/a", "late", 100, 0.75)),
    }
    names = json.loads(columns.replace("'", '"'))
    assert names[names.index("tuned_lens") + 1 :][:2] == ["depth", "reader"]
    assert names[names.index("held_out_high") + 1 :][:3] == ["gain", "gain_low", "gain_high"]


def test_its_comparison(logs: Path, tmp_path: Path) -> None:
    flags = ["org/a", "org/a", "--task", "rerank", "--setting_b", "reader=late", "--format", "json"]
    code = f"import compare; compare.main({flags})"
    told = json.loads(run_python(code, tmp_path))
    assert told["settings"] == {"A": {}, "B": {"reader": "late"}} and told["ties"] == 1


def test_its_leaderboards(logs: Path, tmp_path: Path) -> None:
    code = """
from pathlib import Path
from utils.records.reader import read_all
from utils.reporting.pages.leaderboards import boards_of, entry_of
boards = boards_of([entry_of(number, result) for number, result in enumerate(read_all(Path("logs")))])
print(json.dumps([(board["settings"], board["rows"], board["cells"]["main"]) for board in boards]))
"""
    assert json.loads(run_python(code, tmp_path)) == [
        [{"reader": "cross"}, ["org/a", "org/b (depth 10)"], [[[0.5, 1, 1]], [[0.25, 1, 1]]]],
        [{"reader": "late"}, ["org/a"], [[[0.75, 1, 1]]]],
    ]
