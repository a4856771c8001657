"""Peak memory of this process since a given moment, on Linux."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path


def start_peak() -> float:
    """Reset the peak, and return the memory that is in use now, in MiB."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS:")


def peak_above(before: float) -> float:
    """Return the peak memory since `start_peak` minus its return value, in MiB."""
    return _status("VmHWM:") - before


def _status(name: str) -> float:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
