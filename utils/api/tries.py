"""How often a request is tried, and the pauses between its tries."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from utils.api.errors import AGAIN, GARBLED, ApiError

GARBLED_TRIES = 3
UNREACHED_TRIES = 3  # fewer tries for a server that has not answered any request of the run, not even with an error
LONGEST_PAUSE = 60.0  # seconds


class Tries:
    """The tries of one request; faults of each kind are counted by themselves.

    first_pause: seconds. has_answered: whether the server has answered any request of the run.
    """

    def __init__(self, max_retries: int, first_pause: float, has_answered: Callable[[], bool]) -> None:
        self.max_retries, self.first_pause, self.has_answered = max_retries, first_pause, has_answered
        self.faults: Counter[str] = Counter()

    @property
    def n_tries(self) -> int:
        """The number of tries that failed."""
        return self.faults.total()

    def allows_another(self, fault: ApiError) -> bool:
        """Count a fault; return whether the request is tried again after it."""
        kind = "unreachable" if fault.unreachable else fault.kind
        self.faults[kind] += 1
        if fault.kind not in (AGAIN, GARBLED):
            return False
        allowed = self.max_retries + 1
        if fault.kind == GARBLED:
            allowed = min(allowed, GARBLED_TRIES)
        if fault.unreachable and not self.has_answered() and not self.faults[AGAIN]:
            allowed = min(allowed, UNREACHED_TRIES)
        of_kind = self.faults[AGAIN] + self.faults["unreachable"] if fault.kind == AGAIN else self.faults[kind]
        return of_kind < allowed

    def pause(self) -> float:
        """Return the seconds to wait at least before the next try: doubled with each try, of which half is random."""
        growing = min(LONGEST_PAUSE, self.first_pause * 2.0 ** min(self.n_tries - 1, 32))
        return growing * random.uniform(0.5, 1.0)
