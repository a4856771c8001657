"""The state of a sweep: a folder with the sweep itself, and one JSON file for each run, written atomically."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.errors import UserError, suggest
from utils.files import read_json, write_json
from utils.processes import started_at, this_machine
from utils.sweep.grid import Run, Sweep

FILE, STOP, LOCK = "sweep.json", "stop", "lock"
RUNS, LOGS = "runs", "output"  # folders of the state
DONE, FAILED, RUNNING, STALE = "done", "failed", "running", "stale"
INTERRUPTED, SKIPPED, WAITING = "interrupted", "skipped", "waiting"
STATES = (DONE, RUNNING, WAITING, SKIPPED, INTERRUPTED, STALE, FAILED)
BEAT, SILENT = 5.0, 60.0  # seconds between two heartbeats, and after which a process on another machine counts as dead


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

    def read_sweep(self) -> tuple[Sweep, list[str], Path]:
        """Return the sweep, the words of its command, and the folder in which it is executed."""
        content = read_json(self.folder / FILE) if (self.folder / FILE).is_file() else None
        try:
            assert content is not None
            runs = tuple(Run(**{key: _frozen(value) for key, value in run.items()}) for run in content["runs"])
            return Sweep(content["name"], runs), list(content["command"]), Path(content["folder"])
        except (AssertionError, KeyError, TypeError) as error:
            hint = "start it by its file: python sweep.py FILE.yaml"
            raise UserError(f"{self.folder / FILE} is not the state of a sweep", hint) from error

    def path_of(self, run: Run) -> Path:
        """Return the file of a run's state."""
        return self.folder / RUNS / f"{run.id}.json"

    def log_of(self, run: Run) -> Path:
        """Return the file of what a run prints."""
        return self.folder / LOGS / f"{run.id}.txt"

    def read(self, run: Run) -> RunState:
        """Return the state of a run; a broken file counts as none."""
        path = self.path_of(run)
        content = read_json(path) if path.is_file() else None
        names = {field.name for field in dataclasses.fields(RunState)}
        try:
            return RunState(**{key: _frozen(value) for key, value in (content or {}).items() if key in names})
        except TypeError:
            return RunState()

    def write(self, run: Run, state: RunState) -> None:
        """Write the state of a run, and its command for people who read the file."""
        write_json(self.path_of(run), {"command": run.command, **dataclasses.asdict(state)}, indent=1)

    def is_finished(self, run: Run) -> bool:
        """Return whether a run is done, and all of its records are still there."""
        state = self.read(run)
        return state.state == DONE and all(Path(record).is_file() for record in state.records)

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
        import fcntl

        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / LOCK).open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                who = file.read(100).strip() or "another process"
                raise UserError(
                    f"the sweep {self.folder.name} is being run by {who}",
                    f"`python sweep.py status {self.folder.name}` shows it; or wait for it",
                ) from error
            except OSError:  # the file system has no locks
                pass
            file.truncate(0)
            file.write(f"process {os.getpid()} on {platform.node()}")
            file.flush()
            (self.folder / STOP).unlink(missing_ok=True)
            yield


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


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
