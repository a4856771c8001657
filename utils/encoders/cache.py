"""The embedding cache: vectors on disk, keyed by text and by what decides them."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.errors import UserError
from utils.files import fingerprint, text_key, write_atomic

if TYPE_CHECKING:
    from utils.schema import Rows


CHUNK = 512  # texts per chunk; a killed run loses at most one chunk


class EmbeddingCache:
    """The cached vectors (d,) of one encoder with one set of settings."""

    def __init__(self, root: Path, settings: Mapping[str, Any], chunk: int = CHUNK) -> None:
        self.folder = root / "embeddings" / fingerprint(settings)
        self.settings, self.chunk = dict(settings), chunk
        self.hits = self.misses = 0  # distinct texts of the last call that were in the cache, and that were not
        self._where: dict[str, tuple[str, int]] = {}  # text key -> (chunk, row)
        self._chunks: dict[str, Rows] = {}
        self._read_sidecars()

    def missing(self, texts: Sequence[str]) -> list[str]:
        """Return the distinct texts that have no vector yet, longest first.

        The order depends on the texts only, so a resumed run forms the same batches as an uninterrupted one.
        """
        return sorted(
            (text for text in dict.fromkeys(texts) if text_key(text) not in self._where), key=lambda t: (-len(t), t)
        )

    def rows(self, texts: Sequence[str], encode: Callable[[list[str]], Rows]) -> Rows:
        """Return one float32 row per text (n, d); missing texts are encoded and written chunk by chunk."""
        self._check_chunks(texts)
        missing = self.missing(texts)
        distinct = len(set(texts))
        self.hits, self.misses = distinct - len(missing), len(missing)
        for start in range(0, len(missing), self.chunk):
            chunk = missing[start : start + self.chunk]
            self._write(chunk, encode(chunk))
        gathered = self._gather(texts)
        self._chunks.clear()  # so that memory does not grow with the number of languages
        return gathered

    def _read_sidecars(self) -> None:
        for sidecar in sorted(self.folder.glob("*.json")):
            try:
                content = json.loads(sidecar.read_text(encoding="utf-8"))
                name, keys = content["rows"], content["texts"]
            except (ValueError, KeyError, TypeError, OSError):
                print(f"note: the cache entry {sidecar.name} is broken; its texts are encoded again", file=sys.stderr)
                sidecar.unlink(missing_ok=True)
                continue
            for row, key in enumerate(keys):
                self._where.setdefault(key, (name, row))

    def _check_chunks(self, texts: Sequence[str]) -> None:
        """Load the chunks that these texts need; drop chunks that are missing or altered."""
        needed = {self._where[key][0] for key in map(text_key, texts) if key in self._where}
        for name in sorted(needed - self._chunks.keys()):
            rows = _read_chunk(self.folder / name)
            if rows is None:
                print(f"note: the cache entry {name} is broken; its texts are encoded again", file=sys.stderr)
                self._where = {key: place for key, place in self._where.items() if place[0] != name}
            else:
                self._chunks[name] = rows

    def _write(self, texts: Sequence[str], rows: Rows) -> None:
        if rows.shape[0] != len(texts) or rows.ndim != 2:
            raise UserError(
                f"the encoder returned an array {rows.shape} for {len(texts)} texts",
                "check that the checkpoint is an encoder",
            )
        if not np.isfinite(rows).all():
            bad = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise UserError(
                f"the encoder returned NaN or infinity, first for the text {texts[bad][:60]!r}",
                "half precision may have overflowed: use --dtype bf16 or fp32",
            )
        content = np.ascontiguousarray(rows, dtype=np.float32)
        digest = hashlib.sha256(content.tobytes()).hexdigest()
        name = f"{digest[:32]}.npy"
        keys = [text_key(text) for text in texts]
        write_atomic(self.folder / name, _npy_bytes(content))
        sidecar = {"rows": name, "shape": list(content.shape), "settings": self.settings, "texts": keys}
        write_atomic(self.folder / f"{fingerprint({'texts': keys})}.json", json.dumps(sidecar).encode())
        self._chunks[name] = content
        for row, key in enumerate(keys):
            self._where[key] = (name, row)

    def _gather(self, texts: Sequence[str]) -> Rows:
        places = [self._where[text_key(text)] for text in texts]
        width = self._chunks[places[0][0]].shape[1]
        out = np.empty((len(texts), width), dtype=np.float32)
        for index, (name, row) in enumerate(places):
            out[index] = self._chunks[name][row]
        return out


def _npy_bytes(rows: Rows) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    return buffer.getvalue()


def _read_chunk(path: Path) -> Rows | None:
    """Return a chunk as a memory map, or None where its content does not match the hash in its name."""
    try:
        rows: Rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if rows.dtype != np.float32 or rows.ndim != 2 or hashlib.sha256(rows.tobytes()).hexdigest()[:32] != path.stem:
        return None
    return rows
