"""The language of a text by pycld2, whose weights come with its wheel, and what of a text tells its language.

Code, addresses and names in Latin letters within another script are left out. What is left may be too short to tell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from utils.cluster.joining import EXTRAS, import_extra
from utils.data.languages import NAMES, code_of
from utils.errors import UserError, suggest

FEWEST_BYTES = 24  # of letters in UTF-8, below which a text is too short: 24 Latin letters, 12 Cyrillic, 8 Chinese
CODE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]*`", re.DOTALL)
ADDRESS = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+\.\w+|</?\w[^<>\n]*>", re.ASCII)
LATIN_WORD = re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]+(?:['’.&-][A-Za-z\u00c0-\u024f\u1e00-\u1eff]+)*")
UNKNOWN = "un"  # as pycld2 calls it


@dataclass(frozen=True)
class Told:
    """What a text's language is: an ISO 639-3 code, or empty where it is `too_short` or the identifier is not sure."""

    lang: str = ""
    too_short: bool = False


def prose_of(text: str) -> str:
    """Return a text without code, addresses and tags, and without Latin words where most of it is in another script.

    Letters are counted by their bytes in UTF-8, so that a Chinese character counts as three Latin letters.
    """
    plain = ADDRESS.sub(" ", CODE.sub(" ", text))
    latin = sum(len("".join(filter(str.isalpha, word)).encode()) for word in LATIN_WORD.findall(plain))
    return LATIN_WORD.sub(" ", plain) if 2 * latin < n_letter_bytes(plain) else plain


def n_letter_bytes(text: str) -> int:
    """Return how many bytes the letters of a text take in UTF-8."""
    return len("".join(filter(str.isalpha, text)).encode(errors="ignore"))


def open_identifier(extras: str = EXTRAS) -> Any:
    """Return pycld2; raises UserError with this hint where it is not installed."""
    return import_extra("pycld2", extras)


def check_language(language: str | None) -> None:
    """Raise UserError where a language is to be identified and pycld2 is not there, or has no such language."""
    if language is None:
        return
    known = sorted({code for _, code in open_identifier().LANGUAGES if not code.startswith("xx")})
    if language not in known:
        raise UserError(f"--language_id {language}: pycld2 has no such language", suggest(language, known))


def sure_code(text: str) -> str:
    """Return pycld2's code of the language that it is sure of; empty where it is not."""
    import pycld2

    printable = "".join(character for character in text if character.isprintable())  # others are errors to it
    try:
        reliable, _, found = pycld2.detect(printable, bestEffort=False)
    except pycld2.error:
        return ""
    return str(found[0][1]) if reliable and found[0][1] != UNKNOWN else ""


def told_by(text: str) -> Told:
    """Return the language of a text's prose."""
    prose = prose_of(text)
    if n_letter_bytes(prose) < FEWEST_BYTES:
        return Told(too_short=True)
    return Told(_canonical().get(sure_code(" ".join(prose.split())), ""))


def identified_as(lang: str) -> str:
    """Return the code by which `told_by` knows a language as a data set names it; empty where pycld2 has none."""
    known = _canonical()
    code = known.get(lang) or known.get(lang.replace("_", "-").partition("-")[0]) or code_of(lang)
    return code if code in known.values() else ""


@lru_cache
def _canonical() -> dict[str, str]:
    """Return the ISO 639-3 code of each of pycld2's codes where the suite knows it by its name, else the code itself.

    Written forms of a language are one: traditional and simplified Chinese, Bokmål and Nynorsk are not told apart.
    """
    found = {}
    for name, code in open_identifier().LANGUAGES:
        usual = code.partition("-")[0]
        found[code] = code_of(NAMES.get(name.lower(), usual)) if not code.startswith("xx") else ""
    return {**found, "nn": found["no"], UNKNOWN: ""}
