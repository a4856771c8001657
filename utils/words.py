"""The words of a text, for BM25 and for the labels in answers: letters, digits and underscores with their marks; pure.

A mark (a vowel sign, a tone, a diacritic) is part of the word that it stands in: दिन and दान are two words. A letter
with a mark is the same as the composed letter. The standard library's pattern of a word matches no mark. Near
duplicates of a text are those with the same letters and marks.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

# scripts without spaces between words: Thai, Lao, Burmese, Khmer, Tai, Javanese, Chinese, Japanese
UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u31a0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\ua980-\ua9ff\uaa60-\uaadf\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
RUN = rf"[{UNSPACED}][{UNSPACED}\p{{M}}]*|[^{UNSPACED}]+"  # of one kind of script
# a joiner belongs to the word only behind a mark, as in conjuncts; between letters it parts words, as in Persian
WORD = r"[\p{L}\p{N}_](?:[\p{L}\p{N}\p{Mn}\p{Mc}_]|(?<=\p{M})[\u200c\u200d](?=[\p{L}\p{M}]))*"
NOT_LETTERS = r"[^\p{L}\p{M}]+|[\ufe00-\ufe0f]"
VARIANT = re.compile("[\ufe00-\ufe0f]")  # selectors of a character's picture


def words(text: str) -> list[str]:
    """Return the lower-case words of a text, or pairs of characters in scripts without spaces.

    A character is one with its marks, as a reader sees it (Unicode Standard Annex 29).
    """
    found: list[str] = []
    lower = text.lower().replace("i\u0307", "i")  # what lower() makes of the Turkish capital
    for is_spaced, part in _parts(unicodedata.normalize("NFC", lower)):
        if is_spaced:
            found.append(part)
            continue
        characters = _pattern(r"\X").findall(part)
        found += ["".join(characters[place : place + 2]) for place in range(max(1, len(characters) - 1))]
    return found


def plain_words(text: str) -> list[str]:
    """Return the words of a text without regard to case, width and underscores.

    Scripts without spaces give characters instead of words.
    """
    found: list[str] = []
    for is_spaced, part in _parts(unicodedata.normalize("NFKC", text).casefold().replace("_", " ")):
        found += [part] if is_spaced else _pattern(r"\X").findall(part)
    return found


def normal_form(text: str) -> str:
    """Return a text without case, punctuation, digits and blanks; one of nothing else stays as it is.

    Two texts with the same form are near duplicates.
    """
    return str(_pattern(NOT_LETTERS).sub("", unicodedata.normalize("NFKC", text).casefold())) or text


def _parts(text: str) -> list[tuple[bool, str]]:
    """Return the runs of letters of a text in order, and whether the script of each has spaces between words."""
    found = _pattern(WORD).findall(VARIANT.sub("", text))
    if not _pattern(f"[{UNSPACED}]").search(text):
        return [(True, word) for word in found]
    return [(not _pattern(f"[{UNSPACED}]").match(part), part) for word in found for part in _pattern(RUN).findall(word)]


@lru_cache
def _pattern(pattern: str) -> Any:
    import regex  # the standard library's has no marks and no characters with their marks

    return regex.compile(pattern)
