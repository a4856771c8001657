"""The cache of the responses of generators and APIs: one SQLite file, written as each response arrives.

A key is the SHA-256 of the settings that decide the response (generator, revision, settings, labels) and of the prompt.
Write-ahead logging lets several runs read and write at once; a killed run loses at most the response being written.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.files import fingerprint, text_key

BUSY_SECONDS = 60  # to wait for the write of another run
TABLE = "CREATE TABLE IF NOT EXISTS answers (settings TEXT, prompt TEXT, answer TEXT, PRIMARY KEY (settings, prompt))"


class ResponseCache:
    """Responses of one model with one set of settings; each is a JSON value, or bytes (a vector)."""

    def __init__(self, root: Path, settings: Mapping[str, Any]) -> None:
        self.path = root / "answers.sqlite"
        self.key = fingerprint(settings)
        self.hits = self.misses = 0  # distinct prompts of the last call that were in the cache, and that were not
        self._database = self._open()

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            database = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            database.execute(TABLE)
        except sqlite3.DatabaseError as error:
            raise UserError(
                f"the cache of responses {self.path} cannot be opened: {error}",
                "move the file away (its responses are then requested again), or use another --cache_dir",
            ) from error
        return database

    def read(self, prompts: Sequence[str]) -> dict[str, Any]:
        """Return the responses that the cache has, by prompt; one that cannot be read counts as missing."""
        found: dict[str, Any] = {}
        for prompt in dict.fromkeys(prompts):
            query = "SELECT answer FROM answers WHERE settings = ? AND prompt = ?"
            row = self._database.execute(query, (self.key, text_key(prompt))).fetchone()
            if row is not None and isinstance(row[0], bytes):
                found[prompt] = row[0]
            elif row is not None:
                try:
                    found[prompt] = json.loads(row[0])
                except ValueError:
                    print("note: a response in the cache cannot be read; its prompt is sent again", file=sys.stderr)
        return found

    def get(
        self,
        prompts: Sequence[str],
        request: Callable[[list[str]], Iterable[tuple[int, Any]]],
        is_usable: Callable[[Any], bool] = lambda response: True,
    ) -> dict[str, Any]:
        """Return the response to every prompt, by prompt.

        `request` yields (index, response) for the prompts that are missing, and each is kept as it arrives. A response
        that is not usable counts as missing.
        """
        found = {prompt: response for prompt, response in self.read(prompts).items() if is_usable(response)}
        missing = [prompt for prompt in dict.fromkeys(prompts) if prompt not in found]
        self.hits, self.misses = len(found), len(missing)
        if missing:
            for index, response in request(missing):
                self._write(missing[index], response)
                found[missing[index]] = response
        return found

    def _write(self, prompt: str, response: Any) -> None:
        is_blob = isinstance(response, bytes)
        content = response if is_blob else json.dumps(response, ensure_ascii=False, separators=(",", ":"))
        self._database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (self.key, text_key(prompt), content))
