"""Prompts of in-context learning, and the label that an answer names; pure.

Winata, Zhang and Adelani 2024, arXiv 2406.07424, section 2.3; the format is that of the authors' code.
"""

from __future__ import annotations

from collections.abc import Sequence

from utils.generators.letters import are_letters, parse_letter
from utils.words import plain_words

CONTENT_FREE = ("N/A", "", "[MASK]")  # Zhao et al. 2021, arXiv 2102.09690, section 5


def default_instruction(subject: str) -> str:
    """Return the original's instruction for labels of this kind: sentiment, topic, intent, or none in particular."""
    kind = f"{subject} label" if subject else "label"
    article = "an" if kind[0] in "aeiou" else "a"
    return f"Generate {article} {kind} for a given input.\nPlease only output the label."


def build_prompt(
    instruction: str, demonstrations: Sequence[tuple[str, str]], text: str, options: Sequence[str] | None
) -> str:
    """Return a prompt: instruction, demonstrations (text, label) in order, options (None: no list of them), text."""
    shown = "".join(f"Input:{example} Prediction:{label}\n" for example, label in demonstrations)
    listed = f"Options:{list(options)}\n" if options is not None else ""
    return f"Instruction:{instruction}\n{shown}{chr(10) if demonstrations else ''}{listed}Input:{text} Prediction:"


def parse_label(answer: str, labels: Sequence[str]) -> int | None:
    """Return the index of the label that an answer names, or None.

    Case, spaces, underscores and punctuation are ignored. A label may occur within a sentence, as whole words, or as
    characters in scripts without spaces between words; of several labels, the first one counts, and of two that start
    at the same word the longer one. Of labels that are the letters of options, `parse_letter` reads which is named.
    """
    if are_letters(labels):
        return parse_letter(answer, labels)
    words = plain_words(answer)
    best: tuple[int, int] | None = None
    found = None
    for index, label in enumerate(labels):
        wanted = plain_words(label)
        place = _find(words, wanted)
        if place is not None and (best is None or (place, -len(wanted)) < best):
            best, found = (place, -len(wanted)), index
    return found


def _find(words: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Return the index at which these words first occur consecutively, or None."""
    for place in range(len(words) - len(wanted) + 1 if wanted else 0):
        if list(words[place : place + len(wanted)]) == list(wanted):
            return place
    return None
