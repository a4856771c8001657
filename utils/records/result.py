"""One record as it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class LoggedResult:
    """One record as it is read, whoever wrote it; of the original's files `run` has what their path tells.

    `body` is the whole content of the file.
    """

    path: Path
    dataset: str
    model: str
    subset: str
    k: int
    seed: int
    metrics: Mapping[str, float]
    run: Mapping[str, Any]
    body: Mapping[str, Any]

    @property
    def ci95(self) -> Mapping[str, Sequence[float]]:
        """The metrics' 95 % intervals, where the record has them."""
        return self.body.get("ci95") or {}
