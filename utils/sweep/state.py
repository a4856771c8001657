"""The state of a sweep: a folder with the sweep itself, and one JSON file for each run, written atomically."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from utils.errors import UserError, suggest, warn
from utils.files import held, read_json, write_json
from utils.processes import started_at, this_machine
from utils.sweep.grid import Run, Sweep
from utils.sweep.scripts import script_names

FILE, STOP, LOCK = "sweep.json", "stop", "lock"
RUNS, LOGS = "runs", "output"  # folders of the state
DONE, FAILED, RUNNING, STALE = "done", "failed", "running", "stale"
INTERRUPTED, SKIPPED, WAITING = "interrupted", "skipped", "waiting"
STATES = (DONE, RUNNING, WAITING, SKIPPED, INTERRUPTED, STALE, FAILED)
LARGEST = 1e15  # numbers of a state are smaller
BEAT, SILENT = 5.0, 60.0  # seconds between two heartbeats, and after which a process on another machine counts as dead

T = TypeVar("T")


@dataclass(frozen=True)
class RunState:
    """What is known of a run.

    attempts: how often it was started. pid, host, born: its process, and when that began, by the clock of the system.
    error: the two lines of its error. records: the records that belong to it.
    """

    state: str = WAITING
    attempts: int = 0
    started: float = 0.0
    ended: float = 0.0
    heartbeat: float = 0.0
    pid: int = 0
    host: str = ""
    born: str = ""
    error: tuple[str, ...] = ()
    records: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """The time that it took, or has taken so far; 0 where it did not start."""
        return max(0.0, (self.ended or self.heartbeat) - self.started) if self.started else 0.0

    @property
    def is_alive(self) -> bool:
        """Whether its process still computes it: by the process itself on this machine, else by its heartbeat."""
        if self.state != RUNNING:
            return False
        if self.host == this_machine():
            return bool(self.born) and started_at(self.pid) == self.born
        return time.time() - self.heartbeat < SILENT

    @property
    def shown(self) -> str:
        """The state, where a process that has ended without a word is not running."""
        return STALE if self.state == RUNNING and not self.is_alive else self.state


class StateFolder:
    """The folder of one sweep's state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write_sweep(self, sweep: Sweep, command: Sequence[str]) -> None:
        """Write what the sweep is, and the command that it was started by."""
        runs = [dataclasses.asdict(run) for run in sweep.runs]
        content = {"name": sweep.name, "command": list(command), "folder": str(Path.cwd()), "runs": runs}
        write_json(self.folder / FILE, content, indent=1)

    def read_sweep(self) -> Sweep:
        """Return the sweep, without runs that cannot be read, of which a warning tells.

        Raises UserError where there is no sweep.
        """
        runs = self._content().get("runs")
        if not isinstance(runs, list):
            raise self._broken()
        found = [_from_json(Run, run) for run in runs]
        for number, run in enumerate(found, 1):
            if run is None or run.script not in script_names():
                warn(f"{self.folder / FILE}: run {number} cannot be read and is left out")
        return Sweep(self.folder.name, tuple(run for run in found if run and run.script in script_names()))

    def read_command(self) -> tuple[list[str], Path]:
        """Return the words of the sweep's command, and the folder in which it is executed; raises UserError."""
        content = self._content()
        command, folder = content.get("command"), content.get("folder")
        if not isinstance(command, list) or not _fits(command, tuple) or not isinstance(folder, str):
            raise self._broken()
        if not Path(folder).is_dir():
            what = f"the folder {folder}, in which the sweep {self.folder.name} was started, is not there"
            raise UserError(what, "start it by its file: python sweep.py FILE.yaml")
        return command, Path(folder)

    def dropped_by(self, sweep: Sweep) -> list[Run]:
        """Return the runs of the sweep that is here which another one of its name does not have."""
        if not (self.folder / FILE).is_file():
            return []
        try:
            there = self.read_sweep().runs
        except UserError:  # it is broken, and nothing of it is shown
            return []
        kept = {run.id for run in sweep.runs}
        return [run for run in there if run.id not in kept]

    def _content(self) -> dict[str, Any]:
        content = read_json(self.folder / FILE) if (self.folder / FILE).is_file() else None
        if content is None:
            raise self._broken()
        return content

    def _broken(self) -> UserError:
        hint = "start it by its file: python sweep.py FILE.yaml"
        return UserError(f"{self.folder / FILE} is not the state of a sweep", hint)

    def path_of(self, run: Run) -> Path:
        """Return the file of a run's state."""
        return self.folder / RUNS / f"{run.id}.json"

    def log_of(self, run: Run) -> Path:
        """Return the file of what a run prints."""
        return self.folder / LOGS / f"{run.id}.txt"

    def read(self, run: Run) -> RunState:
        """Return the state of a run; a file that holds none counts as none, and a warning tells of it."""
        path = self.path_of(run)
        content = read_json(path) if path.is_file() else None
        if content is None:
            return RunState()
        state = _from_json(RunState, content)
        if state is None or state.state not in STATES:
            warn(f"{path} holds no state of a run and is left out")
            return RunState()
        return state

    def write(self, run: Run, state: RunState) -> None:
        """Write the state of a run, and its command for people who read the file."""
        write_json(self.path_of(run), {"command": run.command, **dataclasses.asdict(state)}, indent=1)

    def is_finished(self, run: Run) -> bool:
        """Return whether a run is done, and all of its records are still there."""
        state = self.read(run)
        return state.state == DONE and all(map(os.path.isfile, state.records))

    def ask_to_stop(self) -> None:
        """Ask the processes of this sweep, on whatever machine, to interrupt what they compute."""
        with contextlib.suppress(OSError):
            (self.folder / STOP).touch()

    @property
    def is_asked_to_stop(self) -> bool:
        """Whether somebody has asked."""
        return (self.folder / STOP).exists()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the sweep, so that no other command starts its runs too. Raises UserError where one does."""

        def busy(who: str) -> None:
            raise UserError(
                f"the sweep {self.folder.name} is being run by {who}",
                f"`python sweep.py status {self.folder.name}` shows it; or wait for it",
            )

        with held(self.folder / LOCK, busy):
            (self.folder / STOP).unlink(missing_ok=True)
            yield


def _from_json(kind: type[T], content: Any) -> T | None:
    """Return what a JSON object tells of an object of a dataclass, None where a value is missing or of another type."""
    if not isinstance(content, dict):
        return None
    kinds = typing.get_type_hints(kind)
    given = {name: value for name, value in content.items() if name in kinds}
    if not all(_fits(value, kinds[name]) for name, value in given.items()):
        return None
    try:
        return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})
    except TypeError:
        return None


def _fits(value: Any, kind: Any) -> bool:
    """Return whether a value of JSON is of the type of a field: a text, a number, or texts."""
    if kind in (int, float):
        is_number = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
        return is_number and abs(value) < LARGEST
    if kind is str:
        return isinstance(value, str)
    return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)


def sweep_folders(root: Path) -> Mapping[str, Path]:
    """Return the folders of the sweeps below a folder, by name, in the order of their names."""
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{FILE}"))}


def find_sweep(root: Path, name: str) -> StateFolder:
    """Return the state of a sweep; raises UserError with similar names where there is none."""
    known = sweep_folders(root)
    if name not in known:
        raise UserError(f"no sweep {name!r} in {root}", suggest(name, known) if known else "start one by its file")
    return StateFolder(known[name])


def two_lines(text: str) -> tuple[str, ...]:
    """Return the last error of a command's output and its hint, as the suite prints them; else its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for place in range(len(lines) - 1, -1, -1):
        if lines[place].startswith("error: "):
            after = lines[place + 1 : place + 2]
            return (lines[place], *(line for line in after if line.startswith("hint: ")))
    return (f"error: it ended with: {lines[-1][:200]}",) if lines else ()
