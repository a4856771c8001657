"""Batch files as OpenAI has them: a lower price, responses within a day, and no request submitted twice.

A note in the cache folder (utils/api/batch_notes.py) is written before a batch is submitted, with a mark that the
provider stores too. A command that was killed, or that is given again, collects the pending batches and submits only
the rest.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from utils.answers import GenerationSettings
from utils.api.batch_notes import BatchNote, Entry
from utils.api.claims import Claims
from utils.api.client import MARGIN, ApiClient
from utils.api.errors import ApiError, as_user_error
from utils.api.provider import BatchFormat, Reply
from utils.api.providers import open_client, public_url
from utils.errors import UserError, counted
from utils.files import fingerprint, text_key
from utils.loaders import cache_name
from utils.schema import EncoderSpec, GeneratorSpec

if TYPE_CHECKING:
    from utils.api.token_counts import Counter

T = TypeVar("T")

MAX_LINES, MAX_INPUTS, MAX_BYTES = 50_000, 50_000, 190_000_000  # per batch; the provider's limit is 200 MB
MARK = "suite_run"  # the key of the mark in a batch's metadata
BATCH_FIELDS = (  # fields of a generator's spec in the key of its pending batches
    *("checkpoint", "loader", "kind", "revision", "decode", "dtype", "quantization", "licence", "label", "file"),
    *("provider", "base_url"),
)
OVER = ("completed", "failed", "expired", "cancelled")


@dataclass(frozen=True)
class Line:
    """One request of a batch file; `keys` are the keys of its items, in order."""

    url: str
    body: Mapping[str, Any]
    keys: tuple[str, ...]
    n_tokens: int
    n_tokens_out: int = 0

    @property
    def name(self) -> str:
        """The name of the line: the hash of its items."""
        return fingerprint({"keys": self.keys})


Read = Callable[[dict[str, Any]], Reply[list[Any]]]


def request_in_batches(
    items: Sequence[str],
    settings: Mapping[str, Any],
    client: ApiClient,
    claims: Claims,
    build_lines: Callable[[list[int]], Sequence[Line]],
    read: Read,
) -> Iterator[tuple[int, Any]]:
    """Yield (index, content) for the items that batches answer; items that a batch refuses are left out.

    Items that another run has claimed are left out as well; responses to other items than these are kept in the cache.
    `build_lines` makes the lines for some indices, `read` takes the body of a response to one content per item. Raises
    UserError where a batch fails as a whole.
    """
    batches = _Batches(settings, client, claims.cache.path.parent)
    places = {text_key(item): place for place, item in enumerate(items)}
    try:
        with batches.note.locked():
            covered = batches.resume(set(places))
            known, taken = claims.take([items[place] for key, place in places.items() if key not in covered])
            if taken:
                batches.submit(build_lines([places[text_key(item)] for item in taken]))
        for item, content in known.items():
            yield places[text_key(item)], content
        for key, content in batches.collect(read):
            if key in places:
                yield places[key], content
            else:
                claims.cache.keep(key, content)
    except ApiError as error:
        raise as_user_error(error) from error


class _Batches:
    """The pending batches of one run: those that it submits, and noted ones with items that it needs."""

    def __init__(self, settings: Mapping[str, Any], client: ApiClient, cache_dir: Path) -> None:
        self.client = client
        self.note = BatchNote(settings, cache_dir)
        self.sdk = open_client(client.provider.name, client.base_url, client.options.timeout)
        self.entries: list[Entry] = []
        self._awaited = ""

    def _call(self, send: Callable[[], T]) -> T:
        return self.client.send(lambda: Reply(send()), 0)

    def resume(self, keys: set[str]) -> set[str]:
        """Return the keys of the items of the noted batches that have some of these; the lock is held.

        A batch that was never submitted is dropped: its run has died, as it would hold the lock.
        """
        for entry in self.note.with_keys(keys):
            if not entry["id"]:
                entry["id"] = self._find(entry["mark"])
                if entry["id"]:
                    self.note.put(entry)
                else:
                    self.note.remove(entry)
                    continue
            self.entries.append({**entry, "reserved": 0.0})  # the reservation was that of the run that submitted it
        if self.entries:
            names = ", ".join(entry["id"] for entry in self.entries)
            print(f"note: continuing with the pending batches {names}", file=sys.stderr)
        return {key for entry in self.entries for of_line in entry["lines"].values() for key in of_line}

    def _find(self, mark: str) -> str | None:
        """Return the id of the batch with a mark, or None; the provider lists the newest first."""
        for batch in self._call(lambda: self.sdk.batches.list(limit=100)).data:
            if (batch.metadata or {}).get(MARK) == mark:
                return str(batch.id)
        return None

    def submit(self, lines: Sequence[Line]) -> None:
        """Submit all lines, in as many batches as the provider's limits require; the lock of the note is held."""
        for group in _groups(lines):
            reserved = self.client.cost(
                MARGIN * sum(line.n_tokens for line in group), sum(line.n_tokens_out for line in group)
            )
            self.client.budget.reserve(reserved)
            mark = uuid.uuid4().hex
            entry = {"mark": mark, "id": None, "lines": {line.name: line.keys for line in group}, "reserved": reserved}
            self.note.put(entry)
            content = "\n".join(map(_jsonl, group)).encode()
            file = self._call(lambda content=content: self._upload(content))  # type: ignore[misc]
            entry["id"] = self._call(lambda: self._create(mark, file.id, group[0].url))  # noqa: B023 (called at once)
            self.note.put(entry)
            self.entries.append(entry)
            print(f"batch {entry['id']}: {counted(len(group), 'request')} submitted", file=sys.stderr)

    def _upload(self, content: bytes) -> Any:
        return self.sdk.files.create(file=("requests.jsonl", content, "application/jsonl"), purpose="batch")

    def _create(self, mark: str, file: str, url: str) -> str:
        """Return the id of the new batch, or of the one that an earlier try submitted before its response was lost."""
        there = self._find(mark)
        if there:
            return there
        batch = self.sdk.batches.create(
            input_file_id=file, endpoint=url, completion_window="24h", metadata={MARK: mark}
        )
        return str(batch.id)

    def collect(self, read: Read) -> Iterator[tuple[str, Any]]:
        """Poll the batches until all have ended; yield (key, content) as each ends."""
        while self.entries:
            for entry in list(self.entries):
                batch = self._of(entry, lambda entry=entry: self.sdk.batches.retrieve(entry["id"]))  # type: ignore[misc]
                if batch.status not in OVER:
                    continue
                answered = set[str]()
                for key, content in self._responses(batch, entry, read):
                    answered.add(key)
                    yield key, content
                self.client.budget.settle(entry.get("reserved", 0.0), 0.0)
                self.entries.remove(entry)
                with self.note.locked():
                    self.note.remove(entry)
                _tell_end(batch, entry, answered)
            if self.entries:
                self._wait()

    def _of(self, entry: Entry, send: Callable[[], T]) -> T:
        """Return what the provider has of a batch. Raises UserError where it has no such batch or file."""
        try:
            return self._call(send)
        except ApiError as error:
            if not error.not_found:
                raise
            whose = "give the key of the account that submitted it"
            raise UserError(
                f"batch {entry['id']}: {error.message}",
                f"{whose}; or move {self.note.path} away to request its texts (and pay) again",
            ) from error

    def _wait(self) -> None:
        names = ", ".join(entry["id"] for entry in self.entries)
        if names != self._awaited:
            print(f"waiting for {names} at {public_url(str(self.sdk.base_url))}", file=sys.stderr)
        self._awaited = names
        try:
            time.sleep(self.client.options.poll_seconds)
        except KeyboardInterrupt:
            print("\nthe batches continue at the provider; the same command collects them", file=sys.stderr)
            raise

    def _responses(self, batch: Any, entry: Entry, read: Read) -> Iterator[tuple[str, Any]]:
        if not batch.output_file_id:
            return
        content = self._of(entry, lambda: self.sdk.files.content(batch.output_file_id).read())
        for line in content.split(b"\n"):  # other line separators may stand in a text
            keys, reply = self._read_line(line, entry, read)
            if reply is not None and len(reply.content) == len(keys):
                self.client.budget.settle(0.0, self.client.count(reply))
                yield from zip(keys, reply.content, strict=True)

    @staticmethod
    def _read_line(line: bytes, entry: Entry, read: Read) -> tuple[Sequence[str], Reply[list[Any]] | None]:
        """Return the keys of a line's items and their contents; None where they are requested again by themselves."""
        try:
            found = json.loads(line)
            keys = entry["lines"][found["custom_id"]]
            if found["response"]["status_code"] == 200:
                return keys, read(found["response"]["body"])
        except (ApiError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
            pass
        return (), None


def _tell_end(batch: Any, entry: Entry, answered: set[str]) -> None:
    """Say how many items a batch that has ended left without a response. Raises UserError where it did not complete."""
    if batch.status != "completed":
        reasons = "; ".join(str(error.message) for error in getattr(batch.errors, "data", None) or [])
        raise UserError(
            f"batch {batch.id} is {batch.status}{': ' + reasons if reasons else ''}",
            "its responses are kept; the same command submits the rest",
        )
    keys = {key for of_line in entry["lines"].values() for key in of_line}
    if left := len(keys - answered):
        what = f"{left:,} of {counted(len(keys), 'text')} have no response and are requested one by one"
        print(f"note: batch {batch.id}: {what}, where this command needs them", file=sys.stderr)


def _groups(lines: Sequence[Line]) -> Iterator[list[Line]]:
    group: list[Line] = []
    n_inputs = n_bytes = 0
    for line in lines:
        size = len(_jsonl(line).encode()) + 1
        full = len(group) == MAX_LINES or n_inputs + len(line.keys) > MAX_INPUTS or n_bytes + size > MAX_BYTES
        if group and full:
            yield group
            group, n_inputs, n_bytes = [], 0, 0
        group.append(line)
        n_inputs, n_bytes = n_inputs + len(line.keys), n_bytes + size
    if group:
        yield group


def _jsonl(line: Line) -> str:
    request = {"custom_id": line.name, "method": "POST", "url": line.url, "body": line.body}
    return json.dumps(request, ensure_ascii=False)


def build_line(
    how: BatchFormat,
    spec: EncoderSpec | GeneratorSpec,
    items: Sequence[str],
    sent: Sequence[str],
    counter: Counter,
    settings: GenerationSettings | None = None,
) -> Line:
    """Return the line that requests these items, whose texts are sent as `sent`."""
    body = how.request(spec, sent, settings)
    plain = {**{name: value for name, value in body.items() if name != "extra_body"}, **body.get("extra_body", {})}
    n_out = settings.max_new_tokens if settings else 0
    return Line(how.url, plain, tuple(map(text_key, items)), sum(map(counter, items)), n_out)


def batch_settings(spec: GeneratorSpec, **how: Any) -> dict[str, Any]:
    """Return the settings that decide the responses of a batch: the model's spec and the form of its requests.

    They are the key of the note of pending batches, so a new field of the spec may enter only where it departs from
    its default.
    """
    named = {name: getattr(spec, name) for name in BATCH_FIELDS}
    return {"spec": {**named, "loader": cache_name(spec.loader)}, **how}
