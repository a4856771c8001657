"""A process that executes runs one after the other, so that a model that several of them need is loaded once."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from utils.errors import note, warn
from utils.loaders import kept_models
from utils.processes import started_at, this_machine
from utils.records.record_store import watched_records
from utils.sweep.grid import Run
from utils.sweep.scripts import ROOT
from utils.sweep.state import (
    BEAT,
    DONE,
    FAILED,
    INTERRUPTED,
    RUNNING,
    RunState,
    StateFolder,
    two_lines,
)

TICK = 0.5  # seconds between two looks at whether to stop
BROKEN_PROCESS = ("out of memory",)  # errors of the user after which a process is not as good as a new one


def work(state: StateFolder, ids: Sequence[str], *, parent: int = 0) -> int:
    """Execute the runs of these ids that nobody else has done or is doing; return 0, or 130 after an interruption.

    parent: the process whose end is an interruption, 0 for none. After an error that nobody foresaw the rest is left to
    a new process.
    """
    by_id = {run.id: run for run in state.read_sweep().runs}
    _interrupt_once()
    with contextlib.suppress(KeyboardInterrupt), kept_models(), _Heart(state, parent) as heart:
        for run in (by_id[each] for each in ids if each in by_id):
            there = state.read(run)
            if there.is_alive or state.is_finished(run):
                continue
            if heart.must_stop:
                return 130
            ended = _execute(state, run, there.attempts + 1, heart)
            if ended.state == INTERRUPTED:
                return 130
            if ended.state == FAILED and not is_usable_after(ended):
                return 0
        return 0
    return 130


def _interrupt_once() -> None:
    """Let the first SIGINT interrupt what is computed; later ones do not disturb the writing of what became of it."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)


def is_usable_after(ended: RunState) -> bool:
    """Return whether the process can go on after a failure: after an error of the user, unless memory ran out."""
    first = ended.error[0] if ended.error else ""
    return (
        first.startswith("error: ")
        and not first.startswith("error: unforeseen")
        and not any(words in first for words in BROKEN_PROCESS)
    )


def _execute(state: StateFolder, run: Run, attempts: int, heart: _Heart) -> RunState:
    """Execute a run, write its state and its output, and return the state."""
    now = time.time()
    started = RunState(RUNNING, attempts, now, 0.0, now, os.getpid(), this_machine(), started_at(os.getpid()))
    log = state.log_of(run)
    log.parent.mkdir(parents=True, exist_ok=True)
    with heart.beating(run, started), watched_records() as records, _output_to(log, run.command) as begin:
        code = _exit_code(run)
    records_of = tuple(str(path.absolute()) for path in records)
    ended = dataclasses.replace(started, ended=time.time(), records=records_of)
    if code == 0:
        ended = dataclasses.replace(ended, state=DONE)
    elif code in (130, 143):
        ended = dataclasses.replace(ended, state=INTERRUPTED)
    else:
        lines = two_lines(log.read_bytes()[begin:].decode("utf-8", "replace"))
        ended = dataclasses.replace(ended, state=FAILED, error=lines or (f"error: it ended with exit code {code}",))
    state.write(run, ended)
    return ended


def _exit_code(run: Run) -> int:
    """Run a command as the shell would, in this process, and return its exit code."""
    script, before = ROOT / run.script, sys.argv
    warn.cache_clear()
    note.cache_clear()
    try:
        sys.argv = [str(script), *run.words]
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as done:
        if isinstance(done.code, str):
            print(done.code, file=sys.stderr)
        return done.code if isinstance(done.code, int) else int(bool(done.code))
    except KeyboardInterrupt:
        return 130
    finally:
        sys.argv = before
    return 0


@contextlib.contextmanager
def _output_to(path: Path, command: str) -> Iterator[int]:
    """Append what is printed, also by libraries, to a file below the command; yields where the output begins."""
    with path.open("ab") as file:
        file.write(f"$ {command}\n".encode(errors="backslashreplace"))
        file.flush()
        kept = [(stream, os.dup(stream.fileno())) for stream in (sys.stdout, sys.stderr)]
        for stream, _ in kept:
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())
        try:
            yield file.tell()
        finally:
            for stream, copy in kept:
                stream.flush()
                os.dup2(copy, stream.fileno())
                os.close(copy)


class _Heart:
    """A thread that writes that a run is still computed, and interrupts it where it shall stop."""

    def __init__(self, state: StateFolder, parent: int) -> None:
        self.state, self.parent = state, parent
        self._now: tuple[Run, RunState] | None = None
        self._lock, self._end = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> _Heart:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    @contextlib.contextmanager
    def beating(self, run: Run, started: RunState) -> Iterator[None]:
        """Write the state of a run now and every few seconds; no longer once this has ended."""
        with self._lock:
            self.state.write(run, started)
            self._now = run, started
        try:
            yield
        finally:
            with self._lock:
                self._now = None

    def _beat(self) -> None:
        last, asked = time.monotonic(), False
        while not self._end.wait(TICK):
            if not asked and self.must_stop:
                asked = True
                with self._lock:
                    if self._now is not None:
                        os.kill(os.getpid(), signal.SIGINT)
            if time.monotonic() - last >= BEAT:
                last = time.monotonic()
                with self._lock, contextlib.suppress(OSError):
                    if self._now is not None:
                        run, started = self._now
                        self.state.write(run, dataclasses.replace(started, heartbeat=time.time()))

    @property
    def must_stop(self) -> bool:
        """Whether the sweep was interrupted, or the process that started this one has ended."""
        return self.state.is_asked_to_stop or (bool(self.parent) and os.getppid() != self.parent)
