"""Run a script of the project: in this process, which is fast, or in one of its own."""

from __future__ import annotations

import io
import os
import runpy
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT = 600  # seconds; a limit for what hangs, however busy the machine is


def run_in_process(script: Path, args: tuple[str, ...], cwd: Path, env: Mapping[str, str]) -> tuple[int, str, str]:
    """Run a script as `__main__` in this process; return its exit code and what it wrote to stdout and stderr.

    The working directory, the environment, sys.argv and sys.path, the warnings' filters, torch's number of threads,
    matplotlib's settings and the project's caches of functions are those of a fresh process, and are put back.
    """
    out, err = _writer(), _writer()
    with ExitStack() as stack:
        stack.enter_context(_restored_process_state(script, args, cwd, env))
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        stack.enter_context(_fresh_warnings())
        code = _exit_code(script)
    return code, _text_of(out), _text_of(err)


def run_as_process(script: Path, args: tuple[str, ...], cwd: Path, env: Mapping[str, str]) -> tuple[int, str, str]:
    """Run a script in a process of its own; return its exit code and what it wrote to stdout and stderr."""
    done = subprocess.run(
        [sys.executable, str(script), *args],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    return done.returncode, done.stdout, done.stderr


def wait_until(is_so: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    """Wait until something holds; fail after TIMEOUT, or when the process that it is expected of has ended."""
    deadline = time.monotonic() + TIMEOUT
    while not is_so():
        assert time.monotonic() < deadline, "it took too long"
        assert process is None or process.poll() is None or is_so(), "the process ended before"
        time.sleep(0.01)


def clear_caches() -> None:
    """Forget what the project's functions have cached, such as warnings that are shown once."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "utils":
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear") and value.__module__ == name:
                    value.cache_clear()


def _writer() -> io.TextIOWrapper:
    """Return a stream as sys.stdout is one: text over bytes, no terminal."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n", write_through=True)


def _text_of(stream: io.TextIOWrapper) -> str:
    """Return what was written, its line ends as `subprocess` gives them with text=True.

    The stream stays open, since the handler of a logger may still hold it.
    """
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def _exit_code(script: Path) -> int:
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as done:
        if done.code is None or isinstance(done.code, int):
            return done.code or 0
        print(done.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


@contextmanager
def _restored_process_state(script: Path, args: tuple[str, ...], cwd: Path, env: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ), Path.cwd(), sys.argv, sys.path, sys.stdin, dict(_interrupt_handlers())
    threads = sys.modules["torch"].get_num_threads() if "torch" in sys.modules else None
    clear_caches()
    try:
        _set_environment(env)
        os.chdir(cwd)
        sys.argv, sys.path, sys.stdin = [str(script), *args], [str(script.parent), *sys.path], io.StringIO()
        with _restored_matplotlib():
            yield
    finally:
        environment, folder, sys.argv, sys.path, sys.stdin, handlers = before
        _set_environment(environment)
        os.chdir(folder)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if threads is not None:
            sys.modules["torch"].set_num_threads(threads)
        clear_caches()


def _interrupt_handlers() -> Iterator[tuple[signal.Signals, object]]:
    for number in (signal.SIGINT, signal.SIGTERM):
        yield number, signal.getsignal(number)


def _set_environment(env: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(env):
        del os.environ[name]
    os.environ.update(env)


@contextmanager
def _restored_matplotlib() -> Iterator[None]:
    if "matplotlib" not in sys.modules:
        yield
        return
    import matplotlib as mpl

    with mpl.rc_context():
        yield


@contextmanager
def _fresh_warnings() -> Iterator[None]:
    """Show warnings on stderr as Python does from its start, not as pytest collects them."""
    with warnings.catch_warnings():
        warnings.resetwarnings()
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)
        warnings.filterwarnings("default", category=DeprecationWarning, module="__main__")
        warnings.showwarning = _show_warning
        yield


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    (file or sys.stderr).write(warnings.formatwarning(message, category, filename, lineno, line))
