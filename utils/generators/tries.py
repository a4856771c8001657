"""Label texts as a token trie, in which a common beginning of labels is computed once; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

ROOT = 0  # the row of a trie's root: the last token before the labels


@dataclass(frozen=True)
class Tokenized:
    """One prompt with its labels, in tokens: `prompt` is common to all labels, `labels` has the rest for each label.

    The first `n_unscored[i]` tokens of label i belong to the prompt's text: a label may change how the end of the
    prompt is tokenised.
    """

    prompt: tuple[int, ...]
    labels: tuple[tuple[int, ...], ...]
    n_unscored: tuple[int, ...]

    @property
    def longest(self) -> int:
        """The number of tokens of the prompt with its longest label."""
        return len(self.prompt) + max(map(len, self.labels))


@dataclass(frozen=True)
class Trie:
    """The inner nodes of a token trie, parents before children; leaves need no forward pass.

    Row 0 is the root, so node i has row i + 1. tokens, parents (row of the parent) and depths (root 0) are (nodes,).
    `paths[label]` has the (row, token) pairs whose log-probabilities are the label's score.
    """

    tokens: npt.NDArray[np.int64]
    parents: npt.NDArray[np.int64]
    depths: npt.NDArray[np.int64]
    paths: tuple[tuple[tuple[int, int], ...], ...]

    @cached_property
    def ancestors(self) -> npt.NDArray[np.bool_]:
        """Which nodes each node attends to, itself and its ancestors: (nodes, nodes)."""
        seen = np.eye(len(self.tokens), dtype=np.bool_)
        for node, parent in enumerate(self.parents):
            if parent != ROOT:
                seen[node] |= seen[parent - 1]
        return seen


def n_common(rows: Sequence[Sequence[int]]) -> int:
    """Return the number of leading tokens that all rows have in common."""
    low, high = (
        min(rows, key=tuple),
        max(rows, key=tuple),
    )  # tokens common to the first and last row in order are common to all
    return next(
        (place for place, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high))
    )


def build_trie(labels: Sequence[Sequence[int]], n_unscored: Sequence[int]) -> Trie:
    """Return the trie of the labels' tokens; each label has at least one scored token."""
    rows: dict[tuple[int, ...], int] = {(): ROOT}
    tokens: list[int] = []
    parents: list[int] = []
    depths: list[int] = []
    paths = []
    for label, start in zip(labels, n_unscored, strict=True):
        for end in range(1, len(label)):  # the last token is a leaf, unless another label continues it
            inner = tuple(label[:end])
            if inner not in rows:
                rows[inner] = len(tokens) + 1
                tokens.append(label[end - 1])
                parents.append(rows[inner[:-1]])
                depths.append(end)
        paths.append(tuple((rows[tuple(label[:end])], label[end]) for end in range(start, len(label))))
    of_tokens, of_parents, of_depths = (np.array(values, dtype=np.int64) for values in (tokens, parents, depths))
    return Trie(of_tokens, of_parents, of_depths, tuple(paths))


def tries_of(texts: Sequence[Tokenized], chosen: Sequence[Sequence[int]]) -> list[Trie]:
    """Return the trie of each text's chosen labels; texts whose labels have the same tokens share one."""
    made: dict[object, Trie] = {}
    tries = []
    for text, group in zip(texts, chosen, strict=True):
        key = (text.labels, text.n_unscored, tuple(group))
        if key not in made:
            made[key] = build_trie([text.labels[index] for index in group], [text.n_unscored[index] for index in group])
        tries.append(made[key])
    return tries


def n_inner_nodes(labels: Sequence[tuple[int, ...]]) -> int:
    """Return the number of inner nodes of the labels' trie."""
    return len({label[:end] for label in labels for end in range(1, len(label))})


def split_trie(tokenized: Tokenized, max_nodes: int) -> list[list[int]]:
    """Return groups of label indices, in the order of their tokens, whose tries have at most `max_nodes` inner nodes.

    A group has at least one label, whose trie may be larger.
    """
    order = sorted(range(len(tokenized.labels)), key=lambda index: tokenized.labels[index])
    groups: list[list[int]] = []
    inner: set[tuple[int, ...]] = set()
    for index in order:
        label = tokenized.labels[index]
        new = {label[:end] for end in range(1, len(label))}
        if not groups or len(inner | new) > max_nodes:
            groups.append([])
            inner = set()
        groups[-1].append(index)
        inner |= new
    return groups
