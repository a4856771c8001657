"""The wrapper around every script's main: errors, interruptions, exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from utils.errors import UserError
from utils.proxies import prepare_proxies

RUN_AGAIN = "finished subsets are logged; run the same command again to continue"


def run(main: Callable[[Sequence[str]], None], kept: str = RUN_AGAIN) -> NoReturn:
    """Run the main function of a script and exit.

    A user's error prints two lines and exits with 2; an interruption prints one line and exits with 130. `kept` says
    what an interrupted run leaves, and how to continue.
    """
    prepare_proxies()
    try:
        main(sys.argv[1:])
        sys.stdout.flush()
    except UserError as error:
        _show_traceback()
        _fail(error.what, error.hint)
    except KeyboardInterrupt:
        print(f"\ninterrupted: {kept}", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of the pipe has closed it, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        _show_traceback()
        _fail(
            f"{error.strerror or error}: {error.filename or ''}".rstrip(": "),
            f"check the free space and the permissions; {kept}",
        )
    except MemoryError:
        _fail_for_memory(kept)
    except RuntimeError as error:
        if "allocate memory" not in str(error):  # torch raises RuntimeError when memory runs out
            raise
        _show_traceback()
        _fail_for_memory(kept)
    sys.exit(0)


def _fail_for_memory(kept: str) -> NoReturn:
    _fail("out of memory", f"use a smaller --batch_size or fewer --langs; {kept}")


def _show_traceback() -> None:
    if "--verbose" in sys.argv:
        import traceback  # imported only now, as every start of a script would pay for it

        from utils.api.providers import redact

        print(redact(traceback.format_exc()), file=sys.stderr)


def _fail(what: str, hint: str) -> NoReturn:
    from utils.api.providers import redact

    print(f"error: {redact(what)}", file=sys.stderr)
    if hint:
        print(f"hint: {redact(hint)}", file=sys.stderr)
    sys.exit(2)
