"""The folder of a trained model: which training fills it, the checkpoints it resumes from, and its record."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from utils.checkpoints import checkpoint_files
from utils.errors import UserError, note
from utils.files import PART, held, read_json, write_json
from utils.records.provenance import environment, utc_now

RECORD, LOCK = "training.json", "training.lock"
CHECKPOINTS = "checkpoints"
STEP = re.compile(r"checkpoint-(\d+)")
RUNNING, DONE = "running", "done"
LOOK_SECONDS = 1.0  # between two looks at a lock that another process holds


class TrainingFolder:
    """A folder that one training fills.

    `training.json` says from the start which training it is (`run`: the data with their hashes, the checkpoint, the
    settings), so that the same command goes on, and another one is refused. The checkpoints of an unfinished training
    are in a folder of their own, which is removed at the end. While a process trains, it holds `training.lock`.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = path
        self.identity: dict[str, Any] = json.loads(json.dumps(identity))  # as the record has it: tuples are lists there

    @property
    def record(self) -> Path:
        """The file that says how the model was trained."""
        return self.path / RECORD

    @property
    def lock(self) -> Path:
        """The file that is locked while a process trains."""
        return self.path / LOCK

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints of an unfinished training."""
        return self.path / CHECKPOINTS

    def is_done(self) -> bool:
        """Return whether this training has been finished here."""
        return self._known().get("state") == DONE

    def has_weights(self) -> bool:
        """Return whether the finished training has kept the model."""
        return self._known().get("weights", True) is not False

    @contextlib.contextmanager
    def opened(self, *, overwrite: bool, lacks: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Begin, or go on, once no other process trains here; a finished training stays as it is.

        lacks: whether something is missing for which a finished training whose weights were dropped is needed again.
        Raises UserError as `open` does.
        """
        self._check(overwrite=overwrite)
        is_settled = self.is_done() and not self.checkpoints.exists() and not self.lock.exists()
        if is_settled and not overwrite and (self.has_weights() or not lacks()):
            yield  # also where nothing can be written
            return
        with contextlib.ExitStack() as stack:
            stack.callback(self._remove_if_empty)
            try:
                stack.enter_context(held(self.lock, self._wait))
            except OSError as error:
                raise self._unwritable(error) from error
            again = self.is_done() and not self.has_weights() and lacks()
            if again and not overwrite:
                note(f"{self.path} has kept no weights of this training: it is done again")
            self.open(overwrite=overwrite or again)
            if self.is_done():  # by a process that was killed before it removed them
                shutil.rmtree(self.checkpoints, ignore_errors=True)
            yield

    def _remove_if_empty(self) -> None:
        with contextlib.suppress(OSError):  # where something is in it
            self.path.rmdir()

    def open(self, *, overwrite: bool) -> None:
        """Begin or go on. Raises UserError where the folder has something else in it, or cannot be written."""
        self._check(overwrite=overwrite)
        if overwrite:
            self._clear()
        if not self._known():
            self.write(RUNNING)

    def _check(self, *, overwrite: bool) -> None:
        """Raise UserError where the folder has something else in it."""
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"--output {self.path} is no folder", "give a folder; it may be new")
        known = self._known()
        if known and known.get("run") != self.identity and not overwrite:
            differing = ", ".join(sorted(_differences(known.get("run"), self.identity))[:4])
            raise UserError(
                f"{self.path} has another training in it (it differs in {differing})",
                "choose another --output, or add --overwrite",
            )
        if not known and self.path.is_dir() and not all(map(_is_own, self.path.iterdir())):
            raise UserError(
                f"--output {self.path} has other files in it", "choose a folder that is new, empty, or of this training"
            )

    def _wait(self, who: str) -> None:
        note(f"waiting for {who}, which trains in {self.path}")
        time.sleep(LOOK_SECONDS)

    def write(self, state: str, **content: Any) -> None:
        """Write the record: the state, what the training is, and what else is known. Raises UserError if it cannot."""
        record = {"run": self.identity, "state": state, **content, "written": utc_now(), "environment": environment()}
        try:
            write_json(self.record, record, indent=1)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> UserError:
        return UserError(f"{self.path} cannot be written ({error.strerror})", "choose another --output")

    def leave(self) -> None:
        """Remove the record of a training that ended before its first checkpoint, so that another can begin here."""
        if self._known().get("state") == RUNNING and self.last_checkpoint() is None:
            shutil.rmtree(self.checkpoints, ignore_errors=True)
            self.record.unlink()

    def finish(self, *, drop: bool = False, **content: Any) -> None:
        """Write the record of a finished training, and remove its checkpoints.

        drop: whether the trained model is removed as well.
        """
        if drop:
            for file in checkpoint_files(self.path)[0]:
                file.unlink()
            for part in [part for part in self.path.iterdir() if part.is_dir() and part != self.checkpoints]:
                shutil.rmtree(part)
            content["weights"] = False
        self.write(DONE, **content)
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def content(self) -> dict[str, Any]:
        """Return the record, empty where there is none."""
        return self._known()

    def last_checkpoint(self) -> Path | None:
        """Return the last checkpoint that was written to its end; None where there is none."""
        found = [path for path in self.checkpoints.glob("checkpoint-*") if STEP.fullmatch(path.name)]
        whole = [path for path in found if (path / "trainer_state.json").is_file()]  # which the library writes last
        return max(whole, key=step_of, default=None)

    def _known(self) -> dict[str, Any]:
        return (read_json(self.record) if self.record.is_file() else None) or {}

    def _clear(self) -> None:
        """Remove an earlier training; a folder that is none is left as it is.

        The record goes last, so that the folder is known as that of a training if this is interrupted.
        """
        if self._known():
            for part in self.path.iterdir():
                if part.is_dir() and not part.is_symlink():
                    shutil.rmtree(part)
                elif part.name not in (RECORD, LOCK):
                    part.unlink()
            self.record.unlink()


def step_of(checkpoint: str | Path) -> int:
    """Return the step after which a checkpoint was written, which its name ends with."""
    return int(Path(checkpoint).name.rpartition("-")[2])


def _is_own(file: Path) -> bool:
    """Return whether a file is none but the lock of a training, or one that a killed process has not finished."""
    return file.name == LOCK or PART.fullmatch(file.name) is not None


def _differences(first: Any, second: Any, name: str = "") -> set[str]:
    """Return the names of the values in which two records differ."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        found: set[str] = set()
        for key in {*first, *second}:
            found |= _differences(first.get(key), second.get(key), f"{name}.{key}" if name else str(key))
        return found
    return set() if first == second else {name}
