"""Rows that a language model learns: a prompt and its answer, or a conversation, in one language each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.data.tables import Table, is_blank, read_table
from utils.errors import UserError, suggest

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
ROLES = {  # the names that data sets have for the three
    SYSTEM: SYSTEM, USER: USER, "human": USER, "prompter": USER, ASSISTANT: ASSISTANT, "gpt": ASSISTANT,
    "bot": ASSISTANT, "model": ASSISTANT,
}  # fmt: skip
LISTS = ("messages", "conversations")
PROMPT, ANSWER, LANG = "prompt", "answer", "lang"
HINT = (
    'rows are {"prompt": ..., "answer": ...}, {"messages": [{"role": ..., "content": ...}, ...]} or {"conversations": '
    '[{"from": ..., "value": ...}, ...]}, each with a "lang" if it has one'
)
UNKNOWN = "und"  # the language of a row that names none, as ISO 639 has it


@dataclass(frozen=True)
class Conversation:
    """What a model learns: the answers of the assistant, each after the turns before it.

    turns: role (system, user or assistant) and text of each; the last is an answer. lang: its language. item: what it
    is about; conversations with equal items are translations or repetitions of one another.
    """

    turns: tuple[tuple[str, str], ...]
    lang: str = UNKNOWN
    item: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of all turns."""
        return tuple(text for _, text in self.turns)


def question(prompt: str, answer: str, lang: str = UNKNOWN, item: str | None = None) -> Conversation:
    """Return a conversation of one prompt and its answer; the prompt is the item unless another is given."""
    return Conversation(((USER, prompt), (ASSISTANT, answer)), lang, prompt if item is None else item)


def read_conversations(path: Path, columns: Sequence[str] | None = None) -> list[Conversation]:
    """Return the rows of a table of prompts and answers or of conversations, in order.

    columns: those of the prompt, of the answer and, as a third, of the language, where their names are others. Raises
    UserError, with its place, for a row without a text where one must be, and for an unknown role.
    """
    table = read_table(path)
    chosen = list(columns or ())
    if columns and (missing := [name for name in columns if name not in table]):
        raise UserError(f"{path.name} has no column {missing[0]!r}", suggest(missing[0], table))
    if len(chosen) not in (0, 2, 3):
        raise UserError(f"--columns {' '.join(chosen)}", "give the columns of the prompt, the answer and the language")
    lang = chosen[2] if len(chosen) == 3 else LANG
    langs = table[lang] if lang in table else [UNKNOWN] * len(next(iter(table.values()), []))
    if not chosen and (name := next((name for name in LISTS if name in table), None)):
        found = [_conversation(cell, _place(path, table, row)) for row, cell in enumerate(table[name])]
    else:
        found = _questions(path, table, *(chosen[:2] or (PROMPT, ANSWER)))
    for row, name in enumerate(langs):
        if is_blank(name):
            raise UserError(f"{_place(path, table, row)} has no language in the column {lang!r}", "add it")
    items = (next((text for role, text in turns if role == USER), "") for turns in found)
    return [Conversation(*row) for row in zip(found, (str(name).strip() for name in langs), items, strict=True)]


def _place(path: Path, table: Table, row: int) -> str:
    return f"{path.name}: {table.place(row)}"


def _questions(path: Path, table: Table, prompt: str, answer: str) -> list[tuple[tuple[str, str], ...]]:
    for name in (prompt, answer):
        if name not in table:
            names = ", ".join(list(table)[:9])
            hint = f"{HINT}; or name the columns: --columns PROMPT ANSWER [LANG]"
            raise UserError(f"{path.name} has no column {name!r} (it has {names})", hint)
    rows = enumerate(zip(table[prompt], table[answer], strict=True))
    return [_turns([(USER, first), (ASSISTANT, second)], _place(path, table, row)) for row, (first, second) in rows]


def _conversation(cell: Any, place: str) -> tuple[tuple[str, str], ...]:
    """Return the turns of a list of messages, as OpenAI's or ShareGPT's formats have them."""
    if not isinstance(cell, list) or not all(isinstance(turn, dict) for turn in cell):
        raise UserError(f"{place}: the conversation is no list of messages", HINT)
    return _turns(
        [(turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))) for turn in cell], place
    )


def _turns(given: Sequence[tuple[Any, Any]], place: str) -> tuple[tuple[str, str], ...]:
    """Return turns whose roles are known and that have texts. Turns after the last answer are left out."""
    found = []
    for role, text in given:
        if not isinstance(role, str) or role not in ROLES:
            raise UserError(f"{place}: the role {role!r} is not known", f"use {', '.join(ROLES)}")
        if is_blank(text) or not isinstance(text, str):
            raise UserError(
                f"{place}: the text of the {role} is {'empty' if is_blank(text) else 'no text'}", "correct it"
            )
        found.append((ROLES[role], text))
    while found and found[-1][0] != ASSISTANT:
        found.pop()
    if not found:
        raise UserError(f"{place}: the conversation has no answer", "add one, or remove the row")
    return tuple(found)
