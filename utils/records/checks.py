"""Checks of JSON values: what kind a value is, and where in a file one of another kind stands."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Check = Callable[[Any, str], Iterator[str]]  # of a value and its place: what is wrong

LARGEST = 2**63  # whole numbers of tables are below it
ROUNDING = 1e-9  # a mean of fractions may exceed 1 by so much
SHOWN = 60  # characters of a value in a message


def _short(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def scalar(words: str, is_one: Callable[[Any], bool]) -> Check:
    """Return the check that a value is of a kind; `words` name the kind."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not is_one(value):
            yield f"{place} is {_short(value)} instead of {words}"

    return check


def optional(inner: Check) -> Check:
    """Return the check that a value is null or passes another check."""

    def check(value: Any, place: str) -> Iterator[str]:
        if value is not None:
            yield from inner(value, place)

    return check


def each(inner: Check) -> Check:
    """Return the check of an object whose keys are any texts."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{place} is {_short(value)} instead of an object"
            return
        for name, part in value.items():
            if not is_text(name):
                yield f"{place}: the name {name!r} is no valid Unicode"
            yield from inner(part, f"{place}.{name}")

    return check


def fields(needed: Mapping[str, Check], others: Mapping[str, Check]) -> Check:
    """Return the check of an object with these keys; it may lack `others`, and have further ones."""
    every = [*needed.items(), *((name, optional(inner)) for name, inner in others.items())]

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{place or 'it'} is {_short(value)} instead of an object"
            return
        dot = f"{place}." if place else ""
        for name, inner in every:
            if name in value or name in needed:
                yield from inner(value.get(name), dot + name)

    return check


def list_of(inner: Check, length: int | None = None) -> Check:
    """Return the check of a list, of any length or of this one."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, list) or length not in (None, len(value)):
            yield f"{place} is {_short(value)} instead of a list" + (f" of {length}" if length else "")
            return
        for index, part in enumerate(value):
            yield from inner(part, f"{place}[{index}]")

    return check


def is_text(value: Any) -> bool:
    """Return whether a value is text that can be written: half of a surrogate pair cannot."""
    if not isinstance(value, str):
        return False
    return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)


def is_whole(value: Any) -> bool:
    """Return whether a value is a whole number of 64 bits."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number."""
    return is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def is_fraction(value: Any) -> bool:
    """Return whether a value is a number from 0 to 1, as all metrics are."""
    return is_number(value) and -ROUNDING <= value <= 1 + ROUNDING


def is_of_cosine(value: Any) -> bool:
    """Return whether a value is a number from -1, the least cosine, to 2, the greatest distance."""
    return is_number(value) and -1 - ROUNDING <= value <= 2 + ROUNDING


fraction = scalar("a fraction from 0 to 1", is_fraction)
of_cosine = scalar("a number from -1 to 2", is_of_cosine)
text = scalar("text", is_text)
word = scalar("text", lambda value: is_text(value) and value != "")
whole = scalar("a whole number", is_whole)
count = scalar("a number of 0 or more", lambda value: is_whole(value) and value >= 0)
number = scalar("a number", is_number)
flag = scalar("true or false", lambda value: value is True or value is False)
anything: Check = lambda value, place: iter(())  # noqa: E731
