"""Rows of prompts and answers, of conversations and of question translation, against rows written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from utils.data.conversations import Conversation, question, read_conversations
from utils.data.languages import language_name
from utils.data.question_translation import SOURCE, read_translations, snli_test_texts, translation_row
from utils.data.sources import Sources
from utils.data.tables import read_table
from utils.errors import UserError


def written(folder: Path, rows: list[object], name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_prompts_messages_and_conversations(tmp_path: Path) -> None:
    pairs = written(tmp_path, [{"prompt": "2 + 2?", "answer": "4", "lang": "en"}], "a.jsonl")
    assert read_conversations(pairs) == [Conversation((("user", "2 + 2?"), ("assistant", "4")), "en", "2 + 2?")]
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    turns += [{"role": "assistant", "content": "Ho \ud800"}, {"role": "user", "content": "Bye"}]
    (found,) = read_conversations(written(tmp_path, [{"messages": turns}], "b.jsonl"))
    assert found == Conversation((("system", "Be brief."), ("user", "Hi"), ("assistant", "Ho \ufffd")), "und", "Hi")
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]
    (found,) = read_conversations(written(tmp_path, [{"conversations": turns, "lang": "ha"}], "c.jsonl"))
    assert found == question("Hi", "Ho", "ha")
    table = tmp_path / "d.tsv"
    table.write_text("in\tout\tcode\nHi\tHo\tig\n", encoding="utf-8")
    assert read_conversations(table, ["in", "out", "code"]) == [question("Hi", "Ho", "ig")]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "Hi", "answer": " "}, "line 1: the text of the assistant is empty"),
        ({"prompt": 3, "answer": "Ho"}, "line 1: the text of the user is no text"),
        ({"prompt": "Hi", "answer": "Ho", "lang": None}, "line 1 has no language in the column 'lang'"),
        ({"messages": "Hi"}, "line 1: the conversation is no list of messages"),
        ({"messages": []}, "line 1: the conversation has no answer"),
        ({"messages": [{"role": ["user"], "content": "Hi"}]}, "the role .* is not known"),
        ({"messages": [{"role": "user", "content": "Hi"}]}, "line 1: the conversation has no answer"),
        ({"question": "Hi", "answer": "Ho"}, "has no column 'prompt'"),
    ],
)
def test_faults_are_named_with_their_place(row: object, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        read_conversations(written(tmp_path, [row]))


def test_question_translation_by_hand(tmp_path: Path) -> None:
    row = translation_row("Ein Hund.", "de", "A dog.", "l2en", "7")
    assert row.turns == (
        ("user", "Ein Hund.\nTranslate the input from German to English:\n"),
        ("assistant", "A dog."),
    )
    assert (row.lang, row.item) == ("de", "7")
    row = translation_row("Ein Hund.", "deu_Latn", "A dog.", "en2l", "7")
    assert row.turns == (
        ("user", "A dog.\nTranslate the input from English to German:\n"),
        ("assistant", "Ein Hund."),
    )
    table = tmp_path / "t.tsv"
    table.write_text(
        "id\tsplit\teng\tswh\n1\ttrain\tA dog.\tMbwa.\n2\ttest\tA cat.\tPaka.\n3\ttrain\tA cow.\t\n", encoding="utf-8"
    )
    sources = Sources(None, tmp_path)
    assert read_translations(str(table), None, sources) == {"swh": [("0", "Mbwa.", "A dog.")]}
    with pytest.raises(UserError, match="has no column of the language 'de'"):
        read_translations(str(table), ["de"], sources)
    with pytest.raises(UserError, match="read from a mirror only"):
        read_translations("snli", ["de"], sources)
    with pytest.raises(UserError, match="no such file, and not a known name"):
        read_translations("snil", None, sources)


def test_names_of_languages() -> None:
    known = {"de": "German", "zho_Hans": "Chinese", "swh": "Swahili", "is": "Icelandic", "Klingon": "Klingon"}
    assert {lang: language_name(lang) for lang in known} == known
    with pytest.raises(UserError, match="the English name of the language kbp is not known"):
        language_name("kbp")


def test_the_published_rows_of_snli(mirror: Path, tmp_path: Path) -> None:
    sources = Sources(mirror, tmp_path)
    found = read_translations("snli", ["sw", "de"], sources)
    for lang, rows in found.items():
        table = read_table(mirror / SOURCE / "question_translation" / f"snli_{lang}" / "train.parquet")
        made = [translation_row(text, lang, english, "l2en", item).texts for item, text, english in rows]
        assert made == list(zip(table["input"], table["answer"], strict=True))
        assert len(made) == 2000
    assert len(snli_test_texts(sources)) == 600
