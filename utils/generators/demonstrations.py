"""Which training texts a prompt shows: nearest, of each label, of a rank band, random, by BM25, or diverse; pure.

Every function returns, for each test text, the indices of its demonstrations, the most similar first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from utils.errors import UserError
from utils.schema import TopK

Ints = npt.NDArray[np.int64]
Search = Callable[[Ints, int, slice], TopK]  # (candidates (m,), k, which queries) -> ranking over those candidates
ALL = slice(None)
BLOCK = 256  # queries ranked at once where whole rankings are needed
MMR_POOL, MMR_FACTOR = 20, 5  # candidates that diversity chooses from: 20, or 5 k
MMR_LAMBDA = 0.5
# scripts without blanks between words: their words are taken as pairs of characters
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002ffff]+"
)
WORD = re.compile(r"\w+")


def nearest(search: Search, n_train: int, k: int) -> list[Ints]:
    """Return the k nearest training texts of each test text."""
    return list(search(np.arange(n_train), k, ALL).indices)


def balanced(search: Search, labels: Ints, n_labels: int, k: int) -> list[Ints]:
    """Return the k nearest training texts of each label, the labels in their order; fewer where a label has fewer."""
    parts = []
    for label in range(n_labels):
        members = np.flatnonzero(labels == label)
        if len(members):
            found = search(members, min(k, len(members)), ALL).indices
            parts.append(np.where(found < 0, found, members[found]))  # -1: a text without a vector finds nothing
    return list(np.concatenate(parts, axis=1))


def rank_band(search: Search, n_test: int, n_train: int, k: int, low: int, high: int) -> list[Ints]:
    """Return the first k training texts of ranks [low %, high %) of the whole training set.

    Bounds as in the original: floor(n * percent / 100). Raises UserError where the band has fewer than k texts.
    """
    first, last = n_train * low // 100, min(n_train * high // 100, n_train)
    if last - first < k:
        raise UserError(
            f"the percentiles {low} to {high} of {n_train} training texts hold {max(last - first, 0)}, --k is {k}",
            "use a wider band, or a smaller --k",
        )
    blocks = [slice(start, start + BLOCK) for start in range(0, n_test, BLOCK)]
    return [row[first:].copy() for block in blocks for row in search(np.arange(n_train), first + k, block).indices]


def at_random(n_test: int, n_train: int, k: int, seed: int) -> list[Ints]:
    """Return k training texts drawn for each test text; a text's draw depends on the seed and its place alone."""
    return [np.random.default_rng([seed, place]).choice(n_train, k, replace=False) for place in range(n_test)]


def by_bm25(test: Sequence[str], train: Sequence[str], k: int) -> list[Ints]:
    """Return the k training texts of the highest BM25 score, ties to the lower index.

    Robertson and Zaragoza 2009 (k1 = 1.5, b = 0.75, as bm25s has it, arXiv 2407.03618).
    """
    import bm25s

    retriever = bm25s.BM25()
    retriever.index([words(text) for text in train], show_progress=False)
    found = []
    for text in test:
        known = [word for word in words(text) if word in retriever.vocab_dict]
        scores = retriever.get_scores(known) if known else np.zeros(len(train))
        found.append(np.argsort(-scores, kind="stable")[:k].astype(np.int64))
    return found


def words(text: str) -> list[str]:
    """Return the lower-case words of a text, pairs of characters where its script has no blanks."""
    found: list[str] = []
    for word in WORD.findall(text.lower()):
        for part in filter(None, re.split(f"({UNSPACED.pattern})", word)):
            pairs = [part[place : place + 2] for place in range(max(1, len(part) - 1))]
            found += pairs if UNSPACED.fullmatch(part) else [part]
    return found


def diverse(search: Search, similarity: Callable[[Ints], npt.NDArray[np.float64]], n_train: int, k: int) -> list[Ints]:
    """Return k training texts by maximal marginal relevance among the nearest 20, or 5 k.

    Each next text has the greatest 0.5 sim(test, text) - 0.5 max sim(text, chosen) (Carbonell and Goldstein 1998).
    `similarity` gives the pairwise similarities (m, m) of training texts.
    """
    pool = search(np.arange(n_train), min(n_train, max(MMR_POOL, MMR_FACTOR * k)), ALL)
    return [
        indices[_marginal(scores.astype(np.float64), similarity(indices), k)]
        for indices, scores in zip(pool.indices, pool.scores, strict=True)
    ]


def _marginal(relevance: npt.NDArray[np.float64], likeness: npt.NDArray[np.float64], k: int) -> list[int]:
    chosen = [0]
    while len(chosen) < k:
        gain = MMR_LAMBDA * relevance - (1 - MMR_LAMBDA) * likeness[:, chosen].max(axis=1)
        gain[chosen] = -np.inf
        chosen.append(int(gain.argmax()))
    return chosen
