"""One part of a data set with judgements: questions and passages in one language each, and the grades."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from utils.data.tables import is_blank
from utils.errors import UserError

Named = list[tuple[str, str]]  # identifiers with their texts
MOST = 10_000  # trec_eval counts the passages of every grade from 1 to the greatest one


@dataclass(frozen=True)
class Part:
    """Questions and passages as (identifier, text), and judgements as (question, passage, grade).

    place: what a message calls the part.
    """

    place: str
    question_lang: str
    passage_lang: str
    questions: Named
    passages: Named
    judgements: list[tuple[str, str, int]]

    def check(self) -> None:
        """Raise UserError for identifiers that occur twice or are not known, and for blank questions."""
        known = {}
        for kind, rows in (("question", self.questions), ("passage", self.passages)):
            known[kind] = {name for name, _ in rows}
            if len(known[kind]) < len(rows):
                twice = _first_twice(name for name, _ in rows)
                raise UserError(f"{self.place}: the {kind} {twice!r} occurs twice", "give each its own identifier")
        judged = {question for question, _, _ in self.judgements}
        for name, text in self.questions:
            if is_blank(text) and name in judged:
                raise UserError(f"{self.place}: the question {name!r} is empty", "add its text, or remove the question")
        for kind, place in (("question", 0), ("passage", 1)):
            unknown = {str(row[place]) for row in self.judgements} - known[kind]
            if unknown:
                raise UserError(
                    f"{self.place}: judgements of {len(unknown)} unknown {kind}s, such as {min(unknown)!r}",
                    f"add the {kind}s, or remove the judgements",
                )
        pairs = [(question, passage) for question, passage, _ in self.judgements]
        if len(set(pairs)) < len(pairs):
            question, passage = _first_twice(pairs)
            raise UserError(f"{self.place}: {passage!r} is judged twice for {question!r}", "remove one of the two")


def as_bytes(name: str) -> bytes:
    """Return what identifiers are ordered by, as trec_eval does."""
    return name.encode(errors="surrogatepass")


def _first_twice(names: Iterable[Any]) -> Any:
    seen = set()
    return next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]


def grade_of(value: Any, place: str) -> int:
    """Return a grade as a whole number; raises UserError, which names its place, for anything else and large ones."""
    try:
        number = float(value)
        grade = int(number)
    except (TypeError, ValueError, OverflowError):
        number, grade = 0.5, 0
    if number != grade:
        raise UserError(f"{place}: the grade {value!r} is not a whole number", "grade passages by 0, 1, 2 and so on")
    if abs(grade) > MOST:
        raise UserError(f"{place}: the grade {value!r} is too large", f"grade passages by whole numbers up to {MOST:,}")
    return grade


def joined(title: Any, text: Any) -> str:
    """Return the text of a passage with its title before it, as BEIR encodes passages."""
    return f"{title} {text}".strip() if not is_blank(title) and not is_blank(text) else _text(text) or _text(title)


def _text(value: Any) -> str:
    return "" if is_blank(value) else str(value)


def named(ids: Sequence[Any], texts: Sequence[Any], place: str, what: str = "text") -> Named:
    """Return identifiers with their texts; raises UserError for a row without an identifier, or a text that is none.

    what: what the texts are, for the message.
    """
    rows = []
    for row, (name, text) in enumerate(zip(ids, texts, strict=True), start=1):
        if is_blank(name) or isinstance(name, float | dict | list):
            raise UserError(f"{place}: row {row} has no identifier", "give each row a text or number in _id")
        if not is_blank(text) and not isinstance(text, str):
            raise UserError(f"{place}: the {what} of {name!r} is {text!r}, not a text", "write it in quotes")
        rows.append((str(name), _text(text)))
    return rows
