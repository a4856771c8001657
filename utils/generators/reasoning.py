"""The answer of a model that reasons before it answers: what stands behind the closing tag of its reasoning; pure.

The tags are those of the chat templates of reasoning models, such as `<think>` and `</think>`.
"""

from __future__ import annotations

import re

_NAME = r"(?:seed:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?)"
_OPENING = rf"<{_NAME}>|\[{_NAME}\]|◁{_NAME}▷|<\|(?:start|begin)_(?:of_)?{_NAME}\|>|<\|channel\|>analysis"
_CLOSING = rf"</{_NAME}>|\[/{_NAME}\]|◁/{_NAME}▷|<\|end_(?:of_)?{_NAME}\|>|<\|channel\|>final(?:<\|message\|>|$)"
OPENING, CLOSING = (re.compile(tags, flags=re.IGNORECASE) for tags in (_OPENING, _CLOSING))
OPENED = re.compile(rf"(?:{_OPENING})\s*$", flags=re.IGNORECASE)
PARTS = ("<|channel|>", "<|message|>")  # tokens that make up a tag


def behind_reasoning(text: str) -> str | None:
    """Return what stands behind the last closing tag, or the whole text without tags; None where it never closes."""
    ends = [match.end() for match in CLOSING.finditer(text)]
    starts = [match.start() for match in OPENING.finditer(text)]
    if starts and (not ends or starts[-1] >= ends[-1]):
        return None
    return text[ends[-1] :] if ends else text


def opened_reasoning(prompt: str) -> str:
    """Return the tag by which the end of a prompt opens the reasoning, as some chat templates do; empty without one."""
    found = OPENED.search(prompt)
    return found.group().strip() if found else ""


def is_tag(token: str) -> bool:
    """Return whether a token is a tag of reasoning, or a part of one."""
    return token in PARTS or bool(OPENING.fullmatch(token) or CLOSING.fullmatch(token))
