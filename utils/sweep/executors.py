"""Where the processes of a sweep are started: on this machine, on a Ray cluster, or by Slurm."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from utils.cluster.joining import OWN, import_extra, join_ray, quiet, shared_environment
from utils.errors import UserError, causes, first_line
from utils.sweep.groups import gpus

EXECUTORS = ("local", "ray", "slurm")
SLURM_JOBS = 8  # at once, unless --jobs says otherwise
SLURM_MINUTES = 24 * 60
GENERAL = (  # submitit's settings that are not Slurm's own; the others are called slurm_...
    *("name", "nodes", "timeout_min", "tasks_per_node", "cpus_per_task", "gpus_per_node", "mem_gb", "stderr_to_stdout"),
)


@dataclass(frozen=True)
class Options:
    """How runs are executed. jobs: processes at once, None for what is usual; slurm: settings of submitit."""

    executor: str = "local"
    jobs: int | None = None
    gpus_per_run: int = 0
    ray: str | None = None
    slurm: Mapping[str, Any] = field(default_factory=dict)


def slurm_settings(words: Sequence[str]) -> dict[str, Any]:
    """Return the settings in `key=value` words, numbers as numbers. Raises UserError for other words."""
    settings: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not key.isidentifier() or not equals or not value:
            raise UserError(f"--slurm {word}", "write key=value, such as partition=gpu")
        settings[key] = int(value) if value.isdecimal() else value
    return settings


class Job(Protocol):
    """A process that was started."""

    def poll(self) -> str | None:
        """Return None while it is there, then how it ended: empty for well, or what went wrong."""

    def kill(self) -> None:
        """End it at once."""


class Executor(Protocol):
    """What starts processes; slots: how many of them compute at once."""

    slots: int

    def start(self, command: Sequence[str], *, parent: bool) -> Job:
        """Start a process in the current folder."""

    def close(self) -> None:
        """Give back what it holds."""


def open_executor(options: Options, folder: Path) -> Executor:
    """Return the executor; `folder` is for its own files. Raises UserError for what is missing."""
    if options.executor == "ray":
        return RayExecutor(options)
    if options.executor == "slurm":
        return SlurmExecutor(options, folder)
    return LocalExecutor(options)


class LocalExecutor:
    """Processes on this machine, each with its share of the cores and with GPUs of its own."""

    def __init__(self, options: Options) -> None:
        self.slots, n = options.jobs or 1, options.gpus_per_run
        self._sets: list[str] = []
        if n:
            most = len(gpus()) // n
            if self.slots > most:
                what = f"--jobs {self.slots} --gpus_per_run {n} with {len(gpus())} GPUs here"
                raise UserError(what, f"--jobs {most}" if most else "leave --gpus_per_run out, or use another executor")
            self._sets = [",".join(gpus()[i * n : (i + 1) * n]) for i in range(self.slots)]
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._threads = {} if self.slots == 1 else {"OMP_NUM_THREADS": str(max(1, cores // self.slots))}

    def start(self, command: Sequence[str], *, parent: bool) -> Job:
        """Start a process that Ctrl-C in the terminal does not reach, since the sweep interrupts it."""
        environment = {**self._threads, **os.environ}
        devices = self._sets.pop(0) if self._sets else ""
        if devices:
            environment["CUDA_VISIBLE_DEVICES"] = devices
        process = subprocess.Popen(
            [*command, *(["--parent", str(os.getpid())] if parent else [])],
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        return _LocalJob(process, (lambda: self._sets.append(devices)) if devices else None)

    def close(self) -> None:
        """Nothing is held."""


class _LocalJob:
    def __init__(self, process: subprocess.Popen[bytes], give_back: Any) -> None:
        self.process, self._give_back = process, give_back

    def poll(self) -> str | None:
        code = self.process.poll()
        if code is None:
            return None
        if self._give_back is not None:
            self._give_back()
            self._give_back = None
        return ending(code)

    def kill(self) -> None:
        self.process.kill()


def ending(code: int) -> str:
    """Return how a process ended that its exit code tells of; empty for well."""
    if code in (0, 130):
        return ""
    return f"its process was killed by signal {-code}" if code < 0 else f"its process ended with exit code {code}"


class RayExecutor:
    """Tasks of a Ray cluster, each of which runs one process on some node."""

    def __init__(self, options: Options) -> None:
        hint = "start one with `ray start --head`, or leave --ray out: a cluster of this machine is started"
        self._joined = join_ray(options.ray or OWN, hint)
        self.ray = ray = self._joined.ray
        there = ray.cluster_resources()
        n = options.gpus_per_run
        most = int(there.get("GPU", 0) // n if n else there.get("CPU", 1))
        if n and not most:
            raise UserError(f"--gpus_per_run {n}: the Ray cluster has no GPU", "leave it out, or add a node with GPUs")
        self.slots = min(options.jobs or most, max(1, most))
        self._resources = {"num_cpus": 1, "num_gpus": n, "max_retries": 0}
        self._environment = shared_environment()

    def start(self, command: Sequence[str], *, parent: bool) -> Job:
        """Start a task, which waits until a node has room for it."""
        line, folder, environment = list(command), str(Path.cwd()), self._environment

        def execute() -> int:
            own = ["--parent", str(os.getpid())] if parent else []
            return subprocess.call([*line, *own], cwd=folder, env={**os.environ, **environment})

        return _RayJob(self.ray, self.ray.remote(**self._resources)(execute).remote())

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self._joined.leave()


class _RayJob:
    def __init__(self, ray: Any, task: Any) -> None:
        self.ray, self.task = ray, task

    def poll(self) -> str | None:
        ready, _ = self.ray.wait([self.task], timeout=0)
        if not ready:
            return None
        try:
            return ending(self.ray.get(self.task))
        except Exception as error:  # of the task, of its worker, or of its node: Ray's own classes
            return f"Ray lost its process: {first_line(causes(error)[-1])}"

    def kill(self) -> None:
        self.ray.cancel(self.task, force=True)


class SlurmExecutor:
    """Jobs that submitit hands to Slurm, each of which runs one process."""

    def __init__(self, options: Options, folder: Path) -> None:
        submitit = import_extra("submitit")
        given = {"timeout_min": SLURM_MINUTES, **options.slurm}
        cluster = given.pop("cluster", None)
        if options.gpus_per_run:
            given.setdefault("gpus_per_node", options.gpus_per_run)
        settings = {
            name if name in GENERAL or name.startswith("slurm_") else f"slurm_{name}": given[name] for name in given
        }
        self.slots, self._submitit = options.jobs or SLURM_JOBS, submitit
        try:
            self._executor = submitit.AutoExecutor(folder=folder / "slurm", cluster=cluster)
            self._executor.update_parameters(**settings)
        except (RuntimeError, NameError, TypeError, ValueError) as error:
            hint = "--slurm takes submitit's settings: partition=NAME, timeout_min=N; cluster=local needs no Slurm"
            raise UserError(f"Slurm cannot be used: {first_line(error)}", hint) from error

    def start(self, command: Sequence[str], *, parent: bool) -> Job:
        """Submit a job, which waits in Slurm's queue; it goes on when the sweep's own process is killed."""
        with quiet():
            function = self._submitit.helpers.CommandFunction([*command], cwd=Path.cwd(), verbose=False)
            return _SlurmJob(self._executor.submit(function))

    def close(self) -> None:
        """Nothing is held."""


class _SlurmJob:
    def __init__(self, job: Any) -> None:
        self.job = job

    def poll(self) -> str | None:
        if not self.job.done():
            return None
        error = self.job.exception()
        return "" if error is None else f"Slurm's job {self.job.job_id} failed: {first_line(error)[:200]}"

    def kill(self) -> None:
        self.job.cancel()


def worker_command(script: Path, folder: Path, ids: Sequence[str]) -> list[str]:
    """Return the command of a process that executes runs."""
    return [sys.executable, str(script), "work", str(folder.absolute()), *ids]
