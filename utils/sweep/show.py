"""What is printed of a sweep: the table of its runs, and the plan of a dry run."""

from __future__ import annotations

import contextlib
import io
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import UserError, counted, first_line
from utils.sweep.groups import Group, lacking
from utils.sweep.scripts import run_main
from utils.sweep.state import STATES, StateFolder, sweep_folders

if TYPE_CHECKING:
    from utils.sweep.grid import Run, Sweep


def summary(state: StateFolder, sweep: Sweep) -> str:
    """Return how many runs are in which state: `24 runs: 23 done, 1 failed`."""
    counts = Counter(state.read(run).shown for run in sweep.runs)
    told = ", ".join(f"{counts[name]} {name}" for name in STATES if counts[name])
    return f"{counted(len(sweep.runs), 'run')}: {told}"


def show_status(state: StateFolder, sweep: Sweep) -> None:
    """Print one row for each run: number, state, seconds, attempts, its command and the two lines of its error."""
    from tabulate import tabulate

    rows = []
    for number, run in enumerate(sweep.runs, 1):
        one = state.read(run)
        name = "record missing" if one.state == "done" and not state.is_finished(run) else one.shown
        seconds = f"{one.seconds:.1f}" if one.seconds else ""
        rows.append([number, name, seconds, one.attempts or "", "\n".join([run.command, *one.error])])
    print(tabulate(rows, ["run", "state", "seconds", "starts", "command"], disable_numparse=True))
    print(f"sweep {sweep.name}: {summary(state, sweep)}")
    print(f"state: {state.folder}")


def show_sweeps(root: Path) -> None:
    """Print the sweeps below a folder, one line each."""
    folders = sweep_folders(root)
    if not folders:
        raise UserError(f"no sweep in {root}", "start one: python sweep.py sweeps/sample.yaml")
    for name, folder in folders.items():
        state = StateFolder(folder)
        try:
            print(f"{name}: {summary(state, state.read_sweep())}")
        except UserError as error:
            print(f"{name}: {error.what}")


def show_plan(state: StateFolder, sweep: Sweep, groups: list[Group], how: str, *, sees_gpus: bool) -> None:
    """Print the commands by group, and unless how is `commands`, below each what its script's own --dry_run prints."""
    todo = {run for group in groups for run in group.runs}
    for number, group in enumerate(groups, 1):
        print(f"group {number}: {counted(len(group.runs), 'run')} with {', '.join(group.models)}")
        for run in group.runs:
            reason = lacking(run.needs, os.environ, sees_gpus=sees_gpus)
            print(f"  {run.command}" + (f"  (skipped: {reason})" if reason else ""))
            if how == "plans" and not reason:
                for line in _plan_of(run):
                    print(f"      {line}")
    if n_done := len(sweep.runs) - len(todo):
        print(f"{counted(n_done, 'run')} done already")
    told = f"{counted(len(todo), 'run')} to do in {counted(len(groups), 'group')}"
    print(f"sweep {sweep.name}: {told}, state: {state.folder}")


def _plan_of(run: Run) -> list[str]:
    """Return the lines that a script's dry run prints, or the two lines of its error."""
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            run_main(run.script, [*run.words, "--dry_run"])
    except UserError as error:
        return [f"error: {error.what}", *([f"hint: {error.hint}"] if error.hint else [])]
    except Exception as error:  # whatever it is, the plan of the other runs is shown
        return [f"error: {type(error).__name__}: {first_line(error)}"]
    return out.getvalue().splitlines()
