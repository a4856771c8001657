"""The cache of the responses of generators and APIs: one SQLite file, written as each response arrives.

A key is the SHA-256 of the settings that decide the response (generator, revision, settings, labels) and of the prompt.
Several runs read and write at once; a killed run loses at most the response being written.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.api.answer_database import AnswerDatabase
from utils.api.texts import without_halves
from utils.errors import UserError, warn
from utils.files import fingerprint, text_key

WRITE = "INSERT OR REPLACE INTO answers (settings, prompt, answer) VALUES (?, ?, ?)"
UNCLAIM = "DELETE FROM claims WHERE settings = ? AND prompt = ?"
PART = 1024  # prompts whose responses are read at once where all of them could be too large
Usable = Callable[[Any], bool]


def always_usable(response: Any) -> bool:
    """Return whether any response may be used."""
    return True


class ResponseCache:
    """Responses of one model with one set of settings; each is a JSON value, or bytes (a vector)."""

    def __init__(self, root: Path, settings: Mapping[str, Any]) -> None:
        self.path = root / "answers.sqlite"
        self.key = fingerprint(settings)
        self.hits = self.misses = 0  # distinct prompts of the last call that were in the cache, and that were not
        self.replaced = 0  # responses with characters that cannot be written, which were replaced
        self.database = AnswerDatabase(self.path)
        self._said_broken = False

    def read(self, prompts: Sequence[str], is_usable: Usable = always_usable) -> dict[str, Any]:
        """Return the usable responses that the cache has, by prompt; one that cannot be read counts as missing."""
        found: dict[str, Any] = {}
        for prompt in dict.fromkeys(prompts):
            row = self.database.find(self.key, text_key(prompt))
            if row is None:
                continue
            try:
                response = row[1] if row[0] == "blob" else json.loads(row[1])
            except (ValueError, RecursionError):
                self._say_broken()
                continue
            if is_usable(response):
                found[prompt] = response
            elif not (isinstance(response, dict) and "failed" in response):  # failures are requested again on demand
                self._say_broken()
        return found

    def get(
        self,
        prompts: Sequence[str],
        request: Callable[[list[str]], Iterable[tuple[int, Any]]],
        is_usable: Usable = always_usable,
    ) -> dict[str, Any]:
        """Return the response to every prompt, by prompt.

        `request` yields (index, response) for the prompts that are missing, and each is kept as it arrives. A response
        that is not usable counts as missing.
        """
        found = self.read(prompts, is_usable)
        missing = [prompt for prompt in dict.fromkeys(prompts) if prompt not in found]
        self.hits, self.misses = len(found), len(missing)
        found.update(self.request(missing, request))
        return found

    def request(
        self, missing: list[str], request: Callable[[list[str]], Iterable[tuple[int, Any]]]
    ) -> Iterator[tuple[str, Any]]:
        """Yield the prompts that are missing with their responses, each of which is kept as it arrives."""
        for index, response in request(missing) if missing else ():
            yield missing[index], self.keep(text_key(missing[index]), response)

    def parts(
        self, prompts: Sequence[str], is_usable: Usable = always_usable
    ) -> Iterator[tuple[Sequence[str], dict[str, Any]]]:
        """Yield the prompts, some at a time, with the usable responses that the cache has to these."""
        for start in range(0, len(prompts), PART):
            part = prompts[start : start + PART]
            yield part, self.read(part, is_usable)

    def require_writable(self) -> None:
        """Raise UserError where responses that are paid for could not be kept."""
        if self.database.read_only:
            raise UserError(
                f"responses are missing in {self.path}, which cannot be written: they would be paid for and not kept",
                "make the cache folder writable, or copy it and give the copy as --cache_dir",
            )

    def keep(self, prompt_key: str, response: Any) -> Any:
        """Write the response to the prompt with this key (`text_key`); return it as it will be read."""
        if self.database.read_only:
            warn(f"{self.path} cannot be written; the responses are not kept")
            return response
        content, kept = _written(response)
        self.replaced += kept != response
        key = (self.key, prompt_key)

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(WRITE, (*key, content))
            connection.execute(UNCLAIM, key)

        self.database.write(write)
        return kept

    def _say_broken(self) -> None:
        if not self._said_broken:
            self._said_broken = True
            print("note: responses in the cache are damaged; their prompts are sent again", file=sys.stderr)


def _written(response: Any) -> tuple[bytes | str, Any]:
    """Return a response as it is written and as it is read again: halves of surrogate pairs are replaced."""
    if isinstance(response, bytes):
        return response, response
    text = json.dumps(response, ensure_ascii=False, separators=(",", ":"))
    clean = without_halves(text)
    return clean, response if clean == text else json.loads(clean)
