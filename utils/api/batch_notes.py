"""The notes of pending batches in the cache folder: one file for each set of settings, changed under a lock.

Several runs may submit batches with the same settings. Each adds and removes its own entries only. The lock is one of
the kernel, which ends with its process; on a file system without locks the notes are changed without it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from utils.errors import UserError
from utils.files import fingerprint, text_key, write_atomic

LOOK_SECONDS = 0.1  # between two tries to get the lock

Entry = dict[str, Any]  # mark, id (None until it is submitted), lines: name -> keys of its items, reserved


def refuse_pending(items: Sequence[str], settings: Mapping[str, Any], cache_dir: Path) -> None:
    """Raise UserError where a pending batch has some of these items, which would then be paid for twice."""
    note = BatchNote(settings, cache_dir)
    if note.with_keys(set(map(text_key, items))):
        raise UserError(
            "batches with these texts are pending at the provider",
            f"add --batch_api to collect them; or move {note.path} away to request them (and pay) again",
        )


class BatchNote:
    """The note of the pending batches with one set of settings."""

    def __init__(self, settings: Mapping[str, Any], cache_dir: Path) -> None:
        name = fingerprint(settings)
        self.path, self.lock = cache_dir / "batches" / f"{name}.json", cache_dir / "locks" / f"batches-{name}"

    def entries(self) -> list[Entry]:
        """Return the noted batches; UserError where the note cannot be read."""
        try:
            entries = [dict(entry) for entry in json.loads(self.path.read_text(encoding="utf-8"))]
            for entry in entries:
                _keys(entry)
                str(entry["mark"]), entry["id"]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise UserError(
                f"{self.path}, which lists the pending batches, cannot be read",
                "look for them on the provider's site, then move the file away",
            ) from error
        return entries

    def with_keys(self, keys: set[str]) -> list[Entry]:
        """Return the noted batches that have some of these items."""
        return [entry for entry in self.entries() if keys & _keys(entry)]

    def put(self, entry: Entry) -> None:
        """Add an entry, or replace the one with its mark; the lock is held."""
        others = [other for other in self.entries() if other["mark"] != entry["mark"]]
        write_atomic(self.path, json.dumps([*others, entry]).encode())

    def remove(self, entry: Entry) -> None:
        """Remove an entry; the lock is held."""
        others = [other for other in self.entries() if other["mark"] != entry["mark"]]
        if others:
            write_atomic(self.path, json.dumps(others).encode())
        else:
            self.path.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the note."""
        self.lock.parent.mkdir(parents=True, exist_ok=True)
        with self.lock.open("ab") as file:  # closing it ends the lock
            _lock(file)
            yield


def _keys(entry: Entry) -> set[str]:
    return {key for keys in entry["lines"].values() for key in keys}


def _lock(file: IO[bytes]) -> None:
    """Lock a file, waiting for another process; not where the system or the file system has no locks."""
    try:
        import fcntl
    except ImportError:
        return
    said = False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not said:
                print("note: waiting for another run that is submitting batches", file=sys.stderr)
            said = True
            time.sleep(LOOK_SECONDS)
        except OSError:
            return
        else:
            return
