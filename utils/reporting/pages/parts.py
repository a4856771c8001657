"""Pack the files of the logs for the page as they are: records, predictions, prompts and neighbours."""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from utils.files import read_bytes
from utils.records.paths import neighbors_path, predictions_path, prompts_path
from utils.records.reader import answers_in, is_right
from utils.records.result import LoggedResult
from utils.reporting.pages.html import pack_bytes
from utils.reporting.pages.leaderboards import Entry
from utils.reporting.tables.items import block_of, pool_of

PART = 1_000_000  # bytes of text per part, which the page unpacks as a whole
BETWEEN, INSIDE = b"\x1e", b"\x1f"  # separators: JSON texts have no such control characters
BESIDE = {"preds": predictions_path, "prompts": prompts_path, "neighbors": neighbors_path}  # the files of a record
NO_NUMBERS = (b"NaN", b"Infinity")  # values of Python's JSON that a browser cannot parse
OF_RIGHT = ("acc", "em", "hit")  # metrics that are the share of items that are right
Ref = list[int]  # number of a part, and index in it


@dataclass
class Packer:
    """Joins texts into parts of about `PART` bytes, each packed separately; `budget` counts packed bytes."""

    parts: list[str]
    budget: float = math.inf
    packed: int = 0
    waiting: list[bytes] = field(default_factory=list)
    size: int = 0
    full: bool = False

    def add(self, text: bytes) -> Ref:
        """Add a text and return its place; a large one gets a part of its own, so that smaller ones may still fit."""
        if self.size + len(text) > PART:
            self.flush()
        ref = [len(self.parts), len(self.waiting)]
        self.waiting.append(text)
        self.size += len(text)
        return ref

    def flush(self) -> None:
        """Pack the texts that wait; a part that exceeds the budget is left out, and all later ones."""
        if not self.waiting:
            return
        part = pack_bytes(BETWEEN.join(self.waiting))
        self.full = self.full or self.packed + len(part) > self.budget
        if not self.full:
            self.parts.append(part)
            self.packed += len(part)
        self.waiting, self.size = [], 0


@dataclass(frozen=True)
class Items:
    """The files of a record's items by kind, and their total size."""

    entry: Entry
    files: Mapping[str, str]
    size: int


def pack_records(entries: Sequence[Entry], parts: list[str], found: Mapping[int, Items], read: Reader) -> list[Ref]:
    """Return the place of each record's text: the file's content, and what pairs its items where `found` has them."""
    packer, blocks = Packer(parts), dict[Hashable, int]()
    refs = []
    for entry in entries:
        text = _checked(read_bytes(entry.result.path))
        items = found.get(entry.number)
        preds = read(items.files["preds"]) if items is not None and "preds" in items.files else None
        paired = None if preds is None else pairing(entry.result, preds, blocks)
        refs.append(packer.add(text if paired is None else text + INSIDE + json.dumps(paired).encode()))
    packer.flush()
    return refs


def pairing(result: LoggedResult, preds: bytes, blocks: dict[Hashable, int]) -> dict[str, Any] | None:
    """Return what the page pairs a record's items by: how many they are, and a number for their list of gold answers.

    Where the predictions tell which items are right, they are packed bits, and `metric` is the share of them.
    """
    try:
        content = json.loads(preds)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    judged, both = content.get("judged"), answers_in(content)
    gold = both[0] if both else judged
    if not isinstance(gold, list) or not gold:
        return None
    try:  # records of one pool, too, are those that the page compares
        block = blocks.setdefault((block_of(result.dataset, gold), pool_of(result)), len(blocks))
    except TypeError:  # lists among the answers
        return None
    found = {"n": len(gold), "gold": block}
    metric = next((name for name in OF_RIGHT if name in result.metrics), None)
    told = is_right(content, *both) if both and metric else [None]
    if None in told:
        return found
    right = np.array(told, dtype=np.uint8)
    return {**found, "metric": metric, "right": base64.b64encode(np.packbits(right).tobytes()).decode()}


def pack_items(
    found: Iterable[Items], parts: list[str], budget: float, read: Reader
) -> tuple[dict[int, dict[str, Ref]], list[Entry]]:
    """Return the places of each record's items, and the records whose items exceed `budget` bytes."""
    packer, refs, left = Packer(parts, budget), list[tuple[Entry, dict[str, Ref]]](), list[Entry]()
    shared: dict[str, Ref | None] = {}
    for items in found:
        if packer.full:
            left.append(items.entry)
            continue
        for path in items.files.values():
            if path not in shared:
                text = read(path)
                shared[path] = None if text is None else packer.add(text)
        refs.append((items.entry, {kind: ref for kind, path in items.files.items() if (ref := shared[path])}))
    packer.flush()
    kept = {entry.number: at for entry, at in refs if at and all(part < len(parts) for part, _ in at.values())}
    cut = [entry for entry, at in refs if at and entry.number not in kept]
    return kept, [*cut, *left]


def items_of(entries: Sequence[Entry]) -> list[Items]:
    """Return the files of items of the records, the smallest first, then the most recent."""
    found = []
    listed: dict[str, dict[str, int]] = {}
    for entry in sorted(entries, key=lambda entry: str(entry.result.run.get("started", "")), reverse=True):
        folder = str(entry.result.path.parent)
        if folder not in listed:
            listed[folder] = {file.name: file.stat().st_size for file in os.scandir(folder) if file.is_file()}
        names = {kind: path_of(entry.result.path).name for kind, path_of in BESIDE.items()}
        there = {kind: name for kind, name in names.items() if listed[folder].get(name)}  # empty files are ignored
        files = {kind: f"{folder}{os.sep}{name}" for kind, name in there.items()}
        if files:
            found.append(Items(entry, files, sum(listed[folder][name] for name in there.values())))
    return sorted(found, key=lambda items: items.size)


class Reader:
    """Reads files of items, each once; returns None, with a warning, for a broken file."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self.warn = warn
        self.texts: dict[str, bytes | None] = {}

    def __call__(self, path: str) -> bytes | None:
        """Return a file's text; the page itself reports text that is not JSON."""
        if path not in self.texts:
            self.texts[path] = self._read(path)
        return self.texts[path]

    def _read(self, path: str) -> bytes | None:
        text = read_bytes(path)
        try:
            text.decode()
        except UnicodeDecodeError:
            self.warn(f"{path} is broken and is left out (UnicodeDecodeError)")
            return None
        if BETWEEN in text or INSIDE in text:
            self.warn(f"{path} is broken and is left out (control characters)")
            return None
        return _checked(text)


def _checked(text: bytes) -> bytes:
    """Return a JSON text that a browser can parse: NaN and infinities become null."""
    if not any(word in text for word in NO_NUMBERS):
        return text
    try:
        return json.dumps(_finite(json.loads(text))).encode()
    except ValueError:
        return text


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
