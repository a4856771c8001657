"""The cache of what generators and APIs answered: one SQLite file, written the moment an answer is there.

A key is the SHA-256 of what decides the answer (generator, revision, settings, labels) and of the prompt. Write-ahead
logging lets several runs read and write at once; a killed run loses the answer in hand at most.
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

BUSY_SECONDS = 60  # how long a run waits for another's write
TABLE = "CREATE TABLE IF NOT EXISTS answers (settings TEXT, prompt TEXT, answer TEXT, PRIMARY KEY (settings, prompt))"


class AnswerCache:
    """Answers of one model under one set of settings; each prompt's answer is a JSON value, or bytes (a vector)."""

    def __init__(self, root: Path, settings: Mapping[str, Any]) -> None:
        self.path = root / "answers.sqlite"
        self.key = fingerprint(settings)
        self.hits = self.misses = 0  # distinct prompts of the last call that were there, and that were not
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
                f"the cache of answers {self.path} cannot be opened: {error}",
                "move the file away (its answers are asked for again), or use another --cache_dir",
            ) from error
        return database

    def known(self, prompts: Sequence[str]) -> dict[str, Any]:
        """Return the answers that are there, by prompt; an unreadable one counts as absent."""
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
                    print("note: a broken answer in the cache: its prompt is asked again", file=sys.stderr)
        return found

    def answers(
        self,
        prompts: Sequence[str],
        ask: Callable[[list[str]], Iterable[tuple[int, Any]]],
        is_good: Callable[[Any], bool] = lambda answer: True,
    ) -> dict[str, Any]:
        """Return every prompt's answer; `ask` yields (index, answer) for what is missing, kept as each arrives.

        An answer that is not good counts as missing.
        """
        found = {prompt: answer for prompt, answer in self.known(prompts).items() if is_good(answer)}
        missing = [prompt for prompt in dict.fromkeys(prompts) if prompt not in found]
        self.hits, self.misses = len(found), len(missing)
        if missing:
            for index, answer in ask(missing):
                self._keep(missing[index], answer)
                found[missing[index]] = answer
        return found

    def _keep(self, prompt: str, answer: Any) -> None:
        is_blob = isinstance(answer, bytes)
        content = answer if is_blob else json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
        self._database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (self.key, text_key(prompt), content))
