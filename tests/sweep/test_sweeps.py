"""Whole sweeps: what is run, kept, told and gone on with, also after an interruption and a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Run
from script_runner import TIMEOUT, wait_until

from utils.sweep.grid import grid_of
from utils.sweep.state import RunState, StateFolder

NGRAM = "baseline/char_ngram"
GRID = f"""
name: small
defaults: {{model_checkpoint: {NGRAM}, langs: [[fra, swh]]}}
runs:
- {{script: bitext.py, dataset: [sample, nope], k: 1}}
- {{script: classification.py, k: [1, 5]}}
- {{script: bitext.py, model_checkpoint: text-embedding-3-large, needs: OPENAI_API_KEY}}
"""


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    path = tmp_path / "grid.yaml"
    path.write_text(GRID)
    return path


def states(folder: Path) -> dict[str, str]:
    """Return the state of each run of a sweep, by its command without `python` and its models."""
    found = {}
    for path in (folder / "runs").glob("*.json"):
        content = json.loads(path.read_text())
        found[content["command"].replace(f" --model_checkpoint {NGRAM}", "").removeprefix("python ")] = content["state"]
    return found


def record(folder: Path) -> Path:
    return folder / "logs/save_bitext/sample/baseline/char_ngram/seed_42/eval_eng_fra_1.json"


def test_a_sweep_keeps_what_is_done_and_tells_what_failed(grid: Path, tmp_path: Path, run: Run) -> None:
    env = {"OPENAI_API_KEY": ""}
    done = run("sweep.py", str(grid), env=env)
    assert done.returncode == 1, done.stdout + done.stderr
    rest = "--langs fra swh"
    assert states(tmp_path / "logs/sweeps/small") == {
        f"bitext.py {rest} --dataset sample --k 1": "done",
        f"bitext.py {rest} --dataset nope --k 1": "failed",
        f"classification.py {rest} --k 1": "done",
        f"classification.py {rest} --k 5": "done",
        f"bitext.py {rest} --model_checkpoint text-embedding-3-large": "skipped",
    }
    assert "4 runs in 1 group, 1 at once" in done.stdout
    for told in ("error: unknown dataset 'nope'\n", "hint: choose from: sample, ", "OPENAI_API_KEY is not set\n"):
        assert done.stdout.count(told) == 2  # when it happened, and in the table
    assert "sweep small: 5 runs: 3 done, 1 skipped, 1 failed\n" in done.stdout

    written, alone = (
        record(tmp_path),
        run("bitext.py", "--model_checkpoint", NGRAM, "--langs", "fra", "swh", "--k", "1"),
    )
    assert "2 of 2 subsets are already logged" in alone.stdout
    figures = json.loads(written.read_text())
    written.unlink()
    assert "record missing" in run("sweep.py", "status", "small").stdout
    again = run("sweep.py", str(grid), "--retries", "1", env=env)
    assert "2 of 5 runs are done already\n2 runs in 1 group" in again.stdout
    assert again.stdout.count("is tried again, 1 of 1") == 1 and again.returncode == 1
    assert json.loads(written.read_text())["f1"] == figures["f1"]


def test_a_sweep_that_is_well_ends_with_0_and_goes_on_by_its_name(tmp_path: Path, run: Run) -> None:
    words = ("--grid", "script=bitext", f"model_checkpoint={NGRAM}", "langs=fra", "k=1", "--name", "one")
    planned = run("sweep.py", *words, "--dry_run")
    assert planned.returncode == 0 and "eng_fra" in planned.stdout and "to do" in planned.stdout
    assert not (tmp_path / "logs").exists()
    assert run("sweep.py", *words).returncode == 0
    for done in (run("sweep.py", "run", "one"), run("sweep.py", "status", "one")):
        assert done.returncode == 0 and "sweep one: 1 run: 1 done" in done.stdout
    assert run("sweep.py", "status").stdout == "one: 1 run: 1 done\n"
    unknown = run("sweep.py", "status", "on")
    assert (unknown.returncode, unknown.stderr.splitlines()[1]) == (2, "hint: did you mean 'one'?")


def finished(folder: Path, *words: str) -> StateFolder:
    """Return the state of a sweep called one, in which the runs of a grid are done."""
    state = StateFolder(folder / "logs/sweeps/one")
    sweep = grid_of(words, {}, "one")
    state.write_sweep(sweep, ["--name", "one", "--grid", *words])
    for each in sweep.runs:
        state.write(each, RunState("done", attempts=1))
    return state


def test_a_sweep_takes_no_place_of_another_of_its_name_unasked(tmp_path: Path, run: Run) -> None:
    words = ("script=bitext", f"model_checkpoint={NGRAM}", "langs=fra")
    finished(tmp_path, *words, "k=1,5")
    state = finished(tmp_path, *words, "k=1")
    before = (state.folder / "sweep.json").read_bytes()
    for more in ((), ("--dry_run", "commands")):
        other = run("sweep.py", *more, "--name", "one", "--grid", *words, "k=5")
        assert (other.returncode, (state.folder / "sweep.json").read_bytes()) == (2, before)
        assert "the sweep one in logs/sweeps/one has 1 run that this one lacks, such as: python bitext" in other.stderr
        assert "--replace" in other.stderr.splitlines()[1]
    grown = run("sweep.py", "--name", "one", "--grid", *words, "k=1,5")
    assert grown.returncode == 0 and "2 of 2 runs are done already" in grown.stdout
    replaced = run("sweep.py", "--replace", "--name", "one", "--grid", *words, "k=5")
    assert replaced.returncode == 0 and "1 of 1 run is done already" in replaced.stdout
    assert state.read_sweep().runs == grid_of([*words, "k=5"], {}).runs and "--replace" not in state.read_command()[0]


def test_places_added_to_a_sweep_reach_its_runs(tmp_path: Path, run: Run) -> None:
    state = finished(tmp_path, "script=bitext", f"model_checkpoint={NGRAM}", "k=1")
    gone_on = run("sweep.py", "run", "one", "--data_dir", "elsewhere")
    assert gone_on.returncode == 0 and state.read_sweep().runs[0].places == ("--data_dir", "elsewhere")
    named = run("sweep.py", "one")
    assert named.stderr.splitlines()[1] == "hint: go on with the sweep of this name: python sweep.py run one"
    refused = run("sweep.py", "run", "one", "--name", "two")
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (2, "error: run NAME with --name")


def test_each_run_of_a_script_with_one_output_has_its_own(tmp_path: Path, run: Run) -> None:
    words = ("--grid", "script=mine.py", f"model_checkpoint={NGRAM}", "margin=ratio,csls", "--name", "mined")
    commands = run("sweep.py", *words, "--dry_run", "commands").stdout.splitlines()
    outputs = [line.rpartition(" --output ")[2] for line in commands if "mine.py" in line]
    assert len(set(outputs)) == 2 and all(output.startswith("swept/mine-") for output in outputs)


def start(grid: Path, folder: Path, cache: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "sweep.py"), str(grid), "--cache_dir", str(cache), *more],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENAI_API_KEY": ""},
    )


def content_of(folder: Path, state: str) -> dict[str, Any] | None:
    """Return what is known of a run in this state."""
    for path in (folder / "logs/sweeps/small/runs").glob("*.json"):
        if (content := json.loads(path.read_text()))["state"] == state:
            return {**content}
    return None


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_or_killed_sweep_goes_on(
    how: signal.Signals, grid: Path, tmp_path: Path, cache_dir: Path, run: Run
) -> None:
    process = start(grid, tmp_path, cache_dir)
    wait_until(lambda: content_of(tmp_path, "running"), process)
    process.send_signal(how)
    _, err = process.communicate(timeout=TIMEOUT)
    worker = content_of(tmp_path, "running")
    if how == signal.SIGINT:
        assert process.returncode == 130 and worker is None
        assert err.strip() == "interrupted: finished runs are kept; run the same command again to continue"
    done = run("sweep.py", str(grid), env={"OPENAI_API_KEY": ""})
    assert "sweep small: 5 runs: 3 done, 1 skipped, 1 failed\n" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1 and record(tmp_path).is_file()


@pytest.mark.slow
def test_a_run_whose_process_dies_has_failed_and_the_others_go_on(grid: Path, tmp_path: Path, cache_dir: Path) -> None:
    process = start(grid, tmp_path, cache_dir)
    wait_until(lambda: content_of(tmp_path, "running"), process)
    worker = content_of(tmp_path, "running")
    assert worker is not None
    os.kill(worker["pid"], signal.SIGKILL)
    out, _ = process.communicate(timeout=TIMEOUT)
    assert "error: its process was killed by signal 9\n" in out
    assert "sweep small: 5 runs: 2 done, 1 skipped, 2 failed\n" in out and process.returncode == 1


def test_two_commands_do_not_run_one_sweep_at_once(grid: Path, tmp_path: Path, run: Run) -> None:
    with StateFolder(tmp_path / "logs/sweeps/small").held():
        done = run("sweep.py", str(grid))
    assert done.returncode == 2 and "the sweep small is being run by process" in done.stderr


@pytest.mark.parametrize("package", ["ray", "submitit"])
def test_without_the_extras_the_file_is_named(package: str, grid: Path, run: Run, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    done = run("sweep.py", str(grid), "--executor", {"submitit": "slurm"}.get(package, package))
    assert done.returncode == 2
    assert done.stderr == (
        f"error: the package {package} is not installed\nhint: pip install -r requirements-cluster.txt\n"
    )


def assert_same_as_alone(folder: Path, run: Run) -> None:
    """Compare the figures and the predictions of a sweep with those of its commands, each run alone."""
    common = ("--model_checkpoint", NGRAM, "--langs", "fra", "swh", "--output_dir", "alone")
    for command in (("bitext.py", "--k", "1"), ("classification.py", "--k", "1", "5")):
        assert run(*command, *common).returncode == 0
    found, expected = (figures_below(folder / name) for name in ("logs", "alone"))
    assert found == expected and len(found) == 16  # of 2 tasks and 2 languages: records, predictions, neighbours


def figures_below(folder: Path) -> dict[str, Any]:
    """Return what the records and the predictions in a folder say, but for how they were made."""
    paths = list(folder.rglob("eval_*.json"))
    content = {path.relative_to(folder).as_posix(): json.loads(path.read_text()) for path in paths}
    return {name: {key: value for key, value in each.items() if key != "run"} for name, each in content.items()}


@pytest.mark.slow
def test_slurm_jobs_give_the_same(grid: Path, tmp_path: Path, run: Run) -> None:
    pytest.importorskip("submitit")
    done = run("sweep.py", str(grid), "--executor", "slurm", "--slurm", "cluster=local", env={"OPENAI_API_KEY": ""})
    assert "sweep small: 5 runs: 3 done, 1 skipped, 1 failed\n" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1
    assert_same_as_alone(tmp_path, run)


@pytest.mark.slow
def test_tasks_of_ray_give_the_same(grid: Path, tmp_path: Path, run: Run) -> None:
    pytest.importorskip("ray")
    done = run(*("sweep.py", str(grid), "--executor", "ray", "--jobs", "2"), env={"OPENAI_API_KEY": ""}, process=True)
    assert "sweep small: 5 runs: 3 done, 1 skipped, 1 failed\n" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1
    assert_same_as_alone(tmp_path, run)
