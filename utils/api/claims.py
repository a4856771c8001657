"""Several runs at once that need the same responses: each is requested, and paid for, by one of them.

A run claims a prompt in the cache before it sends it, and looks for the response in the same transaction. The others
leave a claimed prompt to the end, when its response is usually there. A claim ends with the response, with the run, or
when its run has died: on the same machine that is seen at once, elsewhere when the claim has not been renewed in time.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, TypeVar

from utils.api.concurrency import WAITING, Ready, Step
from utils.api.response_cache import ResponseCache, Usable
from utils.errors import counted
from utils.files import text_key
from utils.processes import started_at, this_machine

Job = TypeVar("Job")

LEASE_SECONDS = 60.0  # a claim that is not renewed for so long is void
RENEWALS = 4  # within a lease
OLD_SECONDS = 86_400.0  # claims that ended so long ago are deleted
SELECT = "SELECT owner, until FROM claims WHERE settings = ? AND prompt = ?"
INSERT = "INSERT OR REPLACE INTO claims (settings, prompt, owner, until) VALUES (?, ?, ?, ?)"


class Claims:
    """The claims of a run on prompts of one cache: a context in which they are renewed, and given up at its end.

    Raises UserError where the cache cannot be written.
    """

    def __init__(self, cache: ResponseCache, is_usable: Usable) -> None:
        self.cache, self.is_usable = cache, is_usable
        self.owner = f"{_process_name(os.getpid())} {uuid.uuid4().hex}"
        self._end = threading.Event()
        self._renewing = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Claims:
        self.cache.require_writable()
        delete = "DELETE FROM claims WHERE until < ?"
        self.cache.database.write(lambda database: database.execute(delete, (time.time() - OLD_SECONDS,)))
        self._renewing.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._renewing.join()
        try:
            self.cache.database.connection.execute("DELETE FROM claims WHERE owner = ?", (self.owner,))
        except sqlite3.DatabaseError:
            return  # they end by themselves

    def take(self, prompts: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
        """Claim the prompts that have neither a response nor a claim of another run.

        Returns the responses that are there, by prompt, and the prompts that are now claimed.
        """
        key = self.cache.key

        def claim(database: sqlite3.Connection) -> tuple[dict[str, Any], list[str]]:
            known, taken = self.cache.read(prompts, self.is_usable), list[str]()
            for prompt in prompts:
                row = None if prompt in known else database.execute(SELECT, (key, text_key(prompt))).fetchone()
                if prompt not in known and (row is None or row[0] == self.owner or not _is_alive(*row)):
                    database.execute(INSERT, (key, text_key(prompt), self.owner, time.time() + LEASE_SECONDS))
                    taken.append(prompt)
            return known, taken

        return self.cache.database.write(claim)

    def _renew(self) -> None:
        """Renew all claims of this run until it ends, through a connection of its own."""
        while not self._end.wait(LEASE_SECONDS / RENEWALS):
            try:
                wait = LEASE_SECONDS / RENEWALS
                with closing(sqlite3.connect(self.cache.path, timeout=wait, isolation_level=None)) as database:
                    until = time.time() + LEASE_SECONDS
                    database.execute("UPDATE claims SET until = ? WHERE owner = ?", (until, self.owner))
            except sqlite3.DatabaseError:
                continue  # a full disk or a long write of another run: the next renewal may succeed


def shared_steps(
    claims: Claims,
    prompts: Sequence[str],
    groups: Iterable[Sequence[int]],
    build: Callable[[list[int]], Job],
    refuse: Callable[[list[str]], None],
) -> Iterator[Step[Job, tuple[int, Any]]]:
    """Yield the requests of this run, the responses that other runs have kept, and pauses to wait for theirs.

    `groups` are the indices of the prompts of each request, and `build` makes a request of those that are claimed.
    `refuse` raises UserError for prompts that a run which has ended left to a batch.
    """
    others: list[list[int]] = []
    for group in groups:
        others.append((yield from _one_group(claims, prompts, group, build)))
    n_left, said = sum(map(len, others)), False
    while n_left:
        left = []
        for group in filter(None, others):
            left.append((yield from _one_group(claims, prompts, group, build, refuse)))
        n_before, n_left, others = n_left, sum(map(len, left)), left
        if n_left == n_before:
            if not said:
                print(
                    f"note: waiting for {counted(n_left, 'response')} that another run has requested", file=sys.stderr
                )
            said = True
            yield WAITING


def _one_group(
    claims: Claims,
    prompts: Sequence[str],
    group: Sequence[int],
    build: Callable[[list[int]], Job],
    refuse: Callable[[list[str]], None] = lambda prompts: None,
) -> Generator[Step[Job, tuple[int, Any]], None, list[int]]:
    """Yield the responses that are there and the request of the rest; return the indices that others have claimed."""
    known, taken = claims.take([prompts[place] for place in group])
    mine = set(taken)
    if taken:
        refuse(taken)
    if known:
        yield Ready([(place, known[prompts[place]]) for place in group if prompts[place] in known])
    places = [place for place in group if prompts[place] in mine]
    if places:
        yield build(places)
    return [place for place in group if prompts[place] not in known and prompts[place] not in mine]


def _process_name(pid: int) -> str:
    """Return what identifies a process: its machine, its number there, and when it was started."""
    return f"{this_machine()} {pid} {started_at(pid)}"


def _is_alive(owner: str, until: float) -> bool:
    """Return whether a claim holds: it was renewed in time, and its process, if it is one of this machine, is there."""
    if not isinstance(until, int | float) or until < time.time() or until > time.time() + OLD_SECONDS:
        return False
    machine, *process = str(owner).split(" ")[:3]
    if machine != this_machine() or len(process) < 2 or not process[0].isdecimal():
        return True
    return started_at(int(process[0])) == process[1]
