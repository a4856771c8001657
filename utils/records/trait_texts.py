"""What a record was made with as texts, for the names of rows and folders."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from utils.constants import QUANTIZATIONS

SHOWN = 32  # characters of a text in a row's name
Traits = dict[str, str]  # name -> value as text


def is_quantized(dtype: str) -> bool:
    """Return whether an encoder's precision is that of quantised weights; of an ensemble, whether one of them is.

    Rows and folders then say whose precision it is, since `8bit` alone is that of a generator.
    """
    return any(bits in dtype for bits in QUANTIZATIONS)


def as_text(value: Any) -> str:
    """Return a value as text: of a text itself, of others their JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def quoted(value: str) -> str:
    """Return a text in quotation marks, cut as `short` does; those in it have a backslash."""
    return f'"{escaped(short(value))}"'


def escaped(value: str) -> str:
    """Return a text with a backslash before each quotation mark."""
    return value.replace('"', '\\"')


def short(value: str) -> str:
    """Return a text on one line; a long one is cut and ends in a hash."""
    flat = " ".join(value.splitlines()) if "\n" in value else value
    return flat if flat == value and len(flat) <= SHOWN else f"{flat[: SHOWN - 8]}… {digest(value)}"


def digest(value: str) -> str:
    """Return six digits that tell long texts apart in names."""
    return hashlib.sha256(value.encode(errors="surrogatepass")).hexdigest()[:6]
