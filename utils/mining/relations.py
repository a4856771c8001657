"""Which texts of a collection mean the same by their groups, and which are near-duplicates of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from utils.errors import UserError
from utils.mining.cleaning import as_rows, first_of_equals, hash_of
from utils.progress import bar
from utils.words import normal_form

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from utils.mining.text_store import TextStore

    Ints = npt.NDArray[np.int64]

AT_ONCE = 65_536  # texts that are in memory at once
MOST_RELATED = 1000  # mates and near-duplicates of a text: the lists of neighbours are longer by as many


class Relations:
    """The mates of each text, which share a group with it, and its near-duplicates.

    near: equal numbers for texts that differ in case, punctuation, digits and blanks only (n,).
    """

    def __init__(self, near: Ints, places: Ints, groups: Ints) -> None:
        """Keep the near-duplicates (n,) and pairs of a text's place and its group (s,), which are sorted by group."""
        n, n_groups = len(near), int(groups.max(initial=-1)) + 1
        self.near = near
        self._members, self._ends = places, np.searchsorted(groups, np.arange(n_groups + 1))
        order = np.argsort(places, kind="stable")
        self._groups, self._group_ends = groups[order], np.searchsorted(places[order], np.arange(n + 1))

    @property
    def has_groups(self) -> bool:
        """Whether a text has a group."""
        return len(self._members) > 0

    def mates(self, texts: Sequence[int] | Ints) -> Ints:
        """Return the texts that share a group with one of these, which may be among them."""
        groups = [self._groups[self._group_ends[text] : self._group_ends[text + 1]] for text in texts]
        found = [self._members[self._ends[group] : self._ends[group + 1]] for some in groups for group in some.tolist()]
        return np.concatenate(found) if found else np.empty(0, dtype=np.int64)

    def mate_pairs(self, start: int, stop: int) -> tuple[Ints, Ints]:
        """Return the pairs of a text from `start` to `stop`, not included, and a mate (s,), each once, by the text."""
        entries = np.arange(self._group_ends[start], self._group_ends[stop])
        counts = np.diff(self._group_ends[start : stop + 1])
        texts, groups = np.repeat(np.arange(start, stop), counts), self._groups[entries]
        sizes = self._ends[groups + 1] - self._ends[groups]
        offsets = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        ours, mates = np.repeat(texts, sizes), self._members[np.repeat(self._ends[groups], sizes) + offsets]
        both = np.unique(np.stack([ours, mates])[:, ours != mates], axis=1)
        return both[0], both[1]

    def mean_mates(self) -> float:
        """Return how many mates a text with a group has on average, 0 where no text has a group."""
        n_mates = self._n_mates()[np.diff(self._group_ends) > 0]
        return float(n_mates.mean()) if len(n_mates) else 0.0

    def _n_mates(self) -> Ints:
        """Return how many mates each text has, where its groups share no other text (n,)."""
        mates = np.zeros(len(self.near), dtype=np.int64)
        texts = np.repeat(np.arange(len(self.near)), np.diff(self._group_ends))
        np.add.at(mates, texts, np.diff(self._ends)[self._groups] - 1)
        return mates

    def most_related(self) -> int:
        """Return how many mates and near-duplicates a text has at most, itself not counted.

        Raises UserError where they are so many that no list of neighbours holds them.
        """
        n_near = np.bincount(self.near)[self.near] - 1
        mates = self._n_mates()
        if (most := int(mates.max(initial=0))) > MOST_RELATED:
            what = f"a text shares its groups with {most:,} others, more than {MOST_RELATED:,}"
            raise UserError(what, "--group_column takes the column of texts that mean the same, such as translations")
        if (most := int(n_near.max(initial=0))) > MOST_RELATED:
            what = f"a text has {most:,} near-duplicates, more than {MOST_RELATED:,}"
            raise UserError(what, "drop them: --duplicates near")
        return int((n_near + mates).max(initial=0))


def relations_of(texts: TextStore) -> Relations:
    """Return the groups and the near-duplicates of the texts of a collection."""
    hashes = bytearray()
    with bar(len(texts), "finding near-duplicates", "texts") as advance:
        for start in range(0, len(texts), AT_ONCE):
            some = texts.texts(slice(start, start + AT_ONCE))
            hashes += b"".join(hash_of(normal_form(text)) for text in some)
            advance(len(some))
    return Relations(first_of_equals(as_rows(hashes)), *texts.members())
