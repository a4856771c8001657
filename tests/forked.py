"""Processes that start in milliseconds: each is forked from one that has imported heavy packages already.

A `Nursery` is a process that imports packages once and then forks a child for each command. A child is a process of its
own in all that a test looks at: number, signals, streams, environment, folder, exit code. What it does not show is
what happens while a package that the nursery imports is imported: for blocked imports and for variables of the
environment that are read then, give the nursery that environment, or start a process with `subprocess`.

A nursery is itself forked from one `base_nursery` for each worker, which has imported what reads no such variables and
nothing of this project; torch alone takes seconds.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


class Forked:
    """A child of a nursery, with the methods of `subprocess.Popen` that the tests use; its streams are text."""

    def __init__(self, nursery: Nursery, args: Sequence[str], pid: int, out: int, err: int) -> None:
        self.args, self.pid, self.returncode = list(args), pid, None
        self.stdout, self.stderr = (os.fdopen(end, encoding="utf-8") for end in (out, err))
        self._nursery = nursery

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs. Only this ends a zombie, as in Popen."""
        if self.returncode is None:
            self.returncode = self._nursery.ask({"poll": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline, pause = None if timeout is None else time.monotonic() + timeout, 0.001
        while self.poll() is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            time.sleep(pause)
            pause = min(0.02, pause * 2)
        return self.returncode or 0

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return what is left of stdout and stderr, when the process has ended."""
        texts = ["", ""]
        readers = [
            threading.Thread(target=lambda place=place, stream=stream: texts.__setitem__(place, stream.read()))
            for place, stream in enumerate((self.stdout, self.stderr))
        ]
        for reader in readers:
            reader.daemon = True
            reader.start()
        for reader in readers:
            reader.join(timeout)
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(timeout)
        self.stdout.close()
        self.stderr.close()
        return texts[0], texts[1]

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """A process that has imported `modules` with this environment, and forks children that have them too.

    With a `base`, another nursery, it is forked from that and has its modules as well.
    """

    def __init__(self, modules: Sequence[str], env: Mapping[str, str], base: Nursery | None = None) -> None:
        self.env, self._base, self._lock = dict(env), base, threading.Lock()
        self._channel, theirs = socket.socketpair()
        with theirs:
            if base:
                self._pid = base.ask({"modules": list(modules), "env": self.env}, (theirs.fileno(),))
                return
            command = [sys.executable, __file__, str(theirs.fileno()), *modules]
            self._process = subprocess.Popen(
                command, env=self.env, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
            )

    def ask(self, order: dict[str, Any], streams: Sequence[int] = ()) -> Any:
        with self._lock:
            line = json.dumps(order).encode() + b"\n"
            if streams:
                sent = socket.send_fds(self._channel, [line], list(streams))
                line = line[sent:]
            self._channel.sendall(line)
            return json.loads(_line_of(self._channel) or b'"the nursery has ended"')

    def start(self, args: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Forked:
        """Start what `python *args` would: a script, `-m` and a module, or `-c` and a program, with arguments."""
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        order = {"start": list(map(str, args)), "cwd": str(cwd or Path.cwd()), "env": dict(env or os.environ)}
        pid = self.ask(order, (out_end, err_end))
        os.close(out_end)
        os.close(err_end)
        return Forked(self, args, pid, out, err)

    def run(
        self, args: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, as `subprocess.run` with captured output."""
        process = self.start(args, cwd, env)
        out, err = process.communicate(timeout)
        return subprocess.CompletedProcess(list(args), process.returncode or 0, out, err)

    def close(self) -> None:
        """End the nursery; children that run go on."""
        self._channel.close()
        if self._base is None:
            self._process.wait()
            return
        while self._base.ask({"poll": self._pid}) is None:
            time.sleep(0.001)


@cache
def base_nursery() -> Nursery:
    """One for each worker, from which the other nurseries are forked: it has what takes long to import."""
    tables = ("numpy", "pandas", "pyarrow.compute", "pyarrow.dataset", "pyarrow.parquet", "tqdm")
    lexical = ("scipy.sparse", "scipy.stats", "sklearn.feature_extraction.text", "sklearn.metrics")
    lazily = ("torch.distributed.tensor", "torch.export", "torch._dynamo")
    return Nursery((*tables, *lexical, "sklearn.preprocessing", "torch", *lazily), os.environ)


@cache
def nursery_of_api_runs() -> Nursery:
    """One nursery for each worker, with what takes a run over an API a second: the SDKs, and what they import late."""
    sdks = ("openai", "cohere", "httpx", "httpx2", "httpcore2", "anyio", "anyio.streams.tls", "h11", "jiter")
    late = [f"openai.resources.{name}" for name in ("batches", "chat", "completions", "embeddings", "files")]
    ours = [f"utils.{layer}.{name}" for layer in ("encoders", "generators") for name in ("cached", "resolve", "api")]
    usual = ("numpy", "tqdm", "multiprocessing.synchronize", "encodings.idna", "utils.cli.main", "utils.api.batches")
    return Nursery((*sdks, *late, *ours, *usual), os.environ, base_nursery())


@cache
def nursery_of_local_runs(*heavy: str) -> Nursery:
    """One nursery for each worker and `heavy` packages, with what takes a run of the lexical baseline two seconds."""
    ours = ("utils.cli.main", "utils.encoders.cached", "utils.encoders.resolve")
    return Nursery((*ours, *heavy), os.environ, base_nursery())


def _line_of(channel: socket.socket, line: bytes = b"") -> bytes:
    while not line.endswith(b"\n"):
        part = channel.recv(1 << 16)
        if not part:
            return b""
        line += part
    return line


def _serve(channel: socket.socket) -> dict[str, Any] | None:
    """Fork a child for each order, where this returns the order; None in a nursery itself, at the end."""
    while True:
        line, streams, _, _ = socket.recv_fds(channel, 1 << 16, 2)
        line = line and _line_of(channel, line)
        if not line:
            return None
        order = json.loads(line)
        if "poll" in order:
            pid, status = os.waitpid(order["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if not answer and "modules" in order:  # the child is a nursery: it serves the channel that came along
                channel.close()
                channel = socket.socket(fileno=streams[0])
                _import(order["modules"], order["env"])
                continue
            if not answer:
                channel.close()
                os.dup2(streams[0], 1)
                os.dup2(streams[1], 2)
            for stream in streams:
                os.close(stream)
            if not answer:
                return order
        channel.sendall(json.dumps(answer).encode() + b"\n")


def _import(modules: Sequence[str], env: Mapping[str, str]) -> None:
    """Import what a nursery has, with the variables that packages read then."""
    os.environ.clear()
    os.environ.update(env)
    sys.path += [folder for folder in env.get("PYTHONPATH", "").split(os.pathsep) if folder not in ("", *sys.path)]
    for name in modules:
        try:
            import_module(name)
        except ImportError:
            traceback.print_exc()
    gc.freeze()  # what is there stays: looking at it would copy its memory in each child


def _become(order: dict[str, Any]) -> None:
    """Be the process that the order describes; what it raises ends this interpreter as it ends any."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr
    kind, *rest = order["start"]
    here = [folder for folder in sys.path if folder != str(ROOT / "tests")]
    extra = [folder for folder in order["env"].get("PYTHONPATH", "").split(os.pathsep) if folder]
    if kind in ("-c", "-m"):
        sys.argv, sys.path = ["-c" if kind == "-c" else rest[0], *rest[1:]], ["", *extra, *here]
    else:
        sys.argv, sys.path = [kind, *rest], [str(Path(kind).parent), *extra, *here]
    if kind == "-c":
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})
    elif kind == "-m":
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a key pressed at the terminal is for the tests
    sys.path.insert(0, str(ROOT))
    _import(sys.argv[2:], dict(os.environ))
    found = _serve(socket.socket(fileno=int(sys.argv[1])))
    if found is not None:
        _become(found)
