"""The prompt to the letter, and the label in an answer."""

from __future__ import annotations

import pytest

from utils.cli.types import prompt
from utils.generators.prompts import build_prompt, default_instruction, parse_label

SENTIMENTS = ("negative", "neutral", "positive")
TOPICS = ("science/technology", "travel", "politics")
INTENTS = ("play music", "play radio", "alarm set", "lists create or add")


def test_the_prompt_with_demonstrations() -> None:
    found = build_prompt("Label it.\nOnly that.", [("a b", "neutral"), ("c", "positive")], "d", None)
    assert found == (
        "Instruction:Label it.\nOnly that.\n"
        "Input:a b Prediction:neutral\n"
        "Input:c Prediction:positive\n"
        "\n"
        "Input:d Prediction:"
    )


def test_the_prompt_without_demonstrations_and_with_options() -> None:
    assert build_prompt("I", [], "d", None) == "Instruction:I\nInput:d Prediction:"
    expected = "Instruction:I\nOptions:['negative', 'neutral', 'positive']\nInput:d Prediction:"
    assert build_prompt("I", [], "d", SENTIMENTS) == expected
    expected = "Instruction:I\nInput:a Prediction:x\n\nOptions:['negative', 'neutral', 'positive']\nInput:d Prediction:"
    assert build_prompt("I", [("a", "x")], "d", SENTIMENTS) == expected


def test_a_typed_backslash_n_is_a_newline() -> None:
    assert prompt(r"one\ntwo") == "one\ntwo"
    assert default_instruction("topic") == ("Generate a topic label for a given input.\nPlease only output the label.")
    assert default_instruction("intent").startswith("Generate an intent label")
    assert default_instruction("").startswith("Generate a label")


@pytest.mark.parametrize(
    ("answer", "labels", "expected"),
    [
        ("positive", SENTIMENTS, 2),
        ("  Positive.\n", SENTIMENTS, 2),
        ("**NEGATIVE**", SENTIMENTS, 0),
        ("The sentiment is neutral, not positive.", SENTIMENTS, 1),  # the first match wins
        ("Prediction: negative\nInput: x Prediction: positive", SENTIMENTS, 0),
        ("positively", SENTIMENTS, None),  # a word, not a part of one
        ("", SENTIMENTS, None),
        ("I cannot say", SENTIMENTS, None),
        ("Science / Technology", TOPICS, 0),
        ("science_technology", TOPICS, 0),
        ("science", TOPICS, None),
        ("play_radio", INTENTS, 1),
        ("Please play the music", INTENTS, None),
        ("ＰＯＳＩＴＩＶＥ", SENTIMENTS, 2),
        ("alarm set", ("alarm", "alarm set"), 1),  # of two that begin at one word the longer
        ("set the alarm", ("alarm", "alarm set"), 0),
    ],
)
def test_parsing_an_answer(answer: str, labels: tuple[str, ...], expected: int | None) -> None:
    assert parse_label(answer, labels) == expected
