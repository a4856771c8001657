"""The wrapper around every script's main: errors, interruptions, exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

from utils.api.providers import redact
from utils.errors import UserError

RUN_AGAIN = "finished subsets are logged; the same command goes on from there"


def run(main: Callable[[Sequence[str]], None], kept: str = RUN_AGAIN) -> NoReturn:
    """Run a script's main: a user's error ends in two lines and exit code 2, an interruption in one and 130.

    `kept` says what an interruption leaves, and how to go on.
    """
    try:
        main(sys.argv[1:])
        sys.stdout.flush()
    except UserError as error:
        _show_traceback()
        _fail(error.what, error.hint)
    except KeyboardInterrupt:
        print(f"\ninterrupted: {kept}", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe left, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        _show_traceback()
        _fail(
            f"{error.strerror or error}: {error.filename or ''}".rstrip(": "),
            f"is there room, and may it be written? {kept}",
        )
    except MemoryError:
        _fail_for_memory(kept)
    except RuntimeError as error:
        if "allocate memory" not in str(error):  # torch's words where MemoryError is meant
            raise
        _show_traceback()
        _fail_for_memory(kept)
    sys.exit(0)


def _fail_for_memory(kept: str) -> NoReturn:
    _fail("out of memory", f"use a smaller --batch_size or fewer --langs; {kept}")


def _show_traceback() -> None:
    if "--verbose" in sys.argv:
        print(redact(traceback.format_exc()), file=sys.stderr)


def _fail(what: str, hint: str) -> NoReturn:
    print(f"error: {redact(what)}", file=sys.stderr)
    if hint:
        print(f"hint: {redact(hint)}", file=sys.stderr)
    sys.exit(2)
