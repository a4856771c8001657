"""Where a generated answer ends: at texts that are looked for in its last tokens only."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import Any

SLACK = 4  # tokens beside those of a text at most: the first of a tail may lose a blank
BROKEN = "\ufffd"  # what tokenizers write for a part of a character


class StopTexts:
    """The stopping criterion of transformers for answers that end at one of some texts.

    A text is looked for in as many tokens as it has bytes, since each token that is not special has one at least. Where
    it is found, the whole answer decides: blanks at its beginning do not count.
    """

    def __init__(
        self, decode: Callable[[list[list[int]]], list[str]], ends: Sequence[str], n_prompt: int, special: Set[int]
    ) -> None:
        self.decode, self.ends, self.n_prompt, self.special = decode, tuple(ends), n_prompt, special
        self.n_tail = max(len(end.encode()) for end in ends) + SLACK
        self._done: set[int] = set()

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        """Return which answers have ended (B,)."""
        rows = {
            place: [token for token in row if token not in self.special]
            for place, row in enumerate(input_ids[:, self.n_prompt :].tolist())
            if place not in self._done
        }
        tails = self.decode([row[-self.n_tail :] for row in rows.values()]) if rows else []
        for (place, row), text in zip(rows.items(), tails, strict=True):
            if self._has(self._unbroken(row, text)) and self._has(self.decode([row])[0].lstrip()):
                self._done.add(place)
        return input_ids.new_tensor([place in self._done for place in range(len(input_ids))]).bool()

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows of the batch alone."""
        self._done = {place for place, row in enumerate(rows) if row in self._done}

    def _has(self, text: str) -> bool:
        return any(end in text for end in self.ends)

    def _unbroken(self, row: list[int], text: str) -> str:
        """Return the text of a row's tail, or of a longer one where it begins within a character.

        Tokenizers with a token for each byte write a whole run of them as broken where it does not begin a character.
        """
        n_tail = self.n_tail
        while text.startswith(BROKEN) and n_tail < len(row):
            n_tail *= 2
            (text,) = self.decode([row[-n_tail:]])
        return text
