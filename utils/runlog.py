"""Records as a table: `from utils.runlog import load`, for notebooks."""

from __future__ import annotations

from utils.records.frames import load

__all__ = ["load"]
