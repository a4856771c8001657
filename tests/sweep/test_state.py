"""What is known of a run: whether its process still computes it, and the two lines of its error."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from utils.errors import UserError
from utils.loaders import kept_models, load_model
from utils.processes import started_at, this_machine
from utils.sweep.executors import LocalExecutor, Options, ending, slurm_settings
from utils.sweep.grid import Run, Sweep
from utils.sweep.show import show_status
from utils.sweep.state import RunState, StateFolder, two_lines
from utils.sweep.worker import is_usable_after

OURS = RunState("running", pid=os.getpid(), host=this_machine(), born=started_at(os.getpid()))


@pytest.mark.parametrize(
    ("state", "silent", "shown"),
    [
        (OURS, 0, "running"),
        (RunState("running", pid=OURS.pid, host=OURS.host, born="1"), 0, "stale"),  # another process of this number
        (RunState("running", pid=OURS.pid, host="elsewhere"), 1, "running"),
        (RunState("running", pid=OURS.pid, host="elsewhere"), 100, "stale"),
        (RunState("done", pid=OURS.pid, host=OURS.host, born=OURS.born), 0, "done"),
    ],
)
def test_a_run_is_stale_when_its_process_has_ended(state: RunState, silent: int, shown: str) -> None:
    state = dataclasses.replace(state, heartbeat=time.time() - silent)
    assert state.shown == shown and state.is_alive == (shown == "running")


def test_a_run_is_finished_while_its_records_are_there(tmp_path: Path) -> None:
    folder, run, record = StateFolder(tmp_path), Run("bitext.py", ("--k", "1")), tmp_path / "record.json"
    assert folder.read(run) == RunState()
    folder.write(run, RunState("done", attempts=2, records=(str(record),)))
    assert folder.read(run).attempts == 2 and not folder.is_finished(run)
    record.touch()
    assert folder.is_finished(run)
    folder.path_of(run).write_text("{broken")
    assert folder.read(run) == RunState() and not folder.is_finished(run)


BROKEN: list[dict[str, Any]] = [
    {"state": 5},
    {"state": "odd"},
    {"state": "done", "attempts": "2"},
    {"state": "done", "attempts": True},
    {"state": "running", "pid": 10**400},
    {"state": "failed", "error": "one text"},
    {"state": "failed", "error": [1]},
    {"state": "done", "records": [None]},
    {"state": "done", "started": float("nan")},
]


@pytest.mark.parametrize("content", [[], "text", *BROKEN])
def test_a_state_of_wrong_types_costs_its_own_run_only(
    content: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = StateFolder(tmp_path)
    first, second = (Run("bitext.py", ("--k", k)) for k in "12")
    folder.write(first, RunState("done", attempts=2))
    folder.write(second, RunState("done", attempts=3))
    folder.path_of(first).write_text(json.dumps(content))
    assert (folder.read(first), folder.read(second).attempts) == (RunState(), 3)
    show_status(folder, Sweep("x", (first, second)))
    shown = capsys.readouterr()
    assert "sweep x: 2 runs: 1 done, 1 waiting" in shown.out and str(folder.path_of(first)) in shown.err


def test_a_run_that_cannot_be_read_leaves_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = StateFolder(tmp_path / "x")
    runs = tuple(Run("bitext.py", ("--k", str(k))) for k in range(1, 7))
    folder.write_sweep(Sweep("x", runs), ["x.yaml"])
    content = json.loads((folder.folder / "sweep.json").read_text())
    content["runs"][:5] = [7, {"script": 1}, {"argv": []}, {"script": "bogus.py", "argv": []}, {"script": "bitext.py"}]
    (folder.folder / "sweep.json").write_text(json.dumps(content))
    assert folder.read_sweep() == Sweep("x", runs[5:]) and folder.read_command()[0] == ["x.yaml"]
    assert capsys.readouterr().err.count("cannot be read and is left out") == 5
    for wrong in ([], {"runs": 5}, {}):
        (folder.folder / "sweep.json").write_text(json.dumps(wrong))
        with pytest.raises(UserError, match="is not the state of a sweep"):
            folder.read_sweep()
    (folder.folder / "sweep.json").write_text(json.dumps({**content, "command": [1]}))
    with pytest.raises(UserError, match="is not the state of a sweep"):
        folder.read_command()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a\nerror: x\nhint: y\n", ("error: x", "hint: y")),
        ("error: old\nhint: z\nnote: b\nerror: x\n", ("error: x",)),
        ("error: x\nnote: b\n", ("error: x",)),
        ("Segmentation fault\n", ("error: it ended with: Segmentation fault",)),
        ("", ()),
    ],
)
def test_the_last_two_lines_of_an_error_are_kept(text: str, lines: tuple[str, ...]) -> None:
    assert two_lines(text) == lines


@pytest.mark.parametrize(
    ("error", "usable"),
    [
        (("error: unknown dataset 'nope'", "hint: choose from: sample"), True),
        (("error: unforeseen: ValueError: odd", "hint: the traceback is in x"), False),
        (("error: out of memory", "hint: use a smaller --batch_size"), False),
        (("Segmentation fault",), False),
        ((), False),
    ],
)
def test_a_process_goes_on_after_an_error_of_the_user_alone(error: tuple[str, ...], usable: bool) -> None:
    assert is_usable_after(RunState("failed", error=error)) == usable


def test_settings_of_slurm_are_numbers_where_they_read_as_such() -> None:
    assert slurm_settings(["partition=gpu", "timeout_min=60"]) == {"partition": "gpu", "timeout_min": 60}


def test_each_process_has_its_own_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("utils.sweep.executors.gpus", lambda: ("0", "1", "2", "3", "4"))
    executor = LocalExecutor(Options(jobs=2, gpus_per_run=2))
    code = "import os, sys; open(sys.argv[1], 'w').write(os.environ['CUDA_VISIBLE_DEVICES'])"
    jobs = [
        executor.start([sys.executable, "-c", code, str(tmp_path / name)], parent=False) for name in ("first", "second")
    ]
    while any(job.poll() is None for job in jobs):
        time.sleep(0.01)
    assert {(tmp_path / name).read_text() for name in ("first", "second")} == {"0,1", "2,3"}


def test_how_a_process_ended() -> None:
    told = "its process was killed by signal 9", "its process ended with exit code 1"
    assert [ending(code) for code in (0, 130, -9, 1)] == ["", "", *told]


def load_stub(spec: str, device: str) -> list[str]:
    """Return a new object at each call, as a loader returns a model."""
    return [spec, device]


def test_models_are_loaded_once_while_they_are_kept() -> None:
    loader = f"{__name__}:load_stub"
    sys.modules.setdefault(__name__, sys.modules[load_stub.__module__])
    assert load_model(loader, "a", "cpu") is not load_model(loader, "a", "cpu")
    with kept_models():
        first = load_model(loader, "a", "cpu")
        assert load_model(loader, "a", "cpu") is first and load_model(loader, "a", "cuda") is not first
        load_model(loader, "b", "cpu")
        assert load_model(loader, "a", "cpu") is not first  # two are kept
    assert load_model(loader, "b", "cpu") is not load_model(loader, "b", "cpu")
