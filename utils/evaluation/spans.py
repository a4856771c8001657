"""Answers in a text: exact match and F1 over words, with each language's own normal form; pure.

SQuAD's measures (Rajpurkar et al. 2016, arXiv 1606.05250) and those of MLQA (Lewis et al. 2020, arXiv 1910.07475), as
their official scripts compute them.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from utils.words import UNSPACED

Values = npt.NDArray[np.float64]
# MLQA's script has articles of these languages, and none of hi and zh; other languages have none here
ARTICLES = {
    "en": re.compile(r"\b(a|an|the)\b"),
    "es": re.compile(r"\b(un|una|unos|unas|el|la|los|las)\b"),
    "vi": re.compile(r"\b(của|là|cái|chiếc|những)\b"),
    "de": re.compile(r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b"),
    "ar": re.compile(r"\sال^|ال"),
}
SPACED = (*ARTICLES, "hi")  # the languages in which MLQA's script takes apart at blanks only
SHORT_CODES = {"eng": "en", "spa": "es", "vie": "vi", "deu": "de", "ara": "ar", "arb": "ar", "hin": "hi", "zho": "zh"}
HAN = re.compile("([\u4e00-\u9fa5])")  # the characters that MLQA's script takes apart in Chinese
UNSPACED_CHARACTER = re.compile(f"([{UNSPACED}])")
ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normal_answer(text: str, lang: str, rules: str = "mlqa") -> str:
    """Return a text as it is compared: lower case, no punctuation, no articles, single blanks between its words.

    lang: the language of the answer, as ISO 639-1 or -3 has it, whatever script follows it (`zho_Hans`).
    rules: `mlqa` removes Unicode's punctuation and the articles of the language, and takes each Chinese character for a
    word; languages that MLQA's script does not know have no articles, and each character of a script without spaces is
    a word (as Longpre et al. 2021, arXiv 2007.15207, take those of Japanese, Thai and Khmer). `squad` removes ASCII's
    punctuation and the English articles in every language.
    """
    if rules == "squad":
        return " ".join(ARTICLES["en"].sub(" ", text.lower().translate(ASCII_PUNCTUATION)).split())
    base = re.split("[_-]", lang)[0]
    code = SHORT_CODES.get(base, base)
    plain = "".join(char for char in text.lower() if not _is_punctuation(char))
    if code in ARTICLES:
        plain = ARTICLES[code].sub(" ", plain)
    if code not in SPACED:
        plain = (HAN if code == "zh" else UNSPACED_CHARACTER).sub(r" \1 ", plain)
    return " ".join(plain.split())


@lru_cache(maxsize=4096)
def _is_punctuation(char: str) -> bool:
    return unicodedata.category(char).startswith("P") or char in string.punctuation


def is_exact(answer: str, reference: str) -> float:
    """Return 1 where two normal forms are equal, else 0."""
    return float(answer == reference)


def word_f1(answer: str, reference: str) -> float:
    """Return the F1 of the words of two normal forms, counted as often as both have them; 0 where they share none."""
    found, wanted = answer.split(), reference.split()
    shared = sum((Counter(found) & Counter(wanted)).values())
    return 2 * shared / (len(found) + len(wanted)) if shared else 0.0


def span_scores(
    answers: Sequence[str], references: Sequence[Sequence[str]], lang: str, rules: str = "mlqa"
) -> dict[str, Values]:
    """Return the exact match (em) and the F1 (f1) of each answer with the best of its references, (n,) each.

    lang and rules: as `normal_answer` has them. An answer needs at least one reference.
    """
    measures: dict[str, Callable[[str, str], float]] = {"em": is_exact, "f1": word_f1}
    normal = lru_cache(maxsize=None)(lambda text: normal_answer(text, lang, rules))
    return {
        name: np.array(
            [
                max(measure(normal(answer), normal(reference)) for reference in known)
                for answer, known in zip(answers, references, strict=True)
            ],
            dtype=np.float64,
        )
        for name, measure in measures.items()
    }
