"""Test texts among training rows: exact and near duplicates are counted, and rows can be had without them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from utils.words import normal_form

EXACT, NEAR = "exact", "near"


class TestTexts:
    """Texts that a trained model is tested on.

    An exact duplicate of one is equal to it but for blanks around it; a near duplicate has the same letters in the
    same order, whatever their case and the punctuation, digits and blanks between them (`utils.words.normal_form`).
    """

    __test__ = False  # it is no test

    def __init__(self, texts: Iterable[str]) -> None:
        self.exact = {text.strip() for text in texts} - {""}
        self.forms = {normal_form(text) for text in self.exact}

    def __len__(self) -> int:
        """Return the number of different texts."""
        return len(self.exact)

    def likeness(self, text: str) -> str | None:
        """Return `exact` or `near` for a text that is a duplicate of a test text, None for any other."""
        text = text.strip()
        if text in self.exact:
            return EXACT
        return NEAR if text and normal_form(text) in self.forms else None


@dataclass(frozen=True)
class Overlap:
    """How many training rows have a test text in them.

    n_tests: different test texts. n_rows: training rows. exact: rows that have an exact duplicate of a test text.
    near: further rows, which have near duplicates only. clean: the places of all other rows, in order.
    """

    n_tests: int
    n_rows: int
    exact: int
    near: int
    clean: tuple[int, ...]

    def counts(self) -> dict[str, int]:
        """Return the counts by name, for the record of a training."""
        return {"test texts": self.n_tests, "rows": self.n_rows, "exact": self.exact, "near": self.near}

    def describe(self, *, dropped: bool) -> str:
        """Return a line about the rows; `dropped`: whether they are left out of the training."""
        found = self.exact + self.near
        if not found:
            return f"none of {self.n_rows:,} training rows has one of {self.n_tests:,} test texts in it"
        line = (
            f"{found:,} of {self.n_rows:,} training rows have one of {self.n_tests:,} test texts in them "
            f"({self.exact:,} exactly, {self.near:,} nearly)"
        )
        return f"{line}: they are left out" if dropped else f"{line}; --decontaminate leaves them out"


def find_overlap(rows: Sequence[Sequence[str]], tests: TestTexts) -> Overlap:
    """Return which training rows, each with its texts, have a duplicate of a test text."""
    counts, clean, known = {EXACT: 0, NEAR: 0}, [], dict[str, str | None]()
    for place, texts in enumerate(rows):
        for text in texts:
            if text not in known:
                known[text] = tests.likeness(text)
        found = {known[text] for text in texts} - {None}
        if not found:
            clean.append(place)
        else:
            counts[EXACT if EXACT in found else NEAR] += 1
    return Overlap(len(tests), len(rows), counts[EXACT], counts[NEAR], tuple(clean))
