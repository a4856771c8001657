"""The embedding cache: vectors on disk, keyed by text and by what decides them."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.encoders.chunk_forms import DENSE, ChunkForm, digest
from utils.errors import UserError
from utils.files import fingerprint, text_key, write_atomic
from utils.numerics import nan_hint
from utils.retrieval.mapped_rows import new_rows, release
from utils.retrieval.token_rows import offsets_of, places_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from utils.schema import Rows, Vectors

    Ints = npt.NDArray[np.int64]
    Lengths = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]  # tokens (n,) before and after texts are cut
    Counted = tuple[Rows, Lengths | None]


CHUNK = 512  # texts per chunk; a killed run loses at most one chunk


class EmbeddingCache:
    """The cached vectors of one encoder with one set of settings; `form` is the kind of its rows.

    same: other settings that give the same vectors, which are read as well.
    """

    def __init__(
        self,
        root: Path,
        settings: Mapping[str, Any],
        chunk: int = CHUNK,
        form: ChunkForm = DENSE,
        same: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.folder, *others = (root / "embeddings" / fingerprint(each) for each in (settings, *same))
        self.settings, self.chunk, self.form = dict(settings), chunk, form
        self.hits = self.misses = 0  # distinct texts of the last call that were in the cache, and that were not
        self._where: dict[str, tuple[str, int]] = {}  # text key -> (chunk, row)
        self._shapes: dict[str, tuple[Ints | None, int]] = {}  # chunk -> each row's number of items, and the width
        self._lengths: dict[str, tuple[int, int]] = {}  # text key -> tokens before and after the text was cut
        self._homes: dict[str, Path] = {}  # chunk -> its folder
        for folder in (self.folder, *others):
            self._read_sidecars(folder)

    def missing(self, texts: Sequence[str]) -> list[str]:
        """Return the distinct texts that have no vector yet, longest first.

        The order depends on the texts only, so a resumed run forms the same batches as an uninterrupted one.
        """
        return sorted(
            (text for text in dict.fromkeys(texts) if text_key(text) not in self._where), key=lambda t: (-len(t), t)
        )

    def rows(self, texts: Sequence[str], encode: Callable[[list[str]], Vectors | Counted]) -> Any:
        """Return one row of the form per text (n, d); missing texts are encoded and written chunk by chunk.

        Rows that are too large for memory are in a file (`new_rows`). `encode` returns rows, or rows and each text's
        numbers of tokens before and after it was cut.
        """
        self._check_chunks(texts)
        missing = self.missing(texts)
        distinct = len(set(texts))
        self.hits, self.misses = distinct - len(missing), len(missing)
        for start in range(0, len(missing), self.chunk):
            chunk = missing[start : start + self.chunk]
            encoded = encode(chunk)
            rows, lengths = encoded if isinstance(encoded, tuple) else (encoded, None)
            self._write(chunk, rows, lengths)
        return self._gather(texts)

    def add(self, texts: Sequence[str], rows: Rows, lengths: Lengths | None) -> None:
        """Write the rows (n, d) of those of some distinct texts that have none, and their numbers of tokens.

        Raises UserError for rows that are no vectors of these texts.
        """
        kept = [place for place, text in enumerate(texts) if text_key(text) not in self._where]
        if kept:
            tokens = None if lengths is None else (lengths[0][kept], lengths[1][kept])
            self._write([texts[place] for place in kept], np.ascontiguousarray(rows[kept]), tokens)

    def cut_texts(self, texts: Sequence[str]) -> dict[str, int]:
        """Return how many distinct texts were cut, and the tokens that all have and that were lost.

        It is empty where a text has no count: of encoders without tokens, and in caches of earlier versions.
        """
        lengths = [self._lengths.get(text_key(text)) for text in dict.fromkeys(texts)]
        known = [pair for pair in lengths if pair is not None]
        if len(known) < len(lengths):
            return {}
        lost = [full - kept for full, kept in known]
        return {"cut": sum(map(bool, lost)), "tokens": sum(full for full, _ in known), "tokens_lost": sum(lost)}

    def _read_sidecars(self, folder: Path) -> None:
        for sidecar in sorted(folder.glob("*.json")):
            content = _read_sidecar(sidecar, is_ragged=self.form.is_ragged)
            if content is None:
                print(f"note: the cache entry {sidecar.name} is broken; its texts are encoded again", file=sys.stderr)
                with contextlib.suppress(OSError):  # a cache that others own is only read
                    sidecar.unlink()
                continue
            lengths = np.asarray(content["lengths"], dtype=np.int64) if self.form.is_ragged else None
            self._homes.setdefault(content["rows"], folder)
            self._shapes[content["rows"]] = lengths, content["shape"][-1]
            for row, key in enumerate(content["texts"]):
                self._where.setdefault(key, (content["rows"], row))
            if pairs := _lengths_of(content):
                self._lengths.update(zip(content["texts"], pairs, strict=True))

    def _check_chunks(self, texts: Sequence[str]) -> None:
        """Read the chunks that these texts need; drop chunks that are missing, altered or too short."""
        needed: dict[str, int] = {}
        for key in map(text_key, texts):
            if key in self._where:
                name, row = self._where[key]
                needed[name] = max(row, needed.get(name, 0))
        broken = {name for name in sorted(needed) if not self._is_whole(name, needed[name])}
        for name in sorted(broken):
            print(f"note: the cache entry {name} is broken; its texts are encoded again", file=sys.stderr)
        if broken:
            self._where = {key: place for key, place in self._where.items() if place[0] not in broken}

    def _is_whole(self, name: str, last: int) -> bool:
        """Return whether the content of a chunk matches the hash in its name, and has a row of this number."""
        lengths, width = self._shapes[name]
        items = _read_items(self._homes[name] / name)
        if items is None or not self.form.is_whole(items, lengths) or digest(items, lengths, width) != Path(name).stem:
            return False
        if lengths is None:
            self._shapes[name] = None, items.shape[1]
        return last < len(items if lengths is None else lengths)

    def _write(self, texts: Sequence[str], rows: Any, lengths: Lengths | None) -> None:
        if rows.shape[0] != len(texts) or len(rows.shape) != 2:
            raise UserError(
                f"the encoder returned an array {rows.shape} for {len(texts)} texts",
                "check that the checkpoint is an encoder",
            )
        items, counts = self.form.pack(rows)
        values = self.form.values(items)
        if not np.isfinite(values).all():
            bad = int(np.argwhere(~np.isfinite(values))[0, 0])
            bad = bad if counts is None else int(np.searchsorted(counts.cumsum(), bad, side="right"))
            at = "" if (layer := self.settings.get("layer")) is None else f" at layer {layer}"
            raise UserError(
                f"the encoder returned NaN or infinity{at}, first for the text {texts[bad][:60]!r}",
                nan_hint(str(self.settings.get("dtype"))),
            )
        name = f"{digest(items, counts, rows.shape[1])}.npy"
        keys = [text_key(text) for text in texts]
        write_atomic(self.folder / name, _npy_bytes(items))
        sidecar = {"rows": name, "shape": list(rows.shape), "settings": self.settings, "texts": keys}
        sidecar |= {} if counts is None else {"lengths": counts.tolist()}
        if lengths is not None:
            sidecar |= {"tokens": lengths[0].tolist(), "tokens_kept": lengths[1].tolist()}
            self._lengths.update(zip(keys, zip(*(part.tolist() for part in lengths), strict=True), strict=True))
        write_atomic(self.folder / f"{fingerprint({'texts': keys})}.json", json.dumps(sidecar).encode())
        self._shapes[name], self._homes[name] = (counts, rows.shape[1]), self.folder
        for row, key in enumerate(keys):
            self._where[key] = (name, row)

    def _gather(self, texts: Sequence[str]) -> Any:
        """Return the rows of texts, a chunk after the other: no more than one is open, however many there are."""
        places = [self._where[text_key(text)] for text in texts]
        members: dict[str, list[int]] = {}  # chunk -> the texts that it has
        for index, (name, _) in enumerate(places):
            members.setdefault(name, []).append(index)
        widths = sorted({self._shapes[name][1] for name in members})
        if len(widths) > 1:
            what = f"the cache has vectors of {' and '.join(map(str, widths))} dimensions under one encoder"
            raise UserError(what, f"delete {self.folder}, or use another --cache_dir")
        rows = np.array([row for _, row in places], dtype=np.int64)
        lengths = np.ones(len(places), dtype=np.int64)
        for name, chosen in members.items():
            counts, _ = self._shapes[name]
            if counts is not None:
                lengths[chosen] = counts[rows[chosen]]
        offsets = offsets_of(lengths)
        items = new_rows((int(offsets[-1]), *widths)[: self.form.n_axes], self.folder, self.form.dtype)
        for name, chosen in members.items():
            items[places_of(offsets, np.asarray(chosen))] = self._read_rows(name, rows[chosen])
            release(items)
        return self.form.unpack(items, lengths if self.form.is_ragged else None, widths[0], self.folder)

    def _read_rows(self, name: str, rows: Ints) -> npt.NDArray[Any]:
        """Return the items of some rows of a chunk."""
        counts, _ = self._shapes[name]
        items = _read_items(self._homes[name] / name)
        if items is None:
            raise UserError(f"the cache entry {name} cannot be read any more", "run the same command again")
        found: npt.NDArray[Any] = items[rows if counts is None else places_of(offsets_of(counts), rows)]
        return found


def _read_sidecar(path: Path, *, is_ragged: bool) -> dict[str, Any] | None:
    """Return the content of a sidecar, or None where it does not name one row for each of its texts.

    is_ragged: whether it has to have the number of each row's items.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        name, keys, n_rows = content["rows"], content["texts"], content["shape"][0]
        is_whole = (
            type(keys) is list and len(keys) == n_rows == len(set(keys)) and all(isinstance(key, str) for key in keys)
        )
        if is_ragged:
            lengths, width = content["lengths"], content["shape"][1]
            is_whole &= len(lengths) == len(keys) and all(type(n) is int and n >= 0 for n in (*lengths, width))
        return content if is_whole and Path(name).name == name and name.endswith(".npy") else None
    except (ValueError, LookupError, TypeError, AttributeError, OSError, RecursionError):
        return None


def _lengths_of(sidecar: Mapping[str, Any]) -> list[tuple[int, int]] | None:
    """Return the numbers of tokens in a sidecar, one pair for each text; None where it has none that make sense."""
    full, kept = sidecar.get("tokens"), sidecar.get("tokens_kept")
    n_texts = len(sidecar["texts"])
    if not (isinstance(full, list) and isinstance(kept, list) and len(full) == len(kept) == n_texts):
        return None
    pairs = list(zip(full, kept, strict=True))
    return pairs if all(type(a) is type(b) is int and 0 <= b <= a for a, b in pairs) else None


def _npy_bytes(rows: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    return buffer.getvalue()


def _read_items(path: Path) -> Any:
    """Return the array of a chunk as a memory map, or None where there is none."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
