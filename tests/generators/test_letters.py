"""The letter of an option in an answer."""

from __future__ import annotations

import pytest

from utils.generators.letters import are_letters
from utils.generators.prompts import parse_label


@pytest.mark.parametrize(
    ("answer", "letters", "expected"),
    [
        ("B", "ABC", "B"),
        (" b)\n", "ABC", "B"),  # the whole answer, in either case
        ("**C**", "ABC", "C"),
        ("\\boxed{b}", "ABC", "B"),
        ("B. Paris", "ABC", "B"),
        ("A - red", "ABC", "A"),
        ("B\n\nExplanation: A. London is wrong.", "ABC", "B"),  # a whole line before marked letters
        ("The answer is A.", "ABC", "A"),
        ("A good question. The answer is B.", "ABC", "B"),
        ("A good question. The answer is B", "ABC", "B"),
        ("A is correct", "ABC", "A"),
        ("The capital is a city: C", "ABC", "C"),
        ("Answer: B, not A", "ABC", "B"),
        ("I would rule out A, so the answer is C", "ABC", "C"),
        ("I choose B", "ABCDEFGHI", "B"),
        ("La respuesta a la pregunta es B", "ABC", "B"),
        ("La risposta corretta e unica e' la C", "ABCDE", "C"),
        ("E la risposta è D", "ABCDE", "D"),
        ("A resposta correta é a C.", "ABC", "C"),
        ("A capital do Brasil", "ABC", None),
        ("Odpowiedź a, a więc C", "ABC", "C"),
        ("D'accord: C", "ABCDE", "C"),
        ("C'est la B", "ABC", "B"),
        ("答案是B。", "ABC", "B"),
        ("答案是Ｂ，因为", "ABC", "B"),
        ("답은 B입니다", "ABC", "B"),
        ("सही उत्तर B है", "ABC", "B"),
        ("A or B", "ABC", None),
        ("The answer is A, not B", "ABC", None),
        ("A. red\nB. blue", "ABC", None),
        ("U.S.A.", "ABC", None),
        ("D", "ABC", None),
        ("I cannot say", "ABC", None),
        ("", "ABC", None),
    ],
)
def test_the_letter_that_an_answer_names(answer: str, letters: str, expected: str | None) -> None:
    found = parse_label(answer, tuple(letters))
    assert (None if found is None else letters[found]) == expected


def test_letters_are_different_capital_letters() -> None:
    assert are_letters(("A", "B")) and are_letters(("B", "A"))
    assert not are_letters(("A",)) and not are_letters(("A", "A")) and not are_letters(("A", "b"))
    assert not are_letters(("A", "BC")) and not are_letters(("1", "2")) and not are_letters(())
    assert parse_label("an a", ("a", "b")) == 0  # small letters are labels like others
