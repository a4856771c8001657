"""The records of one run: whether one is there, its metrics, and how it is written."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.errors import warn
from utils.files import read_json, write_json
from utils.records.paths import record_path, record_paths, records_at
from utils.records.store import other_settings, read_neighbors, write_neighbors, write_record
from utils.records.trait_texts import digest
from utils.records.validation import fault_of, metrics_of, tuned_fault_of
from utils.tasks import TASKS

if TYPE_CHECKING:
    from utils.records.identity import Identity
    from utils.schema import RunRecord, TopK

_watching: ContextVar[dict[Path, None] | None] = ContextVar("_watching", default=None)


@contextmanager
def watched_records() -> Iterator[dict[Path, None]]:
    """Collect the paths of the records that runs write, or find done, while this is open."""
    seen: dict[Path, None] = {}
    token = _watching.set(seen)
    try:
        yield seen
    finally:
        _watching.reset(token)


def _tell_watcher(path: Path) -> None:
    seen = _watching.get()
    if seen is not None:
        seen[path] = None


class RecordStore:
    """The folder of one run's records.

    earlier: folders where earlier versions wrote records of this run; they are read, and continued.
    overwrite: existing records are computed again and replaced, also those of other settings at their place, unless
    they are of another data set, model or subset.
    debug: the run has --limit, so its records are always computed again.
    """

    def __init__(
        self,
        folder: Path,
        identity: Identity,
        *,
        earlier: Sequence[Path] = (),
        overwrite: bool = False,
        debug: bool = False,
    ) -> None:
        self.folder, self.identity, self.overwrite, self.debug = folder, identity, overwrite, debug
        self.spare = folder.with_name(f"{folder.name}_{digest(json.dumps(identity.of(''), sort_keys=True))}")
        self.earlier = earlier
        self.tuned_weights: list[float] | None = None  # those that this run uses; records of others are replaced
        self._done: dict[tuple[str, int], Path] = {}  # the records that were found
        self._written: dict[tuple[str, int], Path] = {}
        self._told = False

    def is_done(self, subset: str, k: int) -> bool:
        """Return whether the record of a subset at k is there, be it from an earlier run or from one at the same time.

        A record is read once.
        """
        if (subset, k) in self._done:
            return True
        path = self._ours(subset, k)
        if path is None or self.overwrite or self.debug:
            return False
        if self.tuned_weights is not None and self._weights_of(path) != self.tuned_weights:
            return False
        self._done[subset, k] = path
        _tell_watcher(path)
        return True

    def _ours(self, subset: str, k: int) -> Path | None:
        """Return the record of a subset at k that has this run's settings, None where there is none."""
        folders = (self.folder, *self.earlier, self.spare)
        paths = (path for folder in folders for path in record_paths(folder, subset, k))
        return next((path for path in paths if self.has_settings(path, subset)), None)

    def has_settings(self, path: Path, subset: str) -> bool:
        """Return whether a file is the record of a subset in this run's settings."""
        return self._other(path, subset) == ""

    def _other(self, path: Path, subset: str) -> str | None:
        """Return why a file is not the record of a subset in this run's settings, as `other_settings` does."""
        spec = TASKS[self.identity.task]

        def fault(body: Mapping[str, Any]) -> str:
            run = body.get("run")
            return fault_of(body, spec.needed_by(run if isinstance(run, dict) else {}))

        return other_settings(path, self.identity.of(subset), fault)

    def _is_of_another(self, path: Path, subset: str) -> bool:
        """Return whether a record is of another data set, model or subset whose name makes the same path."""
        identity, run = self.identity.of(subset), (read_json(path) or {}).get("run") or {}
        return any(run.get(name, identity[name]) != identity[name] for name in ("dataset", "model", "subset"))

    def path_of(self, subset: str, k: int) -> Path:
        """Return the path of a record, whether it is there or not.

        Where the subset has a record of other settings, at this k or at another one, whose neighbours have the same
        file, it is in a folder beside it, and a note says so.
        """
        if path := self._done.get((subset, k)) or self._ours(subset, k):
            return path
        path = record_path(self.folder, subset, k)
        for there in (path,) if self.overwrite else dict.fromkeys((path, *records_at(self.folder, subset))):
            if other := self._other(there, subset):
                if self.overwrite and not self._is_of_another(there, subset):
                    return path
                if not self._told:
                    self._told = True
                    note = f"note: {there} has other settings ({other}); the records of this run are in {self.spare}"
                    print(note, file=sys.stderr)
                return record_path(self.spare, subset, k)
        return path

    def folders(self, subsets: Iterable[str], ks: Iterable[int]) -> list[Path]:
        """Return the folders that have records of these subsets and ks, or the run's folder where there are none."""
        ks = list(ks)
        known = self._done | self._written
        paths = [known.get((subset, k)) for subset in subsets for k in ks]
        return list(dict.fromkeys(path.parent for path in paths if path is not None)) or [self.folder]

    def _weights_of(self, path: Path) -> list[float] | None:
        """Return the tuned weights of a record."""
        tuned = ((read_json(path) or {}).get("run") or {}).get("tuned") or {}
        return tuned.get("weights")

    def missing(self, subset: str, ks: Iterable[int]) -> list[int]:
        """Return those of the ks at which the subset has no record yet."""
        return [k for k in ks if not self.is_done(subset, k)]

    def metrics(self, subset: str, k: int) -> dict[str, float]:
        """Return the metrics of a record as fractions; empty where there is no such record."""
        path = self.path_of(subset, k)
        content = read_json(path) if path.is_file() else None
        return {} if content is None else metrics_of(content)

    def write(
        self,
        subset: str,
        record: RunRecord,
        predictions: Mapping[str, Any],
        prompts: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a record, its predictions, and the prompts of a generator."""
        path = self.path_of(subset, record.k)
        write_record(path, record, predictions, prompts)
        self._written[subset, record.k] = path
        _tell_watcher(path)

    def write_neighbors(self, subset: str, found: Mapping[str, TopK], k: int) -> None:
        """Write the indices and scores of the neighbours, by direction, beside the record at k."""
        write_neighbors(self.path_of(subset, k), found, self._of_neighbors(subset))

    def read_neighbors(self, subset: str, ks: Sequence[int]) -> dict[str, TopK]:
        """Return the neighbours by direction as written beside the deepest record; empty where there are none."""
        done = [k for k in ks if (subset, k) in self._done | self._written or self._ours(subset, k)]
        return read_neighbors(self.path_of(subset, done[-1]), self._of_neighbors(subset)) if done else {}

    def _of_neighbors(self, subset: str) -> dict[str, Any]:
        """Return what decides the neighbours of a subset: the identity of its records, and the tuned weights."""
        tuned = {} if self.tuned_weights is None else {"tuned": {"weights": self.tuned_weights}}
        return {**self.identity.of(subset), **tuned}

    def read_tuned(self, identity: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the weights that an earlier run with this identity chose, and their grid; None to choose anew."""
        if self.overwrite:
            return None
        found = ((path, read_json(path) or {}) for path in self._tuned_paths(identity) if path.is_file())
        path, there = next((one for one in found if one[1].get("identity") == identity), (None, None))
        if there is None:
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
        """Write the chosen weights and the whole grid, in a file of its own where another choice has the usual one."""
        content = {"weights": list(weights), "split": "validation", "grid": list(grid), "identity": identity}
        usual, own = self._tuned_paths(identity)
        there = read_json(usual) if usual.is_file() else None
        write_json(usual if there is None or there.get("identity") == identity else own, content, indent=2)

    def _tuned_paths(self, identity: Mapping[str, Any]) -> tuple[Path, Path]:
        """Return the file of the first weights that were tuned in this folder, and that of these."""
        own = f"tuned_weights_{digest(json.dumps(identity, sort_keys=True))}.json"
        return self.folder / "tuned_weights.json", self.folder / own
