"""Labels and options of prompts in the order of the data, in whatever order the prompts list them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from utils.data.subsets import Item
    from utils.generators.decoding import Answers, Query
    from utils.generators.prompt_formats import PromptFormat

    Places = Sequence[Sequence[int]]

T = TypeVar("T")


def places_of(form: PromptFormat, items: Sequence[Item], queries: Sequence[Query], names: Sequence[str]) -> Places:
    """Return the index in the label set of each label that a prompt asks for (n, labels), in the order of the prompt.

    items: those of the queries, in their order. names: the label set, which queries without labels of their own have.
    """
    return [
        [form.label_at(item, place) for place in range(len(query.labels or names))]
        for item, query in zip(items, queries, strict=False)
    ]


def in_data_order(answers: Answers, places: Places) -> Answers:
    """Return the answers to prompts with each label's index and score at its place in the data."""
    hyp = [index if index < 0 else of_item[index] for index, of_item in zip(answers.hyp, places, strict=True)]
    scores = [_sorted(row, of_item) for row, of_item in zip(answers.scores, places, strict=False)]
    return replace(answers, hyp=hyp, scores=scores)


def logged_options(queries: Sequence[Query], places: Places, items: Sequence[Item]) -> dict[str, list[Any]]:
    """Return what prompts ask for instead of the label set, as records have it, in the order of the data.

    `words` are those of all prompts; where they differ, `options` are those of each. `choices` are the texts of options
    that are listed and asked for by their letters.
    """
    asked = [tuple(_sorted(query.labels, of_item)) for query, of_item in zip(queries, places, strict=True)]
    if not any(asked):
        return {}
    alike = len(set(asked)) == 1
    found: dict[str, list[Any]] = {"words": list(asked[0])} if alike else {"options": [*map(list, asked)]}
    choices = [item.choices for item in items[: len(asked)]]
    listed = any(choices) and choices != asked
    return found | ({"choices": [*map(list, choices)]} if listed else {})


def _sorted(values: Sequence[T], places: Sequence[int]) -> list[T]:
    """Return values (n,) of which each has the place that `places` (n,) says; an item without an answer has none."""
    if not values:
        return []
    at = dict(zip(places, values, strict=True))
    return [at[place] for place in range(len(values))]
