"""The records of one run: whether one is there, its metrics, and how it is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.errors import warn
from utils.files import read_json, write_json
from utils.records.paths import record_path
from utils.records.store import is_done, write_neighbors, write_record
from utils.records.validation import fault_of, metrics_of, tuned_fault_of
from utils.tasks import TASKS

if TYPE_CHECKING:
    from utils.records.identity import Identity
    from utils.schema import RunRecord, TopK


class RecordStore:
    """The folder of one run's records.

    overwrite: existing records are computed again and replaced.
    debug: the run has --limit, so its records are always computed again.
    """

    def __init__(self, folder: Path, identity: Identity, *, overwrite: bool = False, debug: bool = False) -> None:
        self.folder, self.identity, self.overwrite, self.debug = folder, identity, overwrite, debug
        self.tuned_weights: list[float] | None = None  # those that this run uses; records of others are replaced
        self._done: set[tuple[str, int]] = set()

    def is_done(self, subset: str, k: int) -> bool:
        """Return whether the record of a subset at k is there, be it from an earlier run or from one at the same time.

        A record is read once. Raises UserError if it has another identity.
        """
        if (subset, k) not in self._done:
            path = record_path(self.folder, subset, k)
            anew = self.overwrite or self.debug
            if not is_done(path, self.identity.of(subset), overwrite=anew, fault_of=self._fault_of):
                return False
            if self.tuned_weights is not None and self._weights_of(path) != self.tuned_weights:
                return False
            self._done.add((subset, k))
        return True

    def _fault_of(self, body: Mapping[str, Any]) -> str:
        """Return what is wrong with a record of the task."""
        return fault_of(body, TASKS[self.identity.task].metrics)

    def _weights_of(self, path: Path) -> list[float] | None:
        """Return the tuned weights of a record."""
        tuned = ((read_json(path) or {}).get("run") or {}).get("tuned") or {}
        return tuned.get("weights")

    def missing(self, subset: str, ks: Iterable[int]) -> list[int]:
        """Return those of the ks at which the subset has no record yet."""
        return [k for k in ks if not self.is_done(subset, k)]

    def metric(self, subset: str, k: int, name: str) -> float | None:
        """Return a metric of a record as a fraction, None where there is no such record or metric."""
        path = record_path(self.folder, subset, k)
        content = read_json(path) if path.is_file() else None
        return None if content is None else metrics_of(content).get(name)

    def write(
        self,
        subset: str,
        record: RunRecord,
        predictions: Mapping[str, Any],
        prompts: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a record, its predictions, and the prompts of a generator."""
        write_record(self.folder, subset, record, predictions, prompts)

    def write_neighbors(self, subset: str, found: Mapping[str, TopK]) -> None:
        """Write the indices and scores of the neighbours, by direction."""
        write_neighbors(self.folder, subset, found, self.identity.of(subset))

    def read_tuned(self, identity: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the weights that an earlier run with this identity chose, and their grid; None to choose anew."""
        if self.overwrite:
            return None
        path = self.folder / "tuned_weights.json"
        there = read_json(path) if path.is_file() else None
        if there is None or there.get("identity") != identity:
            return None
        if fault := tuned_fault_of(there, len(self.identity.encoders)):
            warn(f"{path} is broken, and the weights are chosen anew: {fault}")
            return None
        # Version 0.1 searched by margins with equal weights whatever the grid said, so such a grid chose nothing.
        ignored_weights = identity.get("margin", "none") != "none" and len({p["score"] for p in there["grid"]}) == 1
        return None if ignored_weights else there

    def write_tuned(
        self, weights: Sequence[float], grid: Sequence[Mapping[str, Any]], identity: Mapping[str, Any]
    ) -> None:
        """Write the chosen weights and the whole grid."""
        content = {"weights": list(weights), "split": "validation", "grid": list(grid), "identity": identity}
        write_json(self.folder / "tuned_weights.json", content, indent=2)
