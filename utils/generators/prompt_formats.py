"""How items become prompts, and which labels or options answer them: as in MINERS, or by a template."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from utils.constants import LETTERS
from utils.data.subsets import Item
from utils.errors import UserError
from utils.generators.prompts import build_prompt
from utils.generators.templates import Template


class PromptFormat(Protocol):
    """How items become prompts."""

    def prompt(self, shown: Sequence[Item], item: Item) -> str:
        """Return the prompt of an item behind its demonstrations."""
        ...

    def alone(self, item: Item) -> str:
        """Return the prompt of an item without its question and without demonstrations."""
        ...

    def blank(self, item: Item, text: str) -> Item:
        """Return an item whose texts are all this one, for calibration."""
        ...

    def labels_of(self, item: Item) -> tuple[str, ...]:
        """Return the texts that are scored or chosen after the prompt of an item; none where a text is generated."""
        ...

    def label_at(self, item: Item, place: int) -> int:
        """Return the index in the label set of the label or option at a place of `labels_of`."""
        ...


@dataclass(frozen=True)
class OriginalFormat:
    """The format of MINERS, of labelled texts; told: whether the labels are listed in the prompt."""

    instruction: str
    names: tuple[str, ...]
    told: bool

    def prompt(self, shown: Sequence[Item], item: Item) -> str:
        """Return the instruction, the demonstrations, the labels where they are told, and the text."""
        pairs = [(each.fields["text"], each.answer) for each in shown]
        return build_prompt(self.instruction, pairs, item.fields["text"], self.names if self.told else None)

    def alone(self, item: Item) -> str:
        """Return the prompt of an empty text."""
        return self.prompt((), self.blank(item, ""))

    def blank(self, item: Item, text: str) -> Item:
        """Return the item with another text."""
        return replace(item, fields={"text": text})

    def labels_of(self, item: Item) -> tuple[str, ...]:
        """Return the label set."""
        return self.names

    def label_at(self, item: Item, place: int) -> int:
        """Return the place itself."""
        return place


@dataclass(frozen=True)
class TemplateFormat:
    """A template for the items of a data set.

    names: the label set. by_letter: whether options are listed, and chosen by their letters. told: whether the model is
    told what to do. instruction: the user's own, in place of what the template tells. seed: of the order of the
    options; None for the order of the data.
    """

    template: Template
    names: tuple[str, ...]
    by_letter: bool = False
    told: bool = False
    instruction: str = ""
    seed: int | None = None

    def __post_init__(self) -> None:
        """Raise UserError for words that are no label's or two labels', and for letters without a layout."""
        if self.by_letter and not self.template.letters:
            raise UserError("--choices letter with a template that has no layout `letters`", "add it, with {options}")
        strays = [name for name in self.template.answers if name not in self.names]
        if strays and (lacking := [name for name in self.names if name not in self.template.answers]):
            what = f"the template has a word for {strays[0]!r}, which is no label, and none for {lacking[0]!r}"
            raise UserError(what, f"write the words of the labels in `answers`: {', '.join(self.names)}")
        words = [self.template.word(name) for name in self.names]
        if len(set(words)) < len(words) and self.template.kind != "choice":
            twice = next(word for word in words if words.count(word) > 1)
            raise UserError(f"the template has the word {twice!r} for two labels", "give each label another word")

    def prompt(self, shown: Sequence[Item], item: Item) -> str:
        """Return what the model is told, the demonstrations with their answers, and the item up to its answer."""
        layout = self.template.letters if self.by_letter else self.template.layout
        parts = [self._fill(layout, each, self._answer(each)) + self.template.between for each in shown]
        return "".join([self._told(item), *parts, self._fill(layout, item, None)])

    def alone(self, item: Item) -> str:
        """Return what the template leaves of an item without its question."""
        return self._fill(self.template.without_question, item, None)

    def blank(self, item: Item, text: str) -> Item:
        """Return the item with this text in each field but those whose values the template has words for."""
        fields = {name: value if name in self.template.values else text for name, value in item.fields.items()}
        return replace(item, fields=fields)

    def labels_of(self, item: Item) -> tuple[str, ...]:
        """Return the words of the labels, the texts of the options, or their letters."""
        if self.template.kind in ("label", "pair"):
            return tuple(map(self.template.word, self.names))
        return tuple(LETTERS[: len(item.choices)]) if self.by_letter else item.choices

    def label_at(self, item: Item, place: int) -> int:
        """Return the index of a label, or of an option in the order of the data."""
        return self._order(item)[place] if self.by_letter else place

    def _told(self, item: Item) -> str:
        of_texts = self.template.kind == "choice" and not self.by_letter
        told = self.instruction or ((self.template.ask_text if of_texts else self.template.ask) if self.told else "")
        labels = ", ".join(self.labels_of(item))
        return self.template.fill(told.replace("{labels}", labels), item, None) + "\n\n" if told else ""

    def _answer(self, item: Item) -> str:
        """Return the answer that a demonstration shows."""
        if self.template.kind != "choice":
            return self.template.word(item.answer)
        place = int(item.answer) - 1
        return LETTERS[self._order(item).index(place)] if self.by_letter else item.choices[place]

    def _fill(self, layout: str, item: Item, answer: str | None) -> str:
        return self.template.fill(layout, item, answer, [item.choices[place] for place in self._order(item)])

    def _order(self, item: Item) -> list[int]:
        """Return the order in which the options are listed; it depends on the item and the seed alone."""
        places = list(range(len(item.choices)))
        if self.seed is None:
            return places
        content = json.dumps([dict(item.fields), item.choices], sort_keys=True).encode()
        draw = np.random.default_rng([self.seed, int.from_bytes(hashlib.sha256(content).digest()[:8], "big")])
        return [int(place) for place in draw.permutation(places)]
