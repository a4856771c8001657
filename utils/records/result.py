"""One record, read from its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class LoggedResult:
    """One record, of this suite or of the original.

    metrics: fractions by name. run: the provenance; of a file of the original, what its path tells. body: the whole
    content of the file. base: the model of the record, where `model` is a table's row, and row: that row's
    name without display names. source: the source language of
    the row, of pairs of own data alone, as `pair_sources` decides it; None where it is not decided yet.
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
    base: str = ""
    row: str = ""
    source: str | None = None

    @property
    def plain_model(self) -> str:
        """The name of the encoder or ensemble, as the record has it."""
        return self.base or self.model

    @property
    def is_trained(self) -> bool:
        """Whether a model that was trained for the task answered: its k, similarity and vote have no meaning."""
        return isinstance(self.run.get("training"), dict)

    @property
    def ci95(self) -> Mapping[str, Sequence[float]]:
        """The metrics' 95 % intervals, where the record has them."""
        return self.body.get("ci95") or {}
