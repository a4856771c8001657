"""What a judge is asked, and what its answers are read as."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import make_model

from utils.answers import ScoreSettings
from utils.generators.cached import open_generator
from utils.generators.chat_prompts import prompts_for, stops_of
from utils.generators.judging import (
    HELD,
    LEVEL_SCHEMA,
    WINNER_SCHEMA,
    ask,
    judged,
    level_prompt,
    pair_prompt,
    parse_level,
    parse_winner,
)
from utils.generators.label_scoring import score_one_by_one
from utils.generators.resolve import resolve
from utils.generators.transformers_model import LanguageModel
from utils.schema import GeneratorSpec


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ('{"reasoning": "good", "score": 4}', 4),
        ('```json\n{"reasoning": "good", "score": "5"}\n```', 5),
        ('Well: {"reasoning": "a {b} c", "score": 6.0} - that is it', 6),
        ('{"score": 2} {"reasoning": "on second thoughts", "score": 3}', 3),
        ('{"reasoning": "two\nlines", "score": 1}', 1),
        ('<think>{"score": 6}</think>{"reasoning": "x", "score": 2}', 2),
        ('<think>{"score": 6}', None),
        ('{"reasoning": "x", "score": 7}', None),
        ('{"reasoning": "x", "score": 0}', None),
        ('{"reasoning": "x", "score": 3.5}', None),
        ('{"reasoning": "x", "score": true}', None),
        ('{"reasoning": "x", "score": null}', None),
        ('{"reasoning": "x", "score": [4]}', None),
        ("I would give it a 4.", None),
        ('{"reasoning": "cut of', None),
        ("", None),
        ("{" * 3000, None),
    ],
)
def test_levels_are_read_from_json_alone(text: str, level: int | None) -> None:
    assert parse_level(text)[0] == level


@pytest.mark.parametrize("chat", [False, True])
def test_a_local_judge_that_cannot_be_read_is_held_to_its_most_probable_value(chat: bool, tmp_path: Path) -> None:
    make_model(tmp_path / "tiny", "gemma3_long", chat=chat)
    spec = resolve(str(tmp_path / "tiny"), tmp_path)
    judge, model = open_generator(spec, "cpu", tmp_path), LanguageModel(spec, spec.checkpoint, "cpu")
    (level,) = judged(judge, ["Say x."], ["x"], 6)
    (winner,) = ask(judge, [pair_prompt("Say x.", "x", "y")], parse_winner, WINNER_SCHEMA, tokens=6)
    for said, prompt, values in (
        (level, level_prompt("Say x.", "x"), ["1", "2", "3", "4", "5", "6"]),
        (winner, pair_prompt("Say x.", "x", "y"), ['"1"', '"2"', '"tie"']),
    ):
        assert said.held and said.again
        (shown,) = prompts_for(spec, [prompt])
        name = "score" if said is level else "winner"
        blank, reasoning = "" if chat else " ", json.dumps(said.reasoning[:HELD], ensure_ascii=False)
        forms = [f'{blank}{{"reasoning": {reasoning}, "{name}": {value}}}' for value in values]
        (text,) = model.reader.with_labels([shown], forms, ScoreSettings())
        sums = [sum(each) for each in score_one_by_one(model.model, text)]
        assert str(said.value) == values[sums.index(max(sums))].strip('"')
    assert level.as_record("level") == {"level": level.value, "reasoning": level.reasoning, "again": True, "held": True}


def test_the_reasoning_is_kept_and_of_what_cannot_be_read_the_text() -> None:
    assert parse_level('{"reasoning": "good", "score": 4}') == (4, "good")
    assert parse_level("no idea") == (None, "no idea")


@pytest.mark.parametrize(
    ("text", "winner"),
    [
        ('{"reasoning": "x", "winner": "1"}', "1"),
        ('{"reasoning": "x", "winner": 2}', "2"),
        ('{"reasoning": "x", "winner": "Tie"}', "tie"),
        ('{"reasoning": "x", "winner": "A"}', None),
        ('{"reasoning": "x", "winner": true}', None),
    ],
)
def test_winners(text: str, winner: str | None) -> None:
    assert parse_winner(text)[0] == winner


def test_prompts_show_texts_as_they_are_and_reasoning_comes_first() -> None:
    prompt = level_prompt("say {x}", 'a {"b": 1} answer')
    assert '<instruction>\nsay {x}\n</instruction>\n<answer>\na {"b": 1} answer\n</answer>' in prompt
    assert [f"\n{level} - " in prompt for level in range(8)] == [False, *[True] * 6, False]
    assert prompt.index('"reasoning"') < prompt.index('"score"')
    pair = pair_prompt("q", "one", "two")
    assert pair.index("<answer_1>\none\n") < pair.index("<answer_2>\ntwo\n")
    for schema, name in ((LEVEL_SCHEMA, "score"), (WINNER_SCHEMA, "winner")):
        assert list(json.loads(schema)["properties"]) == json.loads(schema)["required"] == ["reasoning", name]


def test_base_models_are_asked_as_guanaco_was() -> None:
    base, chat = (GeneratorSpec("m", "l", kind) for kind in ("base", "chat"))
    assert prompts_for(base, ["Hi"]) == ["### Human: Hi\n### Assistant:"] and prompts_for(chat, ["Hi"]) == ["Hi"]
    assert prompts_for(base, ["Hi"], "plain") == ["Hi"] and prompts_for(base, ["{x}"]) == [
        "### Human: {x}\n### Assistant:"
    ]
    assert stops_of(base) == ("### Human:", "### Assistant:") and stops_of(chat) is None
