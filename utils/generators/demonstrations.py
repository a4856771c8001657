"""Choose the demonstrations of a prompt: nearest, balanced, from a band of ranks, random, BM25 or diverse; pure.

Every function returns one array per test text: the indices of its demonstrations, the most similar first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from utils.errors import UserError
from utils.schema import TopK
from utils.words import words

Ints = npt.NDArray[np.int64]
Search = Callable[[Ints, int, slice], TopK]  # (candidates (m,), k, which queries) -> ranking over those candidates
ALL = slice(None)
BLOCK = 256  # queries that are ranked at once where whole rankings are needed
MMR_POOL, MMR_FACTOR = 20, 5  # diverse demonstrations are chosen from the nearest 20, or 5 k
MMR_LAMBDA = 0.5


def nearest(search: Search, n_train: int, k: int) -> list[Ints]:
    """Return the k nearest training texts of each test text."""
    return list(search(np.arange(n_train), k, ALL).indices)


def balanced(search: Search, labels: Ints, n_labels: int, k: int) -> list[Ints]:
    """Return the k nearest training texts of each label, in the order of the labels.

    labels: index of each training text's label (n_train,). A label with fewer than k texts contributes all of them.
    """
    parts = []
    for label in range(n_labels):
        members = np.flatnonzero(labels == label)
        if len(members):
            found = search(members, min(k, len(members)), ALL).indices
            parts.append(np.where(found < 0, found, members[found]))  # -1: a text without a vector has no neighbours
    return list(np.concatenate(parts, axis=1))


def rank_band(search: Search, n_test: int, n_train: int, k: int, low: int, high: int) -> list[Ints]:
    """Return the first k training texts of the ranks from `low` (included) to `high` (excluded), in percent.

    A bound is floor(n * percent / 100), as in the original. Raises UserError where the band has fewer than k texts.
    """
    first, last = n_train * low // 100, min(n_train * high // 100, n_train)
    if last - first < k:
        raise UserError(
            f"percentiles {low} to {high} of {n_train} training texts contain {max(last - first, 0)}, but --k is {k}",
            "use a wider band or a smaller --k",
        )
    blocks = [slice(start, start + BLOCK) for start in range(0, n_test, BLOCK)]
    return [row[first:].copy() for block in blocks for row in search(np.arange(n_train), first + k, block).indices]


def at_random(n_test: int, n_train: int, k: int, seed: int) -> list[Ints]:
    """Return k random training texts for each test text; they depend on the seed and the text's index only."""
    return [np.random.default_rng([seed, place]).choice(n_train, k, replace=False) for place in range(n_test)]


def fixed(n_test: int, labels: Sequence[str], k: int, *, in_turn: bool) -> list[Ints]:
    """Return the same k training texts for all test texts: the first ones, or the first ones of each label in turn.

    labels: of the training texts (n_train,); in_turn: whether each label has a text before any has another.
    """
    ranks, seen = list[int](), Counter[str]()  # how many texts before it have its label
    for label in labels:
        ranks.append(seen[label])
        seen[label] += 1
    order = np.argsort(ranks, kind="stable") if in_turn else np.arange(len(labels))
    return [order[:k].astype(np.int64)] * n_test


def by_bm25(test: Sequence[str], train: Sequence[str], k: int) -> list[Ints]:
    """Return the k training texts with the highest BM25 scores; ties go to the lower index.

    Texts that share no word score 0, so that training texts without any word leave the lower indices first. Robertson
    and Zaragoza 2009, with k1 = 1.5 and b = 0.75, as implemented by bm25s (arXiv 2407.03618).
    """
    import bm25s

    retriever, of_train = bm25s.BM25(), [words(text) for text in train]
    if not any(of_train):  # the library cannot index an empty vocabulary
        return [np.arange(min(k, len(train)), dtype=np.int64) for _ in test]
    retriever.index(of_train, show_progress=False)
    found = []
    for text in test:
        known = [word for word in words(text) if word in retriever.vocab_dict]
        scores = retriever.get_scores(known) if known else np.zeros(len(train))
        found.append(np.argsort(-scores, kind="stable")[:k].astype(np.int64))
    return found


def diverse(search: Search, similarity: Callable[[Ints], npt.NDArray[np.float64]], n_train: int, k: int) -> list[Ints]:
    """Return k training texts by maximal marginal relevance among the nearest 20, or 5 k.

    Each next text maximises 0.5 sim(test, text) - 0.5 max sim(text, chosen) (Carbonell and Goldstein 1998).
    `similarity` returns the pairwise similarities (m, m) of training texts, given their indices (m,).
    """
    pool = search(np.arange(n_train), min(n_train, max(MMR_POOL, MMR_FACTOR * k)), ALL)
    return [
        indices[_marginal(scores.astype(np.float64), similarity(indices), k)]
        for indices, scores in zip(pool.indices, pool.scores, strict=True)
    ]


def _marginal(relevance: npt.NDArray[np.float64], pairwise: npt.NDArray[np.float64], k: int) -> list[int]:
    chosen = [0]
    while len(chosen) < k:
        gain = MMR_LAMBDA * relevance - (1 - MMR_LAMBDA) * pairwise[:, chosen].max(axis=1)
        gain[chosen] = -np.inf
        chosen.append(int(gain.argmax()))
    return chosen
