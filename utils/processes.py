"""Whether a process that wrote its name somewhere is still there: its machine, its number, and when it was started."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from functools import lru_cache
from pathlib import Path


@lru_cache
def this_machine() -> str:
    """Return the name of this machine, with what tells it from others of its name.

    That is the beginning of an identifier that it has until it starts again, and the namespace of the numbers of its
    processes, since containers may share all else.
    """
    start, space = "", ""
    with suppress(OSError):
        start = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
    with suppress(OSError):
        space = str(Path("/proc/self/ns/pid").readlink())
    return f"{platform.node() or 'here'}/{start}/{space}".replace(" ", "_")


def started_at(pid: int) -> str:
    """Return when a process was started, as the kernel counts; empty where it is gone, "?" where it cannot be told."""
    if not Path("/proc/self/stat").exists():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return ""
        except OSError:
            return "?"
        return "?"
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if after_name[0] in ("Z", "X") else after_name[19]
