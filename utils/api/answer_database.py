"""The SQLite file of the responses: what happens when a disk is full, a page is damaged, or the file cannot be written.

Write-ahead logging lets several runs read and write at once. A damaged table is set aside under another name within the
same file, in one transaction, so that other runs may be using it; the responses that can be read are copied.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from utils.errors import UserError

T = TypeVar("T")

BUSY_SECONDS = 60  # to wait for the write of another run
TURN_SECONDS = 0.02  # between two tries to open a file that other runs are creating
COLUMNS = ("settings", "prompt", "answer")
TABLE = "CREATE TABLE IF NOT EXISTS answers (settings TEXT, prompt TEXT, answer TEXT, PRIMARY KEY (settings, prompt))"
CLAIMS = (
    "CREATE TABLE IF NOT EXISTS claims "
    "(settings TEXT, prompt TEXT, owner TEXT, until REAL, PRIMARY KEY (settings, prompt))"
)
MAGIC, HEAD, MOST_BYTES = b"SQLite format 3\0", 100, 2**40  # the beginning of a file of SQLite, and bounds
LEAST_ROW = 70  # bytes of a row at least: two keys of 32 characters, and an answer
SET_ASIDE = "answers_damaged_"
LEAST_SPACE = 1_000_000  # bytes; where less is free, an error of the disk means that it is full
AGAIN = "free some space, then give the same command again; the responses received so far are kept"
MOVE = "move the file away (its responses are then requested again), or use another --cache_dir"


class AnswerDatabase:
    """A connection to the file of responses, for one thread; `read_only` where the file cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read_only = False
        self._said = False
        self.connection = self._open()

    def write(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Return the result of an operation that is done whole or not at all; UserError where it cannot be done."""
        try:
            return self._in_transaction(operation)
        except sqlite3.DatabaseError as error:
            if not self._mend(error):
                raise self._explained(error) from error
        try:
            return self._in_transaction(operation)
        except sqlite3.DatabaseError as error:
            raise self._explained(error) from error

    def find(self, settings: str, prompt: str) -> tuple[str, bytes] | None:
        """Return the type and the bytes of a response, or None where there is none that can be read."""
        if self.connection.in_transaction:
            return self._find(settings, prompt)  # `write` mends the table
        try:
            return self._find(settings, prompt)
        except sqlite3.DatabaseError as error:
            if not self._mend(error):
                if _is_damage(error) and self.read_only:
                    self._say_damaged("they are left out")
                    return None
                raise self._explained(error) from error
        try:
            return self._find(settings, prompt)
        except sqlite3.DatabaseError as error:
            raise self._explained(error) from error

    def _find(self, settings: str, prompt: str) -> tuple[str, bytes] | None:
        query = "SELECT typeof(answer), CAST(answer AS BLOB) FROM answers WHERE settings = ? AND prompt = ?"
        row = self.connection.execute(query, (settings, prompt)).fetchone()
        return (str(row[0]), row[1] or b"") if row else None

    def _in_transaction(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            result = operation(self.connection)
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise
        return result

    def _open(self) -> sqlite3.Connection:
        """Return the connection; for reading only where the file exists and nothing can be written."""
        try:
            connection = self._open_in_turn()
        except (OSError, sqlite3.DatabaseError) as error:
            if _is_busy(error):
                raise self._explained(error) from error
            opened = self._open_completed() if _is_damage(error) else self._open_to_read()
            if opened is None:
                raise self._explained(error) from error
            connection, self.read_only = opened, not _is_damage(error)
        self._check_schema(connection)
        return connection

    def _open_in_turn(self) -> sqlite3.Connection:
        """Return a connection that can write; wait for other runs that are creating the file.

        SQLite gives up at once, without waiting for its timeout, where two connections change a new file to write-ahead
        logging at the same time.
        """
        end = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                return self._open_to_write()
            except sqlite3.DatabaseError as error:
                if not _is_busy(error) or time.monotonic() > end:
                    raise
            time.sleep(TURN_SECONDS)

    def _open_to_write(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", TABLE, CLAIMS):
                connection.execute(statement)
        except sqlite3.DatabaseError:
            connection.close()
            raise
        return connection

    def _open_completed(self) -> sqlite3.Connection | None:
        """Return the connection to a file whose end is missing, with empty pages in its place; None for others."""
        try:
            with self.path.open("rb") as file:
                head = file.read(HEAD)
            page, n_pages = int.from_bytes(head[16:18]), int.from_bytes(head[28:32])
            whole = (65_536 if page == 1 else page) * n_pages
            if not head.startswith(MAGIC) or len(head) < HEAD or not self.path.stat().st_size < whole <= MOST_BYTES:
                return None
            os.truncate(self.path, whole)
            return self._open_to_write()
        except (OSError, sqlite3.DatabaseError):
            return None

    def _open_to_read(self) -> sqlite3.Connection | None:
        try:
            if not self.path.is_file():
                return None
        except OSError:  # a folder on the way cannot be entered
            return None
        for options in (
            "mode=ro",
            "mode=ro&immutable=1",
        ):  # the second where not even the file of the locks can be made
            try:
                connection = sqlite3.connect(
                    f"{self.path.resolve().as_uri()}?{options}", timeout=BUSY_SECONDS, isolation_level=None, uri=True
                )
                connection.execute("SELECT count(*) FROM (SELECT 1 FROM answers LIMIT 1)").fetchone()
            except sqlite3.DatabaseError:
                continue
            return connection
        return None

    def _check_schema(self, connection: sqlite3.Connection) -> None:
        try:
            columns = [row[1] for row in connection.execute("PRAGMA table_info(answers)")]
        except sqlite3.DatabaseError as error:
            raise self._explained(error) from error
        if not set(COLUMNS) <= set(columns):
            raise UserError(
                f"{self.path} is no cache of responses: its table has the columns {', '.join(columns)}", MOVE
            )

    def _mend(self, error: sqlite3.DatabaseError) -> bool:
        """Set a damaged table aside and keep what can be read; return whether that was needed and done."""
        if not _is_damage(error) or self.read_only:
            return False
        aside = _n_aside(self.connection)
        try:
            kept = self._in_transaction(lambda connection: _rebuild(connection, self.path, aside))
        except sqlite3.DatabaseError as again:
            raise self._explained(again) from again
        if kept is not None:
            self._say_damaged(f"{kept:,} could be read and are kept, the others are requested again")
        return True

    def _say_damaged(self, consequence: str) -> None:
        if not self._said:
            self._said = True
            print(f"warning: responses in {self.path} are damaged: {consequence}", file=sys.stderr)

    def _explained(self, error: Exception) -> UserError:
        """Return what an error of the database means to a user."""
        name = str(getattr(error, "sqlite_errorname", ""))
        what = f"the cache of responses {self.path}"
        if name == "SQLITE_FULL" or (not _is_damage(error) and _free_space(self.path) < LEAST_SPACE):
            return UserError(f"{what} cannot be written: no space is left", AGAIN)
        if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")) or isinstance(error, OSError):
            return UserError(f"{what} cannot be written ({error})", "make it writable, or use another --cache_dir")
        if _is_busy(error):
            hint = "give the same command again when the other run has ended; what was received so far is kept"
            return UserError(f"{what} has been locked by another run for {BUSY_SECONDS} s", hint)
        if name.startswith("SQLITE_IOERR"):
            return UserError(f"{what} cannot be read or written ({error})", "check the disk and its free space")
        return UserError(f"{what} cannot be opened: {error}", MOVE)


def _is_damage(error: Exception) -> bool:
    return str(getattr(error, "sqlite_errorname", "")).startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


def _is_busy(error: Exception) -> bool:
    names = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")
    return str(getattr(error, "sqlite_errorname", "")).startswith(names)


def _free_space(path: Path) -> int:
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return LEAST_SPACE


def _n_aside(connection: sqlite3.Connection) -> int:
    query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name LIKE ?"
    return int(connection.execute(query, (f"{SET_ASIDE}%",)).fetchone()[0])


def _rebuild(connection: sqlite3.Connection, path: Path, n_aside: int) -> int | None:
    """Move the table aside and copy what can be read; None where another run has done so meanwhile.

    The rows are read through a connection of their own, because SQLite refuses to write after an error of a damaged
    page.
    """
    if _n_aside(connection) != n_aside:
        return None
    reader, kept = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None), 0
    connection.execute(f"ALTER TABLE answers RENAME TO {SET_ASIDE}{time.time_ns()}")
    connection.execute(f"ALTER TABLE claims RENAME TO claims_damaged_{time.time_ns()}")
    connection.execute(TABLE)
    connection.execute(CLAIMS)
    try:
        for row in _readable_rows(reader):
            connection.execute("INSERT OR REPLACE INTO answers (settings, prompt, answer) VALUES (?, ?, ?)", row)
            kept += 1
    finally:
        reader.close()
    return kept


def _readable_rows(reader: sqlite3.Connection) -> Iterator[tuple[str, str, bytes | str]]:
    """Yield the rows of the damaged table that can be read, one by one through their numbers."""
    query = "SELECT settings, prompt, typeof(answer), CAST(answer AS BLOB) FROM answers NOT INDEXED WHERE rowid = ?"
    for number in range(1, _last_number(reader) + 1):
        try:
            row = reader.execute(query, (number,)).fetchone()
        except sqlite3.DatabaseError:
            continue
        if row and isinstance(row[0], str) and isinstance(row[1], str) and isinstance(row[3], bytes):
            content = row[3] if row[2] == "blob" else row[3].decode("utf-8", "replace")
            yield row[0], row[1], content


def _last_number(reader: sqlite3.Connection) -> int:
    """Return the greatest number of a row, or a bound of it where the end of the table cannot be read."""
    try:
        return int(reader.execute("SELECT max(rowid) FROM answers NOT INDEXED").fetchone()[0] or 0)
    except sqlite3.DatabaseError:
        size, n_pages = (int(reader.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_size", "page_count"))
        return n_pages * (size // LEAST_ROW)
