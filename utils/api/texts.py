"""Texts as they can be sent and written: half of a surrogate pair is no character, and UTF-8 has no bytes for it."""

from __future__ import annotations

from utils.files import writable

LONGEST_NAME = 200  # characters
MOST_TOKENS = 10**9


def without_halves(text: str) -> str:
    """Return a text with U+FFFD in place of each half of a surrogate pair; halves that belong together are joined."""
    return writable(text)[0]


def written_name(value: object) -> str:
    """Return the name of a model as a server gives it, or what it gives in place of one, so that it can be written."""
    if value is None:
        return ""
    return without_halves(value if isinstance(value, str) else repr(value))[:LONGEST_NAME]


def token_count(value: object) -> int:
    """Return a number of tokens as a server gives it; 0 for what is none, as the response itself is paid for."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_TOKENS:
        return 0
    return int(value)
