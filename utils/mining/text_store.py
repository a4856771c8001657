"""The texts of a cleaned collection in files: a text is in memory only while it is needed."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]

TEXTS, IDS, ENDS, ID_ENDS, KEPT, FIRST, GROUPS, ABOUT = (
    *("texts.bin", "ids.bin", "text_ends.npy", "id_ends.npy", "kept.npy", "first.npy", "groups.npy"),
    "collection.json",
)


def is_sound(folder: Path) -> bool:
    """Return whether the files of a store have the sizes that they tell of each other; no text is read."""
    try:
        counts = json.loads((folder / ABOUT).read_text(encoding="utf-8"))["counts"]
        ends, id_ends, kept, first = (np.load(folder / name, mmap_mode="r") for name in (ENDS, ID_ENDS, KEPT, FIRST))
        others = [np.load(path, mmap_mode="r") for path in (folder / GROUPS,) if path.is_file()]
        if any(part.shape != (counts["read"],) for part in (ends, id_ends, first, *others)):
            return False
        sizes = tuple((folder / name).stat().st_size for name in (TEXTS, IDS))
        stated = tuple(int(stops[-1]) if len(stops) else 0 for stops in (ends, id_ends))
        return sizes == stated and kept.shape == (counts["kept"],)
    except (ValueError, OSError, EOFError, KeyError, TypeError):
        return False


SEVERAL = -2  # the place of an id that several texts have


class TextStore:
    """The rows that cleaning kept, in the order of the collection; `len` is their number. Others have their ids only.

    about: the counts at each step, and the files with their hashes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.about: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        self._kept: Ints = np.load(folder / KEPT, mmap_mode="r")

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self._kept)

    def texts(self, numbers: Sequence[int] | Ints | slice) -> list[str]:
        """Return the texts of these numbers, which count the rows that were kept from 0."""
        return self._read(TEXTS, ENDS, self._kept[numbers])

    def ids(self, numbers: Sequence[int] | Ints | slice) -> list[str]:
        """Return the ids of these numbers: those of the files, or the places in the collection, counted from 1."""
        return self._read(IDS, ID_ENDS, self._kept[numbers])

    def places(self, wanted: set[str]) -> dict[str, int]:
        """Return where the texts with these ids are among those kept; -1 for one that was dropped, SEVERAL for an id
        of texts that differ.

        A duplicate has the place of the text that it equals. Ids that the collection does not have are left out.
        """
        first: Ints = np.load(self.folder / FIRST, mmap_mode="r")
        found: dict[str, int] = {}
        for row, key in enumerate(self._all_ids()):
            if key in wanted:
                place = int(np.searchsorted(self._kept, first[row])) if first[row] >= 0 else -1
                found[key] = place if found.get(key, place) == place else SEVERAL
        return found

    def members(self) -> tuple[Ints, Ints]:
        """Return places of texts and the numbers of their groups (s,), (s,), each pair once, by group and place.

        A text has the groups of all duplicates that it stands for. A collection without groups has no such pair.
        """
        path = self.folder / GROUPS
        nothing = np.empty(0, dtype=np.int64)
        if not path.is_file():
            return nothing, nothing
        groups, first = np.load(path), np.load(self.folder / FIRST, mmap_mode="r")
        rows = np.flatnonzero((groups >= 0) & (first >= 0))
        places = np.searchsorted(self._kept, first[rows])
        both = np.unique(np.stack([groups[rows], places]), axis=1)
        return both[1], both[0]

    def _all_ids(self) -> Iterator[str]:
        n, step = len(np.load(self.folder / ID_ENDS, mmap_mode="r")), 65_536
        for start in range(0, n, step):
            yield from self._read(IDS, ID_ENDS, np.arange(start, min(n, start + step)))

    def _read(self, content: str, ends: str, rows: Ints) -> list[str]:
        """Return what is in the file of texts, or of ids, at these rows of the collection."""
        stops: Ints = np.load(self.folder / ends, mmap_mode="r")
        rows = np.asarray(rows)
        starts = np.where(rows > 0, stops[np.maximum(rows - 1, 0)], 0)
        found = [""] * len(rows)
        with (self.folder / content).open("rb") as file:
            for place in np.argsort(rows, kind="stable").tolist():  # in the order of the file
                file.seek(int(starts[place]))
                found[place] = file.read(int(stops[rows[place]] - starts[place])).decode("utf-8", "surrogatepass")
        return found


class TextWriter:
    """Writes a store into a folder: the rows one by one, then which of them are kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = [(folder / name).open("wb") for name in (TEXTS, IDS)]
        self._ends = array("q"), array("q")  # for a list, each would be an object
        self._at = [0, 0]
        self._numbers: dict[str, int] = {}
        self._groups = array("q")
        self.n = 0

    def add(self, key: str, text: str, group: str | None = None) -> None:
        """Add a row; groups are numbered in the order in which they occur."""
        if group is not None:
            self._groups.extend([-1] * (self.n - len(self._groups)))
            self._groups.append(self._numbers.setdefault(group, len(self._numbers)))
        for side, value in enumerate((text, key)):
            content = value.encode("utf-8", "surrogatepass")
            self._files[side].write(content)
            self._at[side] += len(content)
            self._ends[side].append(self._at[side])
        self.n += 1

    def close(self, kept: Ints, first: Ints, about: Mapping[str, Any]) -> None:
        """Write which rows are kept (k,), and what the manifest tells.

        first: the first row that each row equals, its own number where it is the first, -1 where it is dropped (n,).
        """
        for file in self._files:
            file.close()
        for ends, name in zip(self._ends, (ENDS, ID_ENDS), strict=True):
            np.save(self.folder / name, np.asarray(ends, dtype=np.int64))
        if self._groups:
            self._groups.extend([-1] * (self.n - len(self._groups)))
            np.save(self.folder / GROUPS, np.asarray(self._groups, dtype=np.int64))
        np.save(self.folder / KEPT, kept.astype(np.int64))
        np.save(self.folder / FIRST, first.astype(np.int64))
        (self.folder / ABOUT).write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")
