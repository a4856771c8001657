"""The vectors of a collection in files, one for each shard of texts, which are written once and then reused."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.encoders.cached import GPU_CHUNK, cache_settings, load_encoder, open_encoder
from utils.encoders.reduced import first_dimensions
from utils.errors import UserError, counted
from utils.files import fingerprint, write_atomic
from utils.mining.text_store import TextStore
from utils.mining.work import Desk, Here
from utils.progress import bar, by_batches

if TYPE_CHECKING:
    import numpy.typing as npt

    from utils.api.limiter import Budget
    from utils.api.limits import ApiOptions
    from utils.mining.work import Workers
    from utils.schema import EncoderSpec, Rows

STORE_DTYPES = ("float16", "bfloat16", "int8", "float32")
BYTES = {"float16": 2, "bfloat16": 2, "int8": 1, "float32": 4}  # of a number
NUMBERS = {"bfloat16": "uint16"}  # the types of the files where they have another name
SHARD = 65_536  # texts of a shard
CHUNK = 2048  # texts that are encoded in one call on a CPU
SCALE = 4  # bytes at the end of a row of int8, which are its scale

Encode = Callable[[Sequence[str]], "Rows"]


class LazyEncoder:
    """The encoder of a spec, which is loaded when the first text is encoded.

    A local one is loaded without the cache of single texts, which does not reach this size; one of an API has its
    cache of responses, which have a price.
    """

    def __init__(
        self, spec: EncoderSpec, device: str, cache_dir: Path, api: tuple[ApiOptions, Budget] | None = None
    ) -> None:
        self.spec, self.device, self.cache_dir, self._api = spec, device, cache_dir, api
        self._encode: Encode | None = None
        self.chunk = GPU_CHUNK if device == "cuda" else CHUNK

    def __call__(self, texts: Sequence[str]) -> Rows:
        """Return one float32 row per text (n, d); raises UserError for a text that has no vector."""
        if self._encode is None:
            self._encode = self._open()
        rows = self._encode(texts)
        if self.spec.dimensions and not self.spec.provider:
            rows = first_dimensions(rows, self.spec)
        bad = ~np.isfinite(rows).all(axis=1) | ~rows.any(axis=1)
        if bad.any():
            what = f"the encoder has no vector for {counted(int(bad.sum()), 'text')}: {texts[int(bad.argmax())][:60]!r}"
            raise UserError(what, "drop such texts by --min_chars or --max_chars, or use --dtype fp32")
        return rows

    def _open(self) -> Encode:
        if self.spec.provider:
            encoder = open_encoder(self.spec, self.device, self.cache_dir, self._api)
            return lambda texts: np.asarray(encoder.embed(texts, [])[0], dtype=np.float32)
        return load_encoder(self.spec, self.device, self.cache_dir).encode

    def identity(self) -> dict[str, Any]:
        """Return what decides the vectors."""
        spec = self.spec
        of_api = {"provider": spec.provider, "base_url": spec.base_url, "input_type": spec.input_type}
        return {
            **cache_settings(spec),
            "dimensions": spec.dimensions,
            **({**of_api, "checkpoint": spec.checkpoint} if spec.provider else {}),
        }


@dataclass(frozen=True)
class RowStore:
    """The vectors of the texts of one side: `paths` has the file of each shard, whose texts follow each other."""

    paths: tuple[Path, ...]
    bounds: tuple[int, ...]  # the number of the first text of each shard, and that of all texts at the end
    dtype: str

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.bounds[-1]

    def part(self, first: int, last: int) -> RowStore:
        """Return the shards `first` to `last`, which is not included, as a store of their own."""
        bounds = tuple(bound - self.bounds[first] for bound in self.bounds[first : last + 1])
        return RowStore(self.paths[first:last], bounds, self.dtype)

    def load(self, first: int, last: int) -> Rows:
        """Return the rows of the shards `first` to `last`, which is not included, in float32 (n, d)."""
        start = self.bounds[first]
        rows = np.empty((self.bounds[last] - start, self.dimensions), dtype=np.float32)
        for number in range(first, last):
            part = slice(self.bounds[number] - start, self.bounds[number + 1] - start)
            rows[part] = unpacked(np.load(self.paths[number]), self.dtype)
        return rows

    def rows(self, numbers: npt.NDArray[np.int64]) -> Rows:
        """Return the rows of these numbers in float32 (n, d); of a shard, only they are read."""
        found = np.empty((len(numbers), self.dimensions), dtype=np.float32)
        shards = np.searchsorted(self.bounds, numbers, side="right") - 1
        for shard in np.unique(shards).tolist():
            at = np.flatnonzero(shards == shard)
            stored = np.load(self.paths[shard], mmap_mode="r")
            found[at] = unpacked(np.asarray(stored[numbers[at] - self.bounds[shard]]), self.dtype)
        return found

    @property
    def dimensions(self) -> int:
        """Return the number of dimensions of a row."""
        width = int(np.load(self.paths[0], mmap_mode="r").shape[1])
        return width - SCALE if self.dtype == "int8" else width

    def key(self) -> str:
        """Return the hash of what decides the rows; it names what follows from them."""
        return fingerprint({"shards": [path.stem for path in self.paths], "folder": self.paths[0].parent.name})


@dataclass(frozen=True)
class EncodeShard:
    """The task to encode the texts `start` to `stop` of a cleaned collection and to write their rows."""

    texts: Path
    start: int
    stop: int
    path: Path
    dtype: str

    @property
    def size(self) -> int:
        """The number of texts."""
        return self.stop - self.start

    @property
    def numbers(self) -> str:
        """The type of the numbers in the file."""
        return NUMBERS.get(self.dtype, self.dtype)

    def __call__(self, desk: Desk, advance: Callable[[int], object]) -> None:
        """Encode the texts, and write the shard."""
        assert desk.encode is not None
        texts = TextStore(self.texts).texts(slice(self.start, self.stop))
        content = io.BytesIO()
        np.save(content, packed(_encode_shard(texts, desk.encode, advance), self.dtype))
        write_atomic(self.path, content.getvalue())


def encoded(
    texts: TextStore, encode: LazyEncoder, dtype: str, size: int, root: Path, name: str, workers: Workers | None = None
) -> RowStore:
    """Return the rows of texts in shards of `size` texts; the shards that are there already are not encoded again.

    A shard is named by its texts, in the folder of the encoder and the type. A process that is killed loses the shard
    in hand. `workers` have encoders of their own; an API is asked by this process, which has its key and its limits.
    Raises UserError as encoders do.
    """
    folder = root.absolute() / "rows" / fingerprint({**encode.identity(), "store_dtype": dtype})
    bounds = (*range(0, len(texts), size), len(texts))
    shards = list(itertools.pairwise(bounds))
    with bar(len(texts), f"reading texts ({name})", "texts") as advance:
        paths = [folder / f"{_key_of(texts, *shard, advance)}.npy" for shard in shards]
    tasks = [
        EncodeShard(texts.folder.absolute(), *shard, path, dtype) for shard, path in zip(shards, paths, strict=True)
    ]
    where = workers if workers and not encode.spec.provider else Here(Desk(encode))
    width, trusted = _width(folder), False
    while missing := [task for task in tasks if not is_whole(task.path, (task.size, width), task.numbers)]:
        with bar(sum(task.size for task in missing), f"encoding ({name})", "texts") as advance:
            for _ in where.run(missing, advance):
                pass
        if trusted:
            break
        width, trusted = np.load(missing[0].path, mmap_mode="r").shape[1], True  # others than the new one are broken
    return RowStore(tuple(paths), bounds, dtype)


def _width(folder: Path) -> int | None:
    """Return the width of the rows in a folder: that of more than half of the shards; None where there is none.

    -1, which no shard has, where no width is that of most: it is not known which shards are broken.
    """
    widths: Counter[int] = Counter()
    for path in folder.glob("*.npy"):
        with contextlib.suppress(ValueError, OSError, EOFError, IndexError):
            widths[np.load(path, mmap_mode="r").shape[1]] += 1
    if not widths:
        return None
    width, n = widths.most_common(1)[0]
    return width if 2 * n > widths.total() else -1


def _encode_shard(texts: Sequence[str], encode: LazyEncoder, advance: Callable[[int], object]) -> Rows:
    """Return the rows of a shard; each distinct text is encoded once, the longest first, in chunks of equal lengths."""
    distinct = sorted(dict.fromkeys(texts), key=lambda text: (-len(text), text))
    place = {text: number for number, text in enumerate(distinct)}
    parts = []
    for start in range(0, len(distinct), encode.chunk):
        chunk = distinct[start : start + encode.chunk]
        with by_batches(len(chunk), advance):
            parts.append(encode(chunk))
    advance(len(texts) - len(distinct))
    rows: Rows = np.concatenate(parts)[[place[text] for text in texts]]
    return rows


def _key_of(texts: TextStore, start: int, stop: int, advance: Callable[[int], object]) -> str:
    """Return the hash of a shard's texts, which are those from `start` to `stop`, not included."""
    found = hashlib.sha256()
    for text in texts.texts(slice(start, stop)):
        content = text.encode("utf-8", "surrogatepass")
        found.update(len(content).to_bytes(8, "little") + content)
    advance(stop - start)
    return found.hexdigest()[:32]


def is_whole(
    path: Path, shape: tuple[int | None, ...], numbers: str, again: str = "its texts are encoded again"
) -> bool:
    """Return whether a file has an array of a shape, in which None stands for any size, and of a type of numbers.

    A note says what follows where it cannot be read, or has another array.
    """
    if not path.is_file():
        return False
    try:
        stored = np.load(path, mmap_mode="r")
        fits = len(stored.shape) == len(shape) and stored.dtype == numbers
        if fits and all(wanted in (None, size) for size, wanted in zip(stored.shape, shape, strict=True)):
            return True
    except (ValueError, OSError, EOFError, TypeError):
        pass
    print(f"note: {path.name} is broken; {again}", file=sys.stderr)
    return False


def packed(rows: Rows, dtype: str) -> npt.NDArray[Any]:
    """Return rows (n, d) as they are stored, rounded to the nearest.

    int8: each row is divided by a scale so that its greatest value is 127; the float32 scale follows it (n, d + 4).
    bfloat16: the upper halves of the float32 numbers, as uint16.
    """
    if dtype == "float32":
        return rows.astype(np.float32)
    if dtype == "float16":
        with np.errstate(over="ignore"):
            halves = rows.astype(np.float16)
        if not np.isfinite(halves).all():
            raise UserError("the vectors exceed the range of float16", "use --store_dtype bfloat16")
        return halves
    if dtype == "bfloat16":
        bits = rows.astype(np.float32).view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    scales = (np.abs(rows).max(axis=1, keepdims=True) / 127).astype(np.float32)
    numbers = np.rint(rows / np.where(scales == 0, np.float32(1), scales)).astype(np.int8)
    return np.concatenate([numbers, np.ascontiguousarray(scales).view(np.int8)], axis=1)


def unpacked(stored: npt.NDArray[Any], dtype: str) -> Rows:
    """Return stored rows in float32 (n, d): what `packed` rounded them to."""
    if dtype == "bfloat16":
        return (stored.astype(np.uint32) << 16).view(np.float32)
    if dtype == "int8":
        scales = np.ascontiguousarray(stored[:, -SCALE:]).view(np.float32)  # (n, 1)
        return stored[:, :-SCALE].astype(np.float32) * scales
    return stored.astype(np.float32)
