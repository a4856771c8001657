"""Cleaning of a collection: lengths, languages, duplicates; what is left is written to a store of texts."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.data.language_id import check_language, sure_code
from utils.errors import UserError, counted
from utils.files import build_folder, fingerprint, writable
from utils.mining.text_store import ABOUT, TextStore, TextWriter, is_sound
from utils.progress import BYTES, bar
from utils.words import normal_form

if TYPE_CHECKING:
    import numpy.typing as npt

    from utils.mining.collections import Collection

    Ints = npt.NDArray[np.int64]
    Hashes = npt.NDArray[np.uint64]

DEDUPLICATIONS = ("none", "exact", "near")
VERSION = 3  # of the stores
GROUPS_VERSION = 2  # of what counts as a group, in the stores that have groups


@dataclass(frozen=True)
class Cleaning:
    """What is dropped from a collection.

    Texts without a character that is not blank; texts of fewer than `min_chars` or more than `max_chars` characters;
    with `language` (a code of pycld2, such as "de") those that pycld2 is sure are in another one; then of duplicates
    all but the first: "exact" ones, or "near" ones, which are equal but for case, punctuation, digits and blanks.
    """

    min_chars: int = 1
    max_chars: int | None = None
    language: str | None = None
    duplicates: str = "exact"


def cleaned(collection: Collection, cleaning: Cleaning, root: Path) -> TextStore:
    """Return the texts of a collection that cleaning keeps; they are written once for the same files and settings.

    Raises UserError where nothing is left, and as reading does.
    """
    check_language(cleaning.language)
    files = [
        {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256}
        for path, sha256 in zip(collection.files, collection.hashes(), strict=True)
    ]
    settings = {
        "version": VERSION,
        "files": files,
        "columns": collection.columns,
        "cleaning": asdict(cleaning),
        **({"groups": GROUPS_VERSION} if collection.group_column else {}),
    }
    folder = root / "texts" / fingerprint(settings)
    store = TextStore(build_folder(folder, ABOUT, lambda part: _write(collection, cleaning, files, part), is_sound))
    if not len(store):
        steps = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in store.about["counts"].items())
        hint = "check the files, and the flags of cleaning" if store.about["counts"]["read"] else "check the files"
        raise UserError(f"the {collection.name} collection has no text: {steps}", hint)
    return store


def _write(collection: Collection, cleaning: Cleaning, files: Sequence[dict[str, Any]], folder: Path) -> None:
    """Write the store of a collection into a folder."""
    writer, counts = TextWriter(folder), dict.fromkeys(("read", "empty", "too_short", "too_long", "other_language"), 0)
    form = FORMS[cleaning.duplicates]
    hashes, present = bytearray(), array("q")  # for a list, each would be an object
    for key, text, group in _rows(collection, cleaning, counts):
        if text is not None:
            present.append(writer.n)
            if form is not None:
                hashes += hash_of(form(text))
        writer.add(key, text or "", group)
    first, rows = np.full(writer.n, -1), np.asarray(present, dtype=np.int64)
    first[rows] = rows
    if form is not None:
        first[rows] = rows[first_of_equals(as_rows(hashes))]
    kept = np.flatnonzero(first == np.arange(writer.n))
    counts |= {"duplicates": len(rows) - len(kept), "kept": len(kept)}
    writer.close(kept, first, {"files": list(files), "cleaning": asdict(cleaning), "counts": counts})


def _rows(
    collection: Collection, cleaning: Cleaning, counts: dict[str, int]
) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield the id, the text and the group of each row, and count them; None for a text that is dropped by itself."""
    other = _is_other_language(cleaning.language)
    longest = cleaning.max_chars or float("inf")
    with bar(collection.n_bytes, f"cleaning ({collection.name})", BYTES) as advance:
        for number, (key, text, group) in enumerate(collection.rows(advance), start=1):
            counts["read"] += 1
            text = writable(text.strip())[0]  # no encoder takes halves of surrogate pairs
            reason = ""
            if not text:
                reason = "empty"
            elif len(text) < cleaning.min_chars:
                reason = "too_short"
            elif len(text) > longest:
                reason = "too_long"
            elif other is not None and other(text):
                reason = "other_language"
            if reason:
                counts[reason] += 1
            yield str(number) if key is None else key, None if reason else text, group


FORMS: dict[str, Callable[[str], str] | None] = {"none": None, "exact": str, "near": normal_form}


def hash_of(text: str) -> bytes:
    """Return the hash of a text, 16 bytes; equal hashes stand for equal texts."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def as_rows(hashes: bytes | bytearray) -> Hashes:
    """Return n hashes of 16 bytes, which follow each other, as rows (n, 2)."""
    return np.frombuffer(hashes, dtype=np.uint64).reshape(-1, 2)


def first_of_equals(hashes: Hashes) -> Ints:
    """Return for each row of hashes (n, 2) the number of the first row that equals it (n,)."""
    n = len(hashes)
    order = np.lexsort((np.arange(n), hashes[:, 1], hashes[:, 0]))
    ordered = hashes[order]
    starts = np.ones(n, dtype=bool)
    starts[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    first = np.empty(n, dtype=np.int64)
    first[order] = order[starts][np.cumsum(starts) - 1]
    return first


def _is_other_language(language: str | None) -> Callable[[str], bool] | None:
    """Return whether a text is surely in another language than this one; None where that is not asked."""
    return None if language is None else lambda text: sure_code(text) not in (language, "")


def describe(store: TextStore, name: str) -> str:
    """Return a line with the counts of cleaning: what was read, dropped and kept."""
    counts = store.about["counts"]
    dropped = ", ".join(
        f"{counts[step]:,} {step.replace('_', ' ')}" for step in counts if step not in ("read", "kept") and counts[step]
    )
    return f"{name}: {counted(counts['read'], 'text')} read, {counts['kept']:,} kept" + (
        f" ({dropped})" if dropped else ""
    )
