"""Tokens of a prompt joined with many labels, of which only the prompt's end is tokenised again with each label.

A label changes the tokens of the words next to it. The prompt's last characters, from a blank on, are tokenised with
every label, and the tokens before them are taken from the prompt joined with the first label. They are used if the
tokens of the prompt joined with the first and with the last label end in those of their tails and begin alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

TAIL = 64  # characters of a prompt that a label's tokens may depend on
FEW_LABELS = 3  # fewer are tokenised with the whole prompt

Rows = list[list[int]]
Joined = tuple[list[int], Rows, list[int]]  # tokens before the rows, one row per label, and each label's start in it


def tokenize_by_tails(tokenizer: Any, prompts: Sequence[str], labels: Sequence[str]) -> list[Joined | None]:
    """Return the tokens of each prompt with each label, and where each label starts; None where tails do not suffice.

    A label starts at the first token that ends after the prompt's last character. The tokenizer has to be a fast one.
    Its library reads the tails, without a Python object for each token's mask and type.
    """
    found: list[Joined | None] = [None] * len(prompts)
    places = {index: place for index, prompt in enumerate(prompts) if (place := _tail_start(prompt))}
    if len(labels) < FEW_LABELS or not places:
        return found
    outer = (labels[0], labels[-1])
    whole = _ids(tokenizer, [prompts[index] + label for index in places for label in outer])
    wholes = dict(zip(places, zip(whole[::2], whole[1::2], strict=True), strict=True))
    for n_skipped in (0, 1):  # whether a tail begins with its blank, or the tokenizer puts one before every text
        left = [index for index in places if found[index] is None]
        tails = [prompts[index][places[index] + n_skipped :] for index in left]
        if not tails or not _fits(tokenizer, tails[0], outer, wholes[left[0]]):
            continue
        joined = [tail + label for tail in tails for label in labels]
        encoded = tokenizer.backend_tokenizer.encode_batch(joined, add_special_tokens=False)
        for at, (index, tail) in enumerate(zip(left, tails, strict=True)):
            part = encoded[at * len(labels) : (at + 1) * len(labels)]
            ids = [one.ids for one in part]
            head = _head(wholes[index], (ids[0], ids[-1]))
            if head is not None:
                found[index] = head, ids, [first_beyond(one.offsets, len(tail)) for one in part]
    return found


def first_beyond(offsets: Sequence[tuple[int, int]], n_characters: int) -> int:
    """Return the index of the first token that ends after this many characters."""
    return next(index for index, (_, end) in enumerate(offsets) if end > n_characters)


def _tail_start(prompt: str) -> int:
    """Return the place of the last blank, or else the last line end, before a prompt's tail; 0 where there is none."""
    before = prompt[: max(0, len(prompt) - TAIL)]
    blank = before.rfind(" ")
    return blank if blank > 0 else max(before.rfind("\n"), 0)


def _ids(tokenizer: Any, texts: list[str]) -> Rows:
    """Return the token ids of texts by the tokenizer itself, which also turns its library's padding and cuts off."""
    encoded = tokenizer(texts, add_special_tokens=False, return_attention_mask=False, return_token_type_ids=False)
    return list(encoded["input_ids"])


def _fits(tokenizer: Any, tail: str, labels: tuple[str, str], wholes: tuple[list[int], list[int]]) -> bool:
    """Return whether the tokens of one prompt's tail with both labels are the ends of those of the whole prompt."""
    first, last = _ids(tokenizer, [tail + label for label in labels])
    return _head(wholes, (first, last)) is not None


def _head(wholes: tuple[list[int], list[int]], tails: tuple[list[int], list[int]]) -> list[int] | None:
    """Return the tokens before both tails; None where a tail is not the end of its whole, or they differ."""
    heads = [whole[: len(whole) - len(tail)] for whole, tail in zip(wholes, tails, strict=True)]
    is_end = all(head + tail == whole for head, tail, whole in zip(heads, tails, wholes, strict=True))
    return heads[0] if is_end and heads[0] == heads[1] else None
