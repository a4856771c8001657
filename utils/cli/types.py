"""Argument types: numbers within bounds."""

from __future__ import annotations

import argparse


def temperature(text: str) -> float:
    """Parse a number from 0 to 2."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 2")
    return value


def positive_number(text: str) -> float:
    """Parse a number above 0."""
    return _above(text, "a number above 0")


def seconds(text: str) -> float:
    """Parse a number above 0."""
    return _above(text, "a number of seconds above 0")


def dollars(text: str) -> float:
    """Parse a number above 0."""
    return _above(text, "an amount above 0")


def _above(text: str, wanted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
    return value


def positive(text: str) -> int:
    """Parse an integer of at least 1."""
    return _at_least(text, 1)


def natural(text: str) -> int:
    """Parse an integer of at least 0."""
    return _at_least(text, 0)


def _at_least(text: str, low: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if value < low:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer of {low} or more")
    return value
