"""Embeddings of an API: packed into requests, checked, kept one by one as they arrive."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.api.batches import refuse_pending
from utils.api.client import Reply, Traffic
from utils.api.concurrency import in_flight
from utils.api.embedding_requests import Vectors, as_row, openai_request, parsed_openai, shortened
from utils.api.errors import GARBLED, REFUSED, ApiError, ended
from utils.api.limits import MAX_REQUEST_TOKENS
from utils.api.response_cache import AnswerCache
from utils.api.token_counts import Counter, open_counter, upper_bound
from utils.errors import UserError
from utils.loaders import load_function
from utils.schema import EncoderSpec

if TYPE_CHECKING:
    from utils.schema import Rows

BLANK = " "  # stands for an empty text, which the providers refuse
MAX_CUTS = 12  # times that a text is shortened until the server takes it
TOKENS_PER_INPUT = 8192  # what OpenAI bills at most for one text


@dataclass(frozen=True)
class Job:
    """Texts of one request, with their places; `n_cuts` says how often a single text was shortened."""

    places: tuple[int, ...]
    texts: tuple[str, ...]
    n_cuts: int = 0


class ApiEncoder:
    """An encoder of an API behind the cache of answers; the client is opened when the first text is missing.

    The row of a text that the provider will never embed is NaN, and counted as failed.
    """

    def __init__(self, spec: EncoderSpec, cache_dir: Path, traffic: Traffic) -> None:
        self.spec, self.cache_dir, self.traffic = spec, cache_dir, traffic
        self.counts = {"hits": 0, "misses": 0, "failed": 0, "cut": 0}
        self.failures: dict[str, str] = {}  # of the last call: text -> why
        self._cache: AnswerCache | None = None
        self._counter: tuple[Counter, bool] | None = None
        self._send: Vectors | None = None
        self._size: int | None = spec.dimensions

    def embed(self, queries: Sequence[str], candidates: Sequence[str]) -> tuple[Rows, Rows]:
        """Return the rows of both sides, (n, d) and (m, d); each distinct text is asked for once."""
        from utils.progress import progress

        texts = [*queries, *candidates]
        missing = self.n_missing(texts)
        with progress(missing, self.spec.name) as advance:

            def ask(absent: list[str]) -> Iterator[tuple[int, Any]]:
                for found in self._ask(absent):
                    advance(1)
                    yield found

            found = self.cache.answers(texts, ask, self._is_good)
        self._count(found)
        rows = self._rows(texts, found)
        return rows[: len(queries)], rows[len(queries) :]

    def n_missing(self, texts: Sequence[str]) -> int:
        """Return how many distinct texts the cache does not have."""
        return len(self.missing(texts))

    def missing(self, texts: Sequence[str]) -> list[str]:
        """Return the distinct texts that the cache does not have, in their order."""
        known = self.cache.known(texts)
        return [text for text in dict.fromkeys(texts) if text not in known or not self._is_good(known[text])]

    def plan(self, texts: Sequence[str]) -> tuple[int, int, bool]:
        """Return how many requests and tokens these missing texts take, and whether the tokens are counted exactly."""
        counter, exact = self.counter
        return len(list(self._pack(texts))), sum(counter(self._put(text)) for text in texts), exact

    @property
    def cache(self) -> AnswerCache:
        """The cache of this encoder's vectors."""
        if self._cache is None:
            self._cache = AnswerCache(self.cache_dir, {"vectors": vector_settings(self.spec)})
        return self._cache

    @property
    def counter(self) -> tuple[Counter, bool]:
        """The function that counts a text's tokens, and whether it is exact."""
        if self._counter is None:
            self._counter = open_counter(self.spec.checkpoint, self.spec.provider, self.spec.base_url, self.cache_dir)
        return self._counter

    @property
    def _batch_settings(self) -> dict[str, Any]:
        return {"vectors": vector_settings(self.spec)}

    def _is_good(self, answer: Any) -> bool:
        """Whether a cached answer may be used; --strict asks once more for what failed."""
        return isinstance(answer, bytes) or ("vector" in answer) or not self.traffic.options.strict

    def _put(self, text: str) -> str:
        return (self.spec.prompt or "") + text or BLANK

    def _pack(self, texts: Sequence[str]) -> Iterator[Job]:
        """Fill requests up to the provider's items and tokens; bytes bound a text's tokens from above."""
        most = MAX_REQUEST_TOKENS[self.spec.provider]
        places: list[int] = []
        total = 0
        for place, text in enumerate(texts):
            tokens = min(upper_bound(self._put(text)), TOKENS_PER_INPUT)
            if places and (len(places) == self.spec.batch_size or total + tokens > most):
                yield self._job(places, texts)
                places, total = [], 0
            places.append(place)
            total += tokens
        if places:
            yield self._job(places, texts)

    def _job(self, places: Sequence[int], texts: Sequence[str]) -> Job:
        return Job(tuple(places), tuple(self._put(texts[place]) for place in places))

    def _ask(self, texts: list[str]) -> Iterator[tuple[int, Any]]:
        if self._send is None:
            self._send = _open(self.spec, self.traffic.options.timeout)
        if any(not self._put(text).strip() for text in texts):
            print(f"note: {self.spec.name} is sent a blank for each empty text", file=sys.stderr)
        options = self.traffic.options
        done: set[int] = set()
        if not options.batch_api:
            refuse_pending(texts, self._batch_settings, self.cache_dir)
        else:
            for place, answer in self._ask_in_batches(texts):
                done.add(place)
                yield place, answer
        met: list[tuple[int, Any]] = []
        try:
            jobs = self._still_missing(texts, met, done)
            for found in in_flight(jobs, self._work, options.concurrency, self.traffic.stop):
                yield found
                yield from met
                met.clear()
        except ApiError as fault:
            raise ended(fault) from fault
        yield from met

    def _ask_in_batches(self, texts: list[str]) -> Iterator[tuple[int, Any]]:
        """Yield what the provider's batch files answer."""
        from utils.api.batches import Line, line_of, through_batches

        def plan(places: list[int]) -> list[Line]:
            chosen = [texts[place] for place in places]
            jobs = list(self._pack(chosen))
            counter = self.counter[0]
            return [
                line_of(
                    "/v1/embeddings",
                    openai_request(self.spec, job.texts),
                    [chosen[place] for place in job.places],
                    counter,
                )
                for job in jobs
            ]

        def read(body: dict[str, Any]) -> Reply[list[Any]]:
            reply = parsed_openai(body)
            rows = self._checked(reply, len(reply.content))
            return Reply([row.tobytes() for row in rows.content], rows.tokens_in, 0, rows.model)

        yield from through_batches(texts, self._batch_settings, self.traffic, self.cache_dir, plan, read)

    def _still_missing(self, texts: list[str], met: list[tuple[int, Any]], done: set[int]) -> Iterator[Job]:
        """Yield requests, each packed when it is due; what another run has had answered meanwhile goes to `met`."""
        left = [place for place in range(len(texts)) if place not in done]
        for packed in self._pack([texts[place] for place in left]):
            job = Job(tuple(left[place] for place in packed.places), packed.texts)
            known = self.cache.known([texts[place] for place in job.places])
            known = {text: answer for text, answer in known.items() if self._is_good(answer)}
            met.extend((place, known[texts[place]]) for place in job.places if texts[place] in known)
            places = [place for place in job.places if texts[place] not in known]
            if places:
                yield self._job(places, texts)

    def _work(self, job: Job) -> tuple[list[tuple[int, Any]], list[Job]]:
        """Return the vectors of one request, or the smaller requests that it falls into."""
        assert self._send is not None
        send, counter = self._send, self.counter[0]
        try:
            rows = self.traffic.ask(
                lambda: self._checked(send(job.texts), len(job.texts)), sum(map(counter, job.texts))
            )
        except ApiError as fault:
            return self._after(fault, job)
        answers = [row.tobytes() for row in rows]
        if job.n_cuts:
            return [(job.places[0], {"vector": base64.b64encode(answers[0]).decode(), "cut": len(job.texts[0])})], []
        return list(zip(job.places, answers, strict=True)), []

    def _after(self, fault: ApiError, job: Job) -> tuple[list[tuple[int, Any]], list[Job]]:
        """Halve a request that will not do; shorten or give up a single text."""
        if fault.kind not in (REFUSED, GARBLED):
            raise fault
        if len(job.places) > 1:
            middle = len(job.places) // 2
            return [], [Job(job.places[:middle], job.texts[:middle]), Job(job.places[middle:], job.texts[middle:])]
        if fault.too_long and job.n_cuts < MAX_CUTS:
            return [], [Job(job.places, (shortened(job.texts[0], fault.said),), job.n_cuts + 1)]
        if not self.traffic.gives_up(fault):
            raise fault
        return [(job.places[0], {"failed": fault.message})], []

    def _checked(self, reply: Reply[list[Any]], n_texts: int) -> Reply[list[Rows]]:
        """Raise ApiError where an answer is not one finite vector of the known size for each text."""
        if len(reply.content) != n_texts or not n_texts:
            raise ApiError(GARBLED, f"{self.spec.name} gives {len(reply.content)} vectors for {n_texts} texts")
        try:
            rows = [as_row(vector) for vector in reply.content]
        except (ValueError, TypeError) as error:
            raise ApiError(GARBLED, f"{self.spec.name} gives something else than numbers ({error})") from error
        sizes = {row.size for row in rows}
        if len(sizes) != 1 or (self._size or next(iter(sizes))) not in sizes:
            wanted = f", {self._size} wanted" if self._size else ""
            raise ApiError(GARBLED, f"{self.spec.name} gives vectors of {sorted(sizes)} numbers{wanted}")
        if not all(np.isfinite(row).all() and row.any() for row in rows):
            raise ApiError(GARBLED, f"{self.spec.name} gives a vector of NaN, infinity or zeros alone")
        self._size = rows[0].size
        return Reply(rows, reply.tokens_in, reply.tokens_out, reply.model)

    def _count(self, found: dict[str, Any]) -> None:
        marks = {text: answer for text, answer in found.items() if not isinstance(answer, bytes)}
        self.failures = {text: str(answer["failed"]) for text, answer in marks.items() if "failed" in answer}
        n_cut = sum("cut" in answer for answer in marks.values())
        counts = {"hits": self.cache.hits, "misses": self.cache.misses, "failed": len(self.failures), "cut": n_cut}
        self.counts.update(counts)
        if n_cut:
            print(f"note: {n_cut} texts are longer than {self.spec.name} reads: cut at their ends", file=sys.stderr)
        if self.failures:
            text, reason = next(iter(self.failures.items()))
            print(
                f"warning: {len(self.failures)} texts have no vector from {self.spec.name}: as queries they count as "
                f"wrong, as candidates they are never found; the first: {text[:40]!r} ({reason})",
                file=sys.stderr,
            )

    def _rows(self, texts: Sequence[str], found: dict[str, Any]) -> Rows:
        """Return one row a text (n, d), NaN where a text failed."""
        vectors = {text: _vector(answer) for text, answer in found.items()}
        sizes = {vector.size for vector in vectors.values() if vector is not None}
        if len(sizes) != 1:
            what = f"vectors of {' and '.join(map(str, sorted(sizes)))} numbers" if sizes else "no vector at all"
            hint = "did the server change its model? Use another --cache_dir" if sizes else "--strict shows why"
            raise UserError(f"{what} from {self.spec.name}", hint)
        rows = np.full((len(texts), sizes.pop()), np.nan, dtype=np.float32)
        for place, text in enumerate(texts):
            vector = vectors[text]
            if vector is not None:
                rows[place] = vector
        return rows


def vector_settings(spec: EncoderSpec) -> dict[str, Any]:
    """Return what decides a vector of an API, the key of the cache."""
    names = ("provider", "base_url", "checkpoint", "input_type", "dimensions", "prompt")
    return {name: getattr(spec, name) for name in names}


def _vector(answer: Any) -> Rows | None:
    """Return the vector of a cached answer (d,), or None where the text failed."""
    if isinstance(answer, bytes):
        return np.frombuffer(answer, dtype="<f4")
    return as_row(answer["vector"]) if "vector" in answer else None


def _open(spec: EncoderSpec, timeout: float) -> Vectors:
    """Return the function that asks for vectors, by the loader that the spec names."""
    vectors: Vectors = load_function(spec.loader)(spec, timeout)
    return vectors
