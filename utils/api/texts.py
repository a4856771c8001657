"""Texts as they can be sent and written: half of a surrogate pair is no character, and UTF-8 has no bytes for it."""

from __future__ import annotations


def without_halves(text: str) -> str:
    """Return a text with U+FFFD in place of each half of a surrogate pair; halves that belong together are joined."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
