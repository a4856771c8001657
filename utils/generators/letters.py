"""The letter of an option that an answer names; pure.

Letters are words of many languages (English and Portuguese "a", Spanish and Italian "a" and "e"), so that only capital
letters are read, and those that are marked as a choice come first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

from utils.constants import LETTERS

OPEN, CLOSE = (
    r"""(\[{<*_"'`“‘«「【:""",
    r""".:)\]}>*_"'`”’»」】。""",
)  # what stands before or behind a letter that is marked
LATIN = r"A-Za-z0-9\u00aa-\u024f\u0300-\u036f"  # of which none is a neighbour of a letter that stands alone
ALONE = re.compile(rf"(?<![{LATIN}])(?<![{LATIN}]['’.&/-])[A-Z](?![{LATIN}]|['’.&-][{LATIN}]|[+#])")
WHOLE = re.compile(r"[\W_]*(?:\\boxed\W*)?([A-Za-z])[\W_]*")
BEGINS = re.compile(r"(?:^|[.!?\n])[\s\"'*]*$")  # what stands before the first word of a sentence
WORDS = "AEIOUWYZ"  # letters that are also words, with which a sentence can begin
# what follows a letter at the beginning of a sentence, where it is no word
OF_LETTERS = frozenset(
    """is was are would seems because since and or but as not ist war sind weil und oder aber es era porque y o pero est
    était car et ou mais è perché e ma é pois jest bo lub i ale er är var eller og och men en of maar want""".split()
)


def are_letters(labels: Sequence[str]) -> bool:
    """Return whether labels are the letters of options: different capital letters, at least two."""
    return len(labels) > 1 and len({*labels}) == len(labels) and {*labels} <= {*LETTERS}


def parse_letter(answer: str, letters: Sequence[str]) -> int | None:
    """Return the index of the capital letter that an answer names, or None.

    A letter that is the whole answer, in either case, or a whole line counts, else one that is marked (by brackets,
    quotation marks, a colon before it, or one of . ) : behind it), else the last that stands alone. None is also for
    answers with two whole lines or two marked letters that differ, and where the last two stand beside each other, as
    in "A or B".
    """
    text = unicodedata.normalize("NFKC", answer)
    if only := WHOLE.fullmatch(text):
        text = only[1].upper()
    known: Callable[[str], bool] = set(letters).__contains__
    lines = [match[1] for line in text.splitlines() if (match := WHOLE.fullmatch(line)) and known(match[1])]
    alone = [match for match in ALONE.finditer(text) if known(match[0]) and not _is_word(text, match)]
    marked = [match[0] for match in alone if _is_marked(text, match)]
    for found in (lines, marked):
        if found:
            return list(letters).index(found[0]) if len(set(found)) == 1 else None
    if not alone or (len(alone) > 1 and _are_beside(text, *alone[-2:])):
        return None
    return list(letters).index(alone[-1][0])


def _is_marked(text: str, match: re.Match[str]) -> bool:
    before, behind = text[: match.start()].rstrip(" "), text[match.end() :]
    return bool(re.search(rf"[{OPEN}]$", before) or re.match(rf"[{CLOSE}]", behind))


def _is_word(text: str, match: re.Match[str]) -> bool:
    """Return whether a letter is the first word of a sentence, such as an article, and no letter of an option."""
    following = re.match(r"\s+([^\W\d_]+)", text[match.end() :])
    if match[0] not in WORDS or following is None or not following[1][0].islower():
        return False
    return bool(BEGINS.search(text[: match.start()])) and following[1] not in OF_LETTERS


def _are_beside(text: str, first: re.Match[str], second: re.Match[str]) -> bool:
    """Return whether two different letters have one word or less between them."""
    return first[0] != second[0] and len(re.findall(r"\w+", text[first.end() : second.start()])) <= 1
