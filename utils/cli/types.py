"""Argument types: texts and paths that can be used, and numbers within bounds."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

LARGEST = 2**31 - 1  # of whole numbers
LARGEST_SEED = 2**32 - 1  # of numpy's generators
SHOWN = 40  # characters of a value in a message
LONGEST_WAIT = 1e7  # seconds; timers of the operating system have a limit
UNWRITABLE = re.compile("[\0\ud800-\udfff]")  # no argument of a program has the first, no Unicode text the others


def text(value: str) -> str:
    """Return a text; an empty one would be taken for a flag that is not given."""
    if not value:
        raise argparse.ArgumentTypeError("it is empty; leave it out")
    return any_text(value)


def any_text(value: str) -> str:
    """Return a text that may be empty, such as a prompt."""
    if UNWRITABLE.search(value):
        raise argparse.ArgumentTypeError(f"{value!a} is not valid UTF-8")
    return value


def prompt(value: str) -> str:
    """Return a prompt or an instruction, which may be empty; a literal backslash n in it is a newline."""
    return any_text(value).replace("\\n", "\n")


def path(value: str) -> Path:
    """Return the path of a file or folder, `~` and `~user` replaced by the home folder."""
    if not value or "\0" in value:
        raise argparse.ArgumentTypeError("it is empty; give a path")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"{value!r}: no user of this name has a home folder") from error


def name_or_path(value: str) -> str:
    """Return the name of something, or its path as it was typed."""
    if value.startswith("~"):
        path(value)
    return text(value)


def temperature(text: str) -> float:
    """Parse a number from 0 to 2."""
    return _up_to(text, 2)


def positive_number(text: str) -> float:
    """Parse a number above 0."""
    return _above(text, "a number above 0")


def share(text: str) -> float:
    """Parse a number from 0 to 1."""
    return _up_to(text, 1)


def seconds(text: str) -> float:
    """Parse a number above 0, of at most 10,000,000."""
    return min(_above(text, "a number of seconds above 0"), LONGEST_WAIT)


def dollars(text: str) -> float:
    """Parse a number above 0."""
    return _above(text, "an amount above 0")


def _up_to(text: str, high: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to {high}")
    return value


def _above(text: str, wanted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
    return value


def tag(text: str) -> str:
    """Parse the name of a variant: letters, digits and ` _.+-`, at most 40 of them.

    It must not read as a setting in a row's name, such as `no prompt`, or as a part of an ensemble's.
    """
    from utils.records.row_names import reads_as_setting

    if not re.fullmatch(r"[\w.+-]([\w .+-]{0,38}[\w.+-])?", text) or not re.search(r"[^\W_]", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a name of up to 40 letters, digits, blanks and _.+-")
    if "__" in text or reads_as_setting(text):
        raise argparse.ArgumentTypeError(f"{text!r} reads as a setting or a model in the name of a row")
    return text


def positive(text: str) -> int:
    """Parse an integer of at least 1."""
    return _at_least(text, 1)


def natural(text: str) -> int:
    """Parse an integer of at least 0."""
    return _at_least(text, 0)


def seed(text: str) -> int:
    """Parse the seed of a random generator, an integer from 0 to 4,294,967,295."""
    return _at_least(text, 0, LARGEST_SEED)


def _at_least(text: str, low: int, high: int = LARGEST) -> int:
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if value < low:
        shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
        raise argparse.ArgumentTypeError(f"{shown!r} is not an integer of {low} or more")
    if value > high:
        raise argparse.ArgumentTypeError(f"{text} is above the largest integer here, {high:,}")
    return value
