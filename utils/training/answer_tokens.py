"""Conversations as tokens, with the answers marked: only these are learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.data.conversations import ASSISTANT, Conversation
from utils.errors import UserError, first_line
from utils.generators.tokenization import CHUNK, TEMPLATE_HINT, leading_specials

if TYPE_CHECKING:
    from utils.training.token_batches import Ids

CHAT, PAPER, PLAIN = "chat", "paper", "none"
TEMPLATES = (CHAT, PAPER, PLAIN)
IGNORED = -100  # the label of a token that is not learned, as losses of torch have it
PAPER_TEMPLATE = (  # of Kew et al. 2023, arXiv 2312.12683; a system message stands before the conversation
    "{% for message in messages %}{% if message['role'] == 'user' %}### Human: {{ message['content'] }}\n"
    "{% elif message['role'] == 'assistant' %}### Assistant: {{ message['content'] }}{{ eos_token }}"
    "{% if not loop.last %}{{ '\\n' }}{% endif %}{% else %}{{ message['content'] }}\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}### Assistant:{% endif %}"
)


@dataclass(frozen=True)
class Marked:
    """A text that a model reads, and the places of its answers: (start, end) in characters, in order."""

    text: str
    answers: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Encoded:
    """Tokens (n,) int64, and the labels (n,): the token where it is learned, else -100. The first is never learned."""

    ids: Ids
    labels: Ids


class Template:
    """How conversations become text: the tokenizer's chat template, the paper's, or prompt and answer as they stand.

    The paper's becomes the chat template of the tokenizer, which the trained checkpoint then has.
    """

    def __init__(self, name: str, tokenizer: Any, checkpoint: str) -> None:
        self.name, self.tokenizer, self.checkpoint = name, tokenizer, checkpoint
        if name == CHAT and not tokenizer.chat_template:
            raise UserError(f"{checkpoint} has no chat template", "use --template paper or --template none")
        if not tokenizer.eos_token:
            raise UserError(f"the tokenizer of {checkpoint} has no token for the end", "name one in its eos_token")
        specials = leading_specials(tokenizer)
        if name == PAPER:
            tokenizer.chat_template = ("{{ bos_token }}" if specials else "") + PAPER_TEMPLATE
        self.specials = specials if name == PLAIN else []

    def mark(self, conversation: Conversation) -> Marked:
        """Return the text of a conversation with the places of its answers."""
        return self._plain(conversation) if self.name == PLAIN else self._rendered(conversation)

    def _plain(self, conversation: Conversation) -> Marked:
        """Return prompts and answers as they stand, with a line feed where none is between them."""
        text, answers = "", []
        for role, content in conversation.turns:
            text += "" if not text or text[-1].isspace() else "\n"
            start = len(text)
            text += content
            if role == ASSISTANT:
                text += self.tokenizer.eos_token
                answers.append((start, len(text)))
        return Marked(text, tuple(answers))

    def _rendered(self, conversation: Conversation) -> Marked:
        messages = [{"role": role, "content": content} for role, content in conversation.turns]
        whole, answers = self._render(messages, prompt=False), []
        for place, (role, _) in enumerate(conversation.turns):
            if role == ASSISTANT:
                before = self._render(messages[:place], prompt=True)
                after = self._render(messages[: place + 1], prompt=False)
                if not (after.startswith(before) and whole.startswith(after.rstrip())):
                    what = f"the chat template of {self.checkpoint} writes earlier turns otherwise than the last one"
                    raise UserError(what, "use --template paper, or rows of one prompt and one answer")
                answers.append((len(before), len(after)))
        return self._ended(whole, answers)

    def _ended(self, text: str, answers: list[tuple[int, int]]) -> Marked:
        """Return the text with the token for the end behind the last answer, where the template has none there."""
        start, end = answers[-1]
        special = [str(token) for token in self.tokenizer.added_tokens_decoder.values() if token.special]
        if not any(token in text[start:end] for token in {*special, self.tokenizer.eos_token}):
            text += self.tokenizer.eos_token
        return Marked(text, (*answers[:-1], (start, len(text))))

    def _render(self, messages: Sequence[dict[str, str]], *, prompt: bool) -> str:
        try:
            return str(self.tokenizer.apply_chat_template(messages, add_generation_prompt=prompt, tokenize=False))
        except Exception as error:  # a template is a program, which fails in any way
            what = f"the chat template of {self.checkpoint} fails: {type(error).__name__}: {first_line(error)}"
            raise UserError(what, TEMPLATE_HINT.partition(", or")[0] + ", or use --template paper") from error


def encode(conversations: Sequence[Conversation], template: Template) -> list[Encoded]:
    """Return the tokens of conversations, each with its answers marked.

    A token is learned where it ends after the first character of an answer and starts before its end, so one across the
    boundary belongs to the answer, as where answers are scored. Raises UserError for a tokenizer without offsets.
    """
    if not template.tokenizer.is_fast:
        raise UserError(
            f"the tokenizer of {template.checkpoint} does not say where its tokens stand",
            "save it with a tokenizer.json (a fast tokenizer)",
        )
    found: list[Encoded] = []
    for start in range(0, len(conversations), CHUNK):
        marked = [template.mark(row) for row in conversations[start : start + CHUNK]]
        texts = [row.text for row in marked]
        tokens = template.tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True, truncation=False)
        rows = zip(marked, tokens["input_ids"], tokens["offset_mapping"], strict=True)
        found += [_encoded(row, [*template.specials, *ids], offsets) for row, ids, offsets in rows]
    return found


def _encoded(row: Marked, ids: list[int], offsets: list[tuple[int, int]]) -> Encoded:
    starts, ends = np.array(offsets, dtype=np.int64).reshape(-1, 2).T
    learned = np.zeros(len(ids), dtype=bool)
    for start, end in row.answers:
        learned[len(ids) - len(starts) :] |= (ends > start) & (starts < end)
    learned[:1] = False
    tokens = np.array(ids, dtype=np.int64)
    return Encoded(tokens, np.where(learned, tokens, IGNORED))
