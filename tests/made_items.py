"""Pairs and questions with options, as rows of tables of a user's own."""

from __future__ import annotations

WORDS = "one two three four five six seven eight nine ten eleven twelve".split()
PAIRS = [
    {
        "premise": f"The {WORDS[row % 12]} birds sing {WORDS[row % 7]}.",
        "hypothesis": f"There are {WORDS[row % 5]} birds.",
        "label": ("entailment", "neutral", "contradiction")[row % 3],
        "lang": ("en", "de")[row % 2],
        "split": "test" if row < 12 else "train",
    }
    for row in range(24)
]
QUESTIONS = [
    {
        "question": f"What comes after {WORDS[row]}?",
        "choices": [WORDS[(row + step) % 12] for step in (1, 2, 3)],
        "answer": WORDS[row + 1],
        "split": "test" if row < 8 else "train",
    }
    for row in range(11)
]
