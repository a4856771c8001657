"""The wrapper around every script's main: errors, interruptions, exit codes."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

import utils
from utils.errors import UserError, first_line, is_disk_full, is_out_of_memory
from utils.proxies import prepare_proxies

RUN_AGAIN = "finished subsets are logged; run the same command again to continue"
FOLDERS = ("--output_dir", "--logs")  # flags of the folder beside whose files an unforeseen error is described
REMEDIES = {  # by the number of the system's error
    errno.ENOENT: "check that the file or folder is there",
    errno.EROFS: "the place cannot be written to: choose another folder",
    errno.EACCES: "check the permissions, or choose another folder",
    errno.EPERM: "check the permissions, or choose another folder",
    errno.ENAMETOOLONG: "choose a folder with a shorter path, or shorter names",
    errno.ELOOP: "a link leads to itself: mend it, or choose another folder",
    errno.EMFILE: "allow more open files: ulimit -n",
}


class Terminated(KeyboardInterrupt):
    """SIGTERM, which a batch system sends at the end of a job's time: ends a run as Ctrl-C does."""


def run(main: Callable[[Sequence[str]], None], kept: str = RUN_AGAIN) -> NoReturn:
    """Run the main function of a script and exit.

    A user's error prints two lines and exits with 2, an error that nobody foresaw prints two lines, writes its
    traceback to a file and exits with 1. Ctrl-C and SIGTERM print one line and exit with 130 and 143. `kept` says what
    an interrupted run leaves, and how to continue. No output fails for the encoding of the console.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    prepare_proxies()
    # where peft is installed, the library of encoders loads bitsandbytes, which warns of a kernel that nobody asked for
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    try:
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
            signal.signal(signal.SIGTERM, _terminate)
        main(sys.argv[1:])
        if sys.stdout is not None:
            sys.stdout.flush()
    except UserError as error:
        _show_traceback()
        _fail(error.what, error.hint)
    except KeyboardInterrupt as error:
        name, code = ("terminated", 143) if isinstance(error, Terminated) else ("interrupted", 130)
        print(f"\n{name}: {kept}", file=sys.stderr)
        sys.exit(code)
    except BrokenPipeError:  # the reader of the pipe has closed it, as `head` does
        _close_stdout()
        sys.exit(0)
    except SystemExit:
        raise
    except BaseException as error:  # an error in a library's Rust code is no Exception
        _show_traceback()
        _fail_for(error, kept)
    sys.exit(0)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def _fail_for(error: BaseException, kept: str) -> NoReturn:
    """Explain an error that is not a user's: of a package, the disk, the memory, the system, or one nobody foresaw."""
    about = ""
    if isinstance(error, OSError):
        about = f"{error.strerror or first_line(error)}: {error.filename or ''}".rstrip(": ")
    if isinstance(error, ModuleNotFoundError) and (package := (error.name or "utils").partition(".")[0]) != "utils":
        _fail(f"the package {package} is not installed for {sys.executable}", f"{utils.ACTIVATE}; {kept}")
    if is_disk_full(error):
        _fail(about or "no space left on the disk", f"free some space; {kept}")
    if is_out_of_memory(error):
        _fail("out of memory", f"use a smaller --batch_size or fewer --langs; {kept}")
    if about:
        _fail(about, f"{_remedy(error)}; {kept}")
    place = _write_traceback()
    where = f"the traceback is in {place}; please report it" if place else "--verbose shows the traceback"
    _fail(f"unforeseen: {type(error).__name__}: {first_line(error)[:200]}", f"{where}; {kept}", code=1)


def _remedy(error: BaseException) -> str:
    """Return what to do about an error of the system about a file."""
    number, name = getattr(error, "errno", None), getattr(error, "filename", None)
    path = Path(os.fsdecode(name)) if isinstance(name, str | bytes) else None
    elsewhere = "or choose another folder"
    if number == errno.EISDIR and path is not None:
        return f"there is a folder in the place of the file {path}: move it away, {elsewhere}"
    if number in (errno.ENOTDIR, errno.EEXIST) and path is not None:
        for part in (path, *path.parents):
            if os.path.lexists(part) and not part.is_dir():
                return f"{part} is no folder: move it away, {elsewhere}"
    return REMEDIES.get(number or 0, "check the free space and the permissions")


def _write_traceback() -> Path | None:
    """Write the command line and the traceback of the current exception beside the logs, and return the file's path.

    Where nothing can be written there the file is in the system's temporary folder; None where it cannot be either.
    """
    import datetime
    import shlex
    import tempfile
    import traceback

    from utils.api.providers import redact
    from utils.files import write_atomic

    script, command = Path(sys.argv[0]).stem, shlex.join(sys.argv)
    now = datetime.datetime.now(datetime.UTC)
    content = redact(
        f"{command}\n{now.isoformat(timespec='seconds')}, Python {sys.version}\n\n{traceback.format_exc()}"
    )
    for folder in (_logs_folder(), Path(tempfile.gettempdir())):
        path = folder / f"error-{script}-{now:%Y%m%d-%H%M%S}-{os.getpid()}.txt"
        with contextlib.suppress(OSError, ValueError):
            write_atomic(path, content.encode(errors="backslashreplace"))
            return path
    return None


def _logs_folder() -> Path:
    """Return the folder of the logs on the command line, `logs` where none is named."""
    flags = [flag.partition("=") for flag in sys.argv[1:]]
    following = [*sys.argv[2:], ""]
    named = [value or after for (flag, _, value), after in zip(flags, following, strict=False) if flag in FOLDERS]
    with contextlib.suppress(RuntimeError):
        return Path(named[-1] if named and named[-1] else "logs").expanduser()
    return Path("logs")


def _show_traceback() -> None:
    if "--verbose" in sys.argv:
        import traceback  # imported only now, as every start of a script would pay for it

        from utils.api.providers import redact

        print(redact(traceback.format_exc()), file=sys.stderr)


def _fail(what: str, hint: str, code: int = 2) -> NoReturn:
    from utils.api.providers import redact

    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _close_stdout()
    with contextlib.suppress(OSError):
        print(f"error: {redact(what)}", file=sys.stderr)
        if hint:
            print(f"hint: {redact(hint)}", file=sys.stderr)
    sys.exit(code)


def _close_stdout() -> None:
    """Discard what is left to be printed, so that the end of the process does not fail as well."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
