"""Embeddings of an API: packed into requests, checked, and kept one by one as they arrive."""

from __future__ import annotations

import base64
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.api.batch_notes import refuse_pending
from utils.api.batches import Line, build_line, request_in_batches
from utils.api.claims import Claims, shared_steps
from utils.api.client import ApiClient
from utils.api.concurrency import run_concurrently
from utils.api.embedding_requests import Job, build_job, is_vector, pack_texts, parse_vector, parse_vectors, sent_text
from utils.api.errors import GARBLED, REFUSED, ApiError, as_user_error
from utils.api.provider import Reply
from utils.api.providers import open_client
from utils.api.response_cache import ResponseCache
from utils.api.token_counts import Counter as TokenCounter
from utils.api.token_counts import open_counter
from utils.errors import UserError, counted
from utils.progress import progress
from utils.retrieval.mapped_rows import new_rows, release
from utils.schema import EncoderSpec

if TYPE_CHECKING:
    from utils.schema import Rows

MAX_CUTS = 12  # times that a text is shortened until the server takes it


class ApiEncoder:
    """An encoder of an API behind the cache of responses; the SDK's client is opened when a text is not in the cache.

    A text that the provider will never embed has a row of NaN and counts as failed.
    """

    def __init__(self, spec: EncoderSpec, client: ApiClient, cache_dir: Path) -> None:
        self.spec, self.client, self.cache_dir = spec, client, cache_dir
        self.counts = {"hits": 0, "misses": 0, "failed": 0, "cut": 0}
        self.failures: dict[str, str] = {}  # of the last call: text -> reason
        self._cache: ResponseCache | None = None
        self._counter: tuple[TokenCounter, bool] | None = None
        self._sdk: Any = None
        self._size: int | None = spec.dimensions
        self._cached_bytes = 4 * (spec.dimensions or 0)  # of a vector in the cache; 0 where it is not known yet

    def embed(self, queries: Sequence[str], candidates: Sequence[str]) -> tuple[Rows, Rows]:
        """Return the vectors of both sides, (n, d) and (m, d); each distinct text is requested once."""
        texts = [*queries, *candidates]
        missing = self.missing(texts)
        with progress(len(missing), self.spec.name) as advance:
            for _ in self.cache.request(missing, self._request):
                advance(1)
        self.counts.update(hits=len(set(texts)) - len(missing), misses=len(missing))
        rows = self._rows(texts)
        return rows[: len(queries)], rows[len(queries) :]

    def missing(self, queries: Sequence[str], candidates: Sequence[str] = ()) -> list[str]:
        """Return the distinct texts that the cache does not have, in their order."""
        texts, sizes = list(dict.fromkeys([*queries, *candidates])), Counter[int]()
        missing = self._missing(texts, sizes)
        if sizes and not self._cached_bytes:
            ((self._cached_bytes, _),) = sizes.most_common(1)
            missing = self._missing(texts, Counter()) if len(sizes) > 1 else missing
        return missing

    def _missing(self, texts: Sequence[str], sizes: Counter[int]) -> list[str]:
        """Return the texts that the cache does not have, and count the bytes of the vectors that it has."""
        missing = []
        for part, known in self.cache.parts(texts, self._is_usable):
            sizes.update(len(response) for response in known.values() if isinstance(response, bytes))
            missing += [text for text in part if text not in known]
        return missing

    def quote(self, queries: Sequence[str], candidates: Sequence[str] = ()) -> str:
        """Return a line with the requests, tokens and costs of these texts; one of both sides is requested once."""
        return self.client.quote(*self.amount(list(dict.fromkeys([*queries, *candidates]))), self.counter[1])

    def amount(self, missing: Sequence[str]) -> tuple[int, int]:
        """Return the requests and tokens of these texts."""
        counter, _ = self.counter
        n_tokens = sum(counter(sent_text(self.spec, text)) for text in missing)
        return len(list(pack_texts(self.spec, missing))), n_tokens

    @property
    def cache(self) -> ResponseCache:
        """The cache of this encoder's vectors."""
        if self._cache is None:
            self._cache = ResponseCache(self.cache_dir, self._cache_settings)
        return self._cache

    @property
    def counter(self) -> tuple[TokenCounter, bool]:
        """The function that counts a text's tokens, and whether it is exact."""
        if self._counter is None:
            self._counter = open_counter(self.spec.checkpoint, self.spec.provider, self.spec.base_url, self.cache_dir)
        return self._counter

    @property
    def _cache_settings(self) -> dict[str, Any]:
        return {"vectors": vector_settings(self.spec)}

    def _is_usable(self, response: Any) -> bool:
        """Return whether a cached response may be used; with --strict, failed texts are requested again.

        A vector of another size than most in the cache is a damaged one.
        """
        if isinstance(response, bytes):
            return is_vector(response, self._cached_bytes)
        if not isinstance(response, dict):
            return False
        if "vector" in response:
            return isinstance(response["vector"], str) and is_vector(response["vector"], self._cached_bytes)
        return isinstance(response.get("failed"), str) and not self.client.options.strict

    def _request(self, texts: list[str]) -> Iterator[tuple[int, Any]]:
        """Yield (index, content) for the texts, as the responses arrive."""
        options = self.client.options
        if self._sdk is None:
            self._sdk = open_client(self.spec.provider, self.spec.base_url, options.timeout)
        if any(not sent_text(self.spec, text).strip() for text in texts):
            print(f"note: {self.spec.name} gets a blank in place of each empty text", file=sys.stderr)
        if not options.batch_api:
            self._refuse_pending(texts)
        try:
            with Claims(self.cache, self._is_usable) as claims:
                done: set[int] = set()
                for place, content in self._request_in_batches(texts, claims) if options.batch_api else ():
                    done.add(place)
                    yield place, content
                left = [place for place in range(len(texts)) if place not in done]
                packed = pack_texts(self.spec, [texts[place] for place in left])
                groups = ([left[place] for place in job.places] for job in packed)
                steps = shared_steps(
                    claims, texts, groups, lambda places: build_job(self.spec, places, texts), self._refuse_pending
                )
                yield from run_concurrently(steps, self._work, options.concurrency, self.client.stop)
        except ApiError as error:
            raise as_user_error(error) from error

    def _refuse_pending(self, texts: Sequence[str]) -> None:
        refuse_pending(texts, self._cache_settings, self.cache_dir)

    def _request_in_batches(self, texts: list[str], claims: Claims) -> Iterator[tuple[int, Any]]:
        """Yield (index, content) for the texts that the provider's batch files answer."""
        how, counter = self.client.provider.batch_formats["embeddings"], self.counter[0]

        def build_lines(places: list[int]) -> list[Line]:
            chosen = [texts[place] for place in places]
            return [
                build_line(how, self.spec, [chosen[place] for place in job.places], job.texts, counter)
                for job in pack_texts(self.spec, chosen)
            ]

        def read(body: dict[str, Any]) -> Reply[list[Any]]:
            reply = how.read(body, None)
            rows = self._checked(reply, len(reply.content))
            return Reply([row.tobytes() for row in rows.content], rows.tokens_in, 0, rows.model)

        yield from request_in_batches(texts, self._cache_settings, self.client, claims, build_lines, read)

    def _work(self, job: Job) -> tuple[list[tuple[int, Any]], list[Job]]:
        """Return the vectors of one request, or the smaller requests that replace it."""
        embed, counter = self.client.provider.embed, self.counter[0]
        if embed is None:
            raise ApiError(REFUSED, f"{self.client.provider.title} has no embeddings")
        try:
            rows = self.client.send(
                lambda: self._checked(embed(self._sdk, self.spec, job.texts), len(job.texts)),
                sum(map(counter, job.texts)),
            )
        except ApiError as error:
            return self._after_error(error, job)
        contents = [row.tobytes() for row in rows]
        if job.n_cuts:
            return [(job.places[0], {"vector": base64.b64encode(contents[0]).decode(), "cut": len(job.texts[0])})], []
        return list(zip(job.places, contents, strict=True)), []

    def _after_error(self, error: ApiError, job: Job) -> tuple[list[tuple[int, Any]], list[Job]]:
        """Halve a request that the server does not take; shorten its only text, or record it as failed."""
        if error.kind not in (REFUSED, GARBLED):
            raise error
        if len(job.places) > 1:
            return [], job.halves()
        if error.too_long and job.n_cuts < MAX_CUTS:
            return [], [job.shortened(error.provider_message)]
        if not self.client.is_of_item(error):
            raise error
        return [(job.places[0], {"failed": error.message})], []

    def _checked(self, reply: Reply[list[Any]], n_texts: int) -> Reply[list[Rows]]:
        """Return the reply with its vectors; ApiError where they are not one finite vector per text."""
        rows = parse_vectors(reply.content, n_texts, self._size, self.spec.name)
        self._size = rows[0].size
        return Reply(rows, reply.tokens_in, reply.tokens_out, reply.model)

    def _rows(self, texts: Sequence[str]) -> Rows:
        """Return one row per text (n, d), NaN where a text failed; the cache has a response to each.

        Rows that are too large for memory are in a file of the cache folder (`new_rows`).
        """
        rows: Rows = np.empty((0, 0), dtype=np.float32)
        sizes, cut, without, n_read = set[int](), set[str](), list[int](), 0
        self.failures = {}
        for part, found in self.cache.parts(texts, _is_answer):
            for place, text in enumerate(part, start=n_read):
                response = self._response(text, found)
                if isinstance(response, dict) and "failed" in response:
                    self.failures[text] = str(response["failed"])
                    without.append(place)
                    continue
                vector = parse_vector(response["vector"] if isinstance(response, dict) else response)
                cut.update([text] if isinstance(response, dict) else ())
                rows = rows if sizes else new_rows((len(texts), vector.size), self.cache_dir)
                sizes.add(vector.size)
                rows[place, : vector.size] = vector[: rows.shape[1]]
            n_read += len(part)
            release(rows)
        self._tell(len(cut))
        if len(sizes) != 1:
            what = f"vectors of {' and '.join(map(str, sorted(sizes)))} dimensions" if sizes else "no vector at all"
            hint = "if the server changed its model, use another --cache_dir" if sizes else "--strict shows the reason"
            raise UserError(f"{what} from {self.spec.name}", hint)
        rows[without] = np.nan
        return rows

    def _response(self, text: str, found: dict[str, Any]) -> bytes | dict[str, Any]:
        if text not in found:
            raise UserError(f"{self.cache.path} has lost the vector of {text[:40]!r}", "run the same command again")
        response: bytes | dict[str, Any] = found[text]
        return response

    def _tell(self, n_cut: int) -> None:
        """Count the texts of the last call that were cut or failed, and say so."""
        self.counts.update(failed=len(self.failures), cut=n_cut)
        if n_cut:
            print(f"note: too long for {self.spec.name}, cut at the end: {counted(n_cut, 'text')}", file=sys.stderr)
        if self.failures:
            text, reason = next(iter(self.failures.items()))
            print(
                f"warning: {counted(len(self.failures), 'text')} without a vector from {self.spec.name}: as queries "
                f"they count as wrong, as candidates they are never found; the first is {text[:40]!r} ({reason})",
                file=sys.stderr,
            )


def vector_settings(spec: EncoderSpec) -> dict[str, Any]:
    """Return the settings that decide a vector of an API; they are the key of the cache."""
    names = ("provider", "base_url", "checkpoint", "input_type", "dimensions", "prompt")
    return {name: getattr(spec, name) for name in names}


def _is_answer(response: Any) -> bool:
    """Return whether a response is a vector, or says why there is none."""
    return isinstance(response, bytes | dict)
