"""Executing a sweep: what is left of it, group by group, until every run is done or has failed."""

from __future__ import annotations

import dataclasses
import os
import time
from collections import deque

from utils.errors import counted
from utils.sweep.executors import Executor, Job, Options, open_executor, worker_command
from utils.sweep.grid import Run, Sweep
from utils.sweep.groups import Group, lacking, make_groups
from utils.sweep.scripts import SWEEP
from utils.sweep.state import DONE, FAILED, INTERRUPTED, RUNNING, SKIPPED, STALE, RunState, StateFolder

TICK = 0.2  # seconds between two looks at the processes
GRACE, IDLE = 60.0, 2.0  # seconds that interrupted processes have to end, and those that compute nothing yet
ELSEWHERE = 1.0  # seconds between two looks at the processes of an earlier command


def _say(line: str) -> None:
    print(line, flush=True)


class Driver:
    """The runs of one command."""

    def __init__(self, state: StateFolder, sweep: Sweep, options: Options, retries: int) -> None:
        self.state, self.sweep, self.options, self.retries = state, sweep, options, retries
        self._numbers = {run.id: number for number, run in enumerate(sweep.runs, 1)}
        self._retried: dict[str, int] = {}
        self._before: dict[str, int] = {}  # how often a run had been started when it was queued
        self._told: dict[str, tuple[str, int]] = {}  # the state and the attempt that were printed
        self._queue: deque[Group] = deque()
        self._active: list[tuple[Job, Group]] = []

    def execute(self) -> bool:
        """Execute what is left; return whether no run has failed. Runs that are done are not started again."""
        self._await_others()
        left = self._left()
        if not left:
            return self._is_well()
        executor = open_executor(self.options, self.state.folder)
        try:
            groups = make_groups(left, executor.slots)
            self._before = {run.id: self.state.read(run).attempts for run in left}
            _say(f"{counted(len(left), 'run')} in {counted(len(groups), 'group')}, {executor.slots} at once")
            self._queue.extend(groups)
            self._loop(executor)
        except KeyboardInterrupt:
            self._interrupt()
            raise
        finally:
            executor.close()
        return self._is_well()

    def _await_others(self) -> None:
        """Wait for runs that processes of an earlier command still compute, or whose end they are just writing."""
        told = False
        while alive := [run for run in self.sweep.runs if self.state.read(run).is_alive]:
            if not told:
                _say(f"waiting for {counted(len(alive), 'run')} of an earlier command")
                told = True
            time.sleep(ELSEWHERE)

    def _left(self) -> list[Run]:
        """Return the runs that are to be started; those that the machine cannot do are marked."""
        left, n_done = [], 0
        for run in self.sweep.runs:
            if self.state.is_finished(run):
                n_done += 1
            elif reason := lacking(run.needs, os.environ, sees_gpus=self.options.executor == "local"):
                self._write(run, RunState(SKIPPED, error=(reason,)))
            else:
                left.append(run)
        if n_done:
            n = len(self.sweep.runs)
            _say(f"{n_done} of {counted(n, 'run')} {'is' if n == 1 else 'are'} done already")
        return left

    def _loop(self, executor: Executor) -> None:
        while self._queue or self._active:
            if self.state.is_asked_to_stop:
                raise KeyboardInterrupt
            while self._queue and len(self._active) < executor.slots:
                group = self._queue.popleft()
                command = worker_command(SWEEP, self.state.folder, [run.id for run in group.runs])
                self._active.append((executor.start(command, parent=self.options.executor != "slurm"), group))
            time.sleep(TICK)
            for job, group in [*self._active]:
                ended = job.poll()
                self._tell_of(group)
                if ended is not None:
                    self._active.remove((job, group))
                    self._after(group, ended)

    def _after(self, group: Group, ended: str) -> None:
        """Start again what a process has left of its group; a run that ended it has failed, whatever it was."""
        rest = [run for run in group.runs if not self._has_ended(run)]
        if rest and (ended or len(rest) == len(group.runs)):
            broken = next((run for run in rest if self.state.read(run).shown == STALE), rest[0])
            self._fail(broken, ended or "its process ended without a word")
            rest.remove(broken)
        for run in group.runs:
            state, n = self.state.read(run), self._retried.get(run.id, 0)
            if run not in rest and state.state == FAILED and n < self.retries:
                self._retried[run.id], self._before[run.id] = n + 1, state.attempts
                _say(f"{self._place(run)} is tried again, {n + 1} of {self.retries}")
                self._queue.append(Group(group.models, (run,)))
        if rest:
            self._queue.appendleft(Group(group.models, tuple(rest)))

    def _fail(self, run: Run, why: str) -> None:
        """Write that a run has failed whose process could not."""
        state, hint = self.state.read(run), f"hint: what it printed is in {self.state.log_of(run)}"
        attempts = max(state.attempts, self._before[run.id] + 1)
        ended = dataclasses.replace(state, state=FAILED, attempts=attempts, ended=time.time())
        self._write(run, dataclasses.replace(ended, error=(f"error: {why}", hint)))

    def _has_ended(self, run: Run) -> bool:
        """Return whether a run was started since it was queued, and it is known what became of it."""
        state = self.state.read(run)
        return state.attempts > self._before[run.id] and state.state in (DONE, FAILED, INTERRUPTED)

    def _interrupt(self) -> None:
        """Interrupt the processes, and wait until they have written what became of their runs."""
        self.state.ask_to_stop()
        began = time.monotonic()
        try:
            while any(job.poll() is None for job, _ in self._active):
                waited = time.monotonic() - began
                if waited > GRACE or (waited > IDLE and not self._computing()):  # in a queue, or it is just starting
                    break
                time.sleep(TICK)
        except KeyboardInterrupt:  # a second Ctrl-C
            pass
        for job, _ in self._active:
            if job.poll() is None:
                job.kill()
        for run in (run for _, group in self._active for run in group.runs):
            if (state := self.state.read(run)).state == RUNNING and not state.is_alive:
                self._write(run, dataclasses.replace(state, state=INTERRUPTED))

    def _computing(self) -> bool:
        return any(self.state.read(run).is_alive for _, group in self._active for run in group.runs)

    def _tell_of(self, group: Group) -> None:
        """Print the runs of a group that have ended, up to the one that is computed: they follow each other."""
        for run in group.runs:
            state = self.state.read(run)
            if self._told.get(run.id) == (state.state, state.attempts):
                continue
            if not self._has_ended(run):
                break
            self._tell_once(run, state)

    def _write(self, run: Run, state: RunState) -> None:
        self.state.write(run, state)
        self._tell_once(run, state)

    def _tell_once(self, run: Run, state: RunState) -> None:
        if self._told.get(run.id) == (now := (state.state, state.attempts)):
            return
        self._told[run.id] = now
        time_of = f" {state.seconds:.1f} s" if state.seconds else ""
        _say(f"{self._place(run)} {state.state}{time_of}: {run.command}")
        for line in state.error:
            _say(f"    {line}")

    def _place(self, run: Run) -> str:
        return f"[{self._numbers[run.id]}/{len(self.sweep.runs)}]"

    def _is_well(self) -> bool:
        return all(self.state.read(run).state in (DONE, SKIPPED) for run in self.sweep.runs)
