"""Examples of contrastive training: queries with their positives and negatives, and the batches that are drawn of them.

A text is never a negative of a query that it is a positive of, in whatever row, and never one of a query that it is
equal to. Texts are compared without case, width and the number of blanks.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from utils.data.pair_rows import PairRow

    Ids = npt.NDArray[np.int64]


def form_of(text: str) -> str:
    """Return a text without case, width and further blanks; texts of one form are the same text."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


@dataclass(frozen=True)
class DrawnRow:
    """A row as a batch has it: the places of its query, of one positive and of some negatives among all texts."""

    row: int
    query: int
    pos: int
    neg: tuple[int, ...]


@dataclass(frozen=True)
class DrawnBatch:
    """The rows of a batch as places among all texts.

    queries: (n,). documents: (m,), the positive of each row first, then the negatives of the first row, of the second
    and so on. owners: the row of each document (m,). allowed: (n, m), whether a document counts for a query: its own
    positive, and whatever is no positive of it.
    """

    queries: Ids
    documents: Ids
    owners: Ids
    allowed: npt.NDArray[np.bool_]


class PairExamples:
    """Rows whose texts are stored once.

    query_texts and texts: the different queries and documents. queries: the place of each row's query (n,). positives
    and negatives: the places of its documents.
    """

    def __init__(self, rows: Sequence[PairRow]) -> None:
        queries, texts = dict[str, int](), dict[str, int]()
        self.queries = [queries.setdefault(row.query, len(queries)) for row in rows]
        self.positives = [[texts.setdefault(text, len(texts)) for text in dict.fromkeys(row.pos)] for row in rows]
        self.negatives = [[texts.setdefault(text, len(texts)) for text in dict.fromkeys(row.neg)] for row in rows]
        self.query_texts, self.texts = tuple(queries), tuple(texts)
        self.groups = [row.group for row in rows]
        forms = dict[str, int]()
        self._form = np.array([forms.setdefault(form_of(text), len(forms)) for text in self.texts], dtype=np.int64)
        self._known = self._known_forms(forms)

    def _known_forms(self, forms: dict[str, int]) -> list[frozenset[int]]:
        """Return for each row the forms of texts that answer its query: the query, and its positives in all rows."""
        asked, known = [form_of(text) for text in self.query_texts], dict[str, set[int]]()
        for query, positives in zip(self.queries, self.positives, strict=True):
            form = asked[query]
            found = known.setdefault(form, {forms[form]} if form in forms else set())
            found.update(self._form[positives].tolist())
        shared = {form: frozenset(found) for form, found in known.items()}
        return [shared[asked[query]] for query in self.queries]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.queries)

    def drawn(self, row: int, epoch: int, seed: int, most_negatives: int) -> DrawnRow:
        """Return a row with one of its positives and some of its negatives, which seed, epoch and row decide."""
        draw = np.random.default_rng((seed, epoch, row))
        positives, negatives = self.positives[row], self.negatives[row]
        positive = positives[int(draw.integers(len(positives)))] if len(positives) > 1 else positives[0]
        if len(negatives) > most_negatives:
            chosen = np.sort(draw.choice(len(negatives), most_negatives, replace=False))
            negatives = [negatives[place] for place in chosen.tolist()]
        return DrawnRow(row, self.queries[row], positive, tuple(negatives))

    def others(self, row: int, epoch: int, seed: int, n: int) -> tuple[int, ...]:
        """Return the places of up to n documents of other rows that do not answer the query of a row."""
        draw = np.random.default_rng((seed, epoch, row, 1))
        chosen = draw.choice(len(self.texts), min(len(self.texts), n + len(self._known[row])), replace=False)
        own = set(self.positives[row])
        return tuple(
            place for place in chosen.tolist() if place not in own and int(self._form[place]) not in self._known[row]
        )[:n]

    def batch(self, rows: Sequence[DrawnRow]) -> DrawnBatch:
        """Return a batch of drawn rows, with the documents that count for each of its queries."""
        documents, owner_of = documents_of(rows)
        forms = self._form[documents]
        allowed = np.ones((len(rows), len(documents)), dtype=bool)
        groups = np.array([self.groups[row.row] for row in rows], dtype=object)
        for place, row in enumerate(rows):
            allowed[place] &= ~np.isin(forms, list(self._known[row.row]))
            if groups[place]:
                allowed[place] &= (groups[owner_of] != groups[place]) | (owner_of == place)
            allowed[place, place] = True
        queries = np.array([row.query for row in rows], dtype=np.int64)
        return DrawnBatch(queries, documents, owner_of, allowed)


def documents_of(rows: Sequence[DrawnRow]) -> tuple[Ids, Ids]:
    """Return the documents of a batch and the row of each (m,): the positives, then the negatives row by row."""
    documents = [row.pos for row in rows] + [text for row in rows for text in row.neg]
    owners = [*range(len(rows)), *(place for place, row in enumerate(rows) for _ in row.neg)]
    return np.array(documents, dtype=np.int64), np.array(owners, dtype=np.int64)


class SeededBatches:
    """A trainer's batches: in each epoch all rows in another order, which the seed and the epoch decide."""

    def __init__(self, n_rows: int, batch_size: int, seed: int) -> None:
        self.n_rows, self.batch_size, self.seed, self.epoch = n_rows, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return -(-self.n_rows // self.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Yield the batches of the epoch, each row with the epoch."""
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.n_rows).tolist()
        for start in range(0, self.n_rows, self.batch_size):
            yield [(row, self.epoch) for row in order[start : start + self.batch_size]]


def items_of(rows: Sequence[PairRow]) -> list[str]:
    """Return for each row the item that it is about: rows of one group, and rows that share a text, are of one item.

    Negatives do not count, as a text can be one of many rows.
    """
    parent = list(range(len(rows)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = place = parent[parent[place]]
        return place

    seen: dict[tuple[str, str], int] = {}
    for place, row in enumerate(rows):
        names = [("text", form_of(text)) for text in (row.query, *row.pos)] + [("group", row.group)] * bool(row.group)
        for name in names:
            first, own = sorted((root(seen.setdefault(name, place)), root(place)))
            parent[own] = first
    return [str(root(place)) for place in range(len(rows))]


def texts_of(row: PairRow) -> tuple[str, ...]:
    """Return all texts of a row."""
    return (row.query, *row.pos, *row.neg)
