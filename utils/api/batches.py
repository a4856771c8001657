"""OpenAI's batch files: half the price, an answer within a day, and nothing submitted twice.

What was submitted is noted in the cache folder before it is sent, with a mark that the provider keeps too. A command
that was killed, or that is given again, collects what is under way and submits only the rest.
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

from utils.api.client import MARGIN, Reply, Traffic
from utils.api.errors import ApiError, ended
from utils.api.providers import open_client, public_url
from utils.errors import UserError
from utils.files import fingerprint, text_key, write_atomic
from utils.loaders import cache_name
from utils.schema import GeneratorSpec

if TYPE_CHECKING:
    from utils.api.token_counts import Counter

T = TypeVar("T")

MAX_LINES, MAX_INPUTS, MAX_BYTES = 50_000, 50_000, 190_000_000  # of a batch; the provider's limit is 200 MB
MARK = "suite_run"  # name of the mark in a batch's metadata
BATCH_FIELDS = (  # of a generator's spec, in the key of its pending batches
    *("checkpoint", "loader", "kind", "revision", "decode", "dtype", "quantization", "licence", "label", "file"),
    *("provider", "base_url"),
)
OVER = ("completed", "failed", "expired", "cancelled")


@dataclass(frozen=True)
class Line:
    """One request of a batch file, and the items (by their keys) that it asks for in order."""

    url: str
    body: Mapping[str, Any]
    keys: tuple[str, ...]
    n_tokens: int
    n_tokens_out: int = 0

    @property
    def name(self) -> str:
        """The line's own name: the hash of its items."""
        return fingerprint({"keys": self.keys})


Read = Callable[[dict[str, Any]], Reply[list[Any]]]


def refuse_pending(items: Sequence[str], settings: Mapping[str, Any], cache_dir: Path) -> None:
    """Raise UserError where a batch with some of these items is under way: asked for again, they are paid twice."""
    path = _note(settings, cache_dir)
    if not path.is_file():
        return
    asked = set(map(text_key, items))
    if any(asked & {key for keys in entry["lines"].values() for key in keys} for entry in _noted(path)):
        raise UserError(
            "batches with these texts are under way at the provider",
            f"add --batch_api to collect them; or move {path} away to ask (and pay) again",
        )


def _noted(path: Path) -> list[dict[str, Any]]:
    """Return the batches that a note tells of; UserError where it is broken."""
    try:
        return [dict(entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{path}, which notes the batches under way, is broken",
            "see them at the provider's site, then move the file away",
        ) from error


def _note(settings: Mapping[str, Any], cache_dir: Path) -> Path:
    return cache_dir / "batches" / f"{fingerprint(settings)}.json"


def through_batches(
    items: Sequence[str],
    settings: Mapping[str, Any],
    traffic: Traffic,
    cache_dir: Path,
    plan: Callable[[list[int]], Sequence[Line]],
    read: Read,
) -> Iterator[tuple[int, Any]]:
    """Yield (place, answer) for the items that batches answer; those that a batch refuses are left out.

    `plan` makes the lines for some places, `read` takes an answer's body to one answer an item. UserError where a
    batch fails as a whole.
    """
    batches = _Batches(settings, traffic, cache_dir)
    places = {text_key(item): place for place, item in enumerate(items)}
    try:
        covered = batches.resume()
        rest = [place for key, place in places.items() if key not in covered]
        if rest:
            batches.submit(plan(rest))
        for key, answer in batches.collect(read):
            if key in places:
                yield places[key], answer
    except ApiError as error:
        raise ended(error) from error


class _Batches:
    """The batches of one set of settings that are under way, as the cache folder notes them."""

    def __init__(self, settings: Mapping[str, Any], traffic: Traffic, cache_dir: Path) -> None:
        self.traffic = traffic
        self.path = _note(settings, cache_dir)
        self.client = open_client("openai", traffic.base_url, traffic.options.timeout)
        self.entries: list[dict[str, Any]] = _noted(self.path)
        self._awaited = ""

    def _write(self) -> None:
        if not self.entries:
            self.path.unlink(missing_ok=True)
            return
        write_atomic(self.path, json.dumps(self.entries).encode())

    def _call(self, send: Callable[[], T]) -> T:
        return self.traffic.ask(lambda: Reply(send()), 0)

    def resume(self) -> set[str]:
        """Find the batches that were noted, and return the keys of their items; forget those never submitted."""
        for entry in self.entries:
            entry["id"] = entry["id"] or self._find(entry["mark"])
            entry["reserved"] = 0.0  # by the command that submitted it
        self.entries = [entry for entry in self.entries if entry["id"]]
        self._write()
        if self.entries:
            names = ", ".join(entry["id"] for entry in self.entries)
            print(f"note: going on with the batches that are under way: {names}", file=sys.stderr)
        return {key for entry in self.entries for keys in entry["lines"].values() for key in keys}

    def _find(self, mark: str) -> str | None:
        """Return the batch that bears a mark; the provider lists the newest first."""
        for batch in self._call(lambda: self.client.batches.list(limit=100)).data:
            if (batch.metadata or {}).get(MARK) == mark:
                return str(batch.id)
        return None

    def submit(self, lines: Sequence[Line]) -> None:
        """Send all lines, in as many batches as the provider's limits ask for."""
        for group in _groups(lines):
            reserved = self.traffic.cost(
                MARGIN * sum(line.n_tokens for line in group), sum(line.n_tokens_out for line in group)
            )
            self.traffic.budget.reserve(reserved)
            mark = uuid.uuid4().hex
            entry = {"mark": mark, "id": None, "lines": {line.name: line.keys for line in group}, "reserved": reserved}
            self.entries.append(entry)
            self._write()
            content = "\n".join(map(_jsonl, group)).encode()
            file = self._call(lambda content=content: self._upload(content))  # type: ignore[misc]
            entry["id"] = self._call(lambda: self._create(mark, file.id, group[0].url))  # noqa: B023 (called at once)
            self._write()
            print(f"batch {entry['id']}: {len(group):,} requests submitted", file=sys.stderr)

    def _upload(self, content: bytes) -> Any:
        return self.client.files.create(file=("requests.jsonl", content, "application/jsonl"), purpose="batch")

    def _create(self, mark: str, file: str, url: str) -> str:
        """Submit, unless an earlier try has done so and its answer was lost."""
        there = self._find(mark)
        if there:
            return there
        batch = self.client.batches.create(
            input_file_id=file, endpoint=url, completion_window="24h", metadata={MARK: mark}
        )
        return str(batch.id)

    def collect(self, read: Read) -> Iterator[tuple[str, Any]]:
        """Look at the batches until all are over; yield (key, answer) of each as it is."""
        while self.entries:
            for entry in list(self.entries):
                batch = self._call(lambda entry=entry: self.client.batches.retrieve(entry["id"]))  # type: ignore[misc]
                if batch.status not in OVER:
                    continue
                yield from self._answers(batch, entry, read)
                self.traffic.budget.settle(entry.get("reserved", 0.0), 0.0)
                self.entries.remove(entry)
                self._write()
                if batch.status != "completed":
                    said = "; ".join(str(error.message) for error in getattr(batch.errors, "data", None) or [])
                    raise UserError(
                        f"batch {batch.id} is {batch.status}{': ' + said if said else ''}",
                        "what it answered is kept; the same command submits the rest",
                    )
            if self.entries:
                self._wait()

    def _wait(self) -> None:
        names = ", ".join(entry["id"] for entry in self.entries)
        if names != self._awaited:
            print(f"waiting for {names} at {public_url(str(self.client.base_url))}", file=sys.stderr)
        self._awaited = names
        try:
            time.sleep(self.traffic.options.poll_seconds)
        except KeyboardInterrupt:
            print("\nthe batches go on at the provider; the same command collects them", file=sys.stderr)
            raise

    def _answers(self, batch: Any, entry: Mapping[str, Any], read: Read) -> Iterator[tuple[str, Any]]:
        if not batch.output_file_id:
            return
        content = self._call(lambda: self.client.files.content(batch.output_file_id).read())
        for text in content.decode().splitlines():
            found = json.loads(text)
            keys = entry["lines"].get(found.get("custom_id"))
            response = found.get("response") or {}
            if not keys or response.get("status_code") != 200:
                continue
            try:
                reply = read(response["body"])
            except (ApiError, ValueError, KeyError, TypeError, IndexError):
                continue  # asked for again, one request at a time
            if len(reply.content) == len(keys):
                self.traffic.budget.settle(0.0, self.traffic.count(reply))
                yield from zip(keys, reply.content, strict=True)


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


def line_of(url: str, body: Mapping[str, Any], items: Sequence[str], counter: Counter, tokens_out: int = 0) -> Line:
    """Return the line that asks for these items."""
    plain = {**{name: value for name, value in body.items() if name != "extra_body"}, **body.get("extra_body", {})}
    return Line(url, plain, tuple(map(text_key, items)), sum(map(counter, items)), tokens_out)


def settings_of(spec: GeneratorSpec, **how: Any) -> dict[str, Any]:
    """Return what decides the answers of a batch: the model's spec and how it is asked.

    The key of pending batches: a field that is added to the spec must not be added here where it has its usual value.
    """
    named = {name: getattr(spec, name) for name in BATCH_FIELDS}
    return {"spec": {**named, "loader": cache_name(spec.loader)}, **how}
