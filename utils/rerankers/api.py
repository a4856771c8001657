"""Rerankers of an API: the documents of a query packed into requests, scores checked, and kept one by one."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from utils.api.claims import Claims, shared_steps
from utils.api.client import ApiClient
from utils.api.concurrency import run_concurrently
from utils.api.embedding_requests import BLANK, Job
from utils.api.errors import GARBLED, REFUSED, ApiError, as_user_error
from utils.api.provider import Reply
from utils.api.providers import open_client
from utils.api.response_cache import ResponseCache
from utils.api.texts import without_halves
from utils.api.token_counts import estimate, upper_bound
from utils.errors import counted
from utils.progress import progress
from utils.rerankers.spec import Pair, RerankerSpec, cache_items, is_score, pair_of, score_settings

if TYPE_CHECKING:
    from utils.schema import EncoderSpec

MAX_CUTS = 12  # times that a document is shortened until the server takes it


@dataclass(frozen=True)
class PairJob:
    """One request: a query, and some of its documents with the places of their pairs."""

    query: str
    documents: Job

    def halves(self) -> list[PairJob]:
        """Return two requests with half of the documents each."""
        return [PairJob(self.query, half) for half in self.documents.halves()]


class ApiReranker:
    """A reranker of an API behind the cache of responses; the SDK's client is opened when a score is missing.

    A pair that the provider will never score has NaN and counts as failed.
    """

    def __init__(self, spec: RerankerSpec, client: ApiClient, cache_dir: Path) -> None:
        self.spec, self.client, self.cache_dir = spec, client, cache_dir
        self.model = cast("EncoderSpec", spec.model)
        self.counts = {"hits": 0, "misses": 0, "failed": 0, "cut": 0}
        self._sdk: Any = None

    def score(self, pairs: Sequence[Pair]) -> list[float]:
        """Return the score of each pair; each distinct pair is requested once."""
        cache, items = ResponseCache(self.cache_dir, score_settings(self.spec)), cache_items(pairs)
        missing = len(set(items)) - len(cache.read(items, self._is_usable))
        with progress(missing, self.spec.name) as advance:

            def request(left: list[str]) -> Iterator[tuple[int, Any]]:
                for found in self._request(left, cache):
                    advance(1)
                    yield found

            found = cache.get(items, request, self._is_usable)
        marks = [response for response in found.values() if isinstance(response, dict)]
        failed = [str(response["failed"]) for response in marks if "failed" in response]
        self.counts = {"hits": cache.hits, "misses": cache.misses, "failed": len(failed)}
        self.counts["cut"] = len(marks) - len(failed)
        if failed:
            what = "keep their place behind those with one; the first reason is"
            print(f"warning: {counted(len(failed), 'pair')} without a score {what} {failed[0]}", file=sys.stderr)
        return [_score_of(found[item]) for item in items]

    def quote(self, n_queries: int, n_pairs: int) -> str:
        """Return a line with the requests, searches and costs of so many pairs, as many for each query."""
        each = math.ceil(n_pairs / max(1, n_queries))
        n_requests = n_queries * math.ceil(each / self._request_items)
        return self.client.quote_searches(n_requests, n_queries * math.ceil(each / self.client.provider.search_items))

    @property
    def _request_items(self) -> int:
        return self.client.provider.search_items

    def _is_usable(self, response: Any) -> bool:
        if isinstance(response, dict):
            has_failed = isinstance(response.get("failed"), str)
            return (has_failed and not self.client.options.strict) or is_score(response.get("score"))
        return is_score(response)

    def _request(self, items: list[str], cache: ResponseCache) -> Iterator[tuple[int, Any]]:
        """Yield (index, response) for the pairs, as the responses arrive."""
        options = self.client.options
        if self._sdk is None:
            self._sdk = open_client(self.model.provider, self.model.base_url, options.timeout)
        pairs = [pair_of(item) for item in items]

        def build(places: list[int]) -> PairJob:
            documents = tuple(_sent(pairs[place][1]) for place in places)
            return PairJob(_sent(pairs[places[0]][0]), Job(tuple(places), documents))

        try:
            with Claims(cache, self._is_usable) as claims:
                steps = shared_steps(claims, items, self._groups(pairs), build, lambda prompts: None)
                yield from run_concurrently(steps, self._work, options.concurrency, self.client.stop)
        except ApiError as error:
            raise as_user_error(error) from error

    def _groups(self, pairs: Sequence[Pair]) -> Iterator[list[int]]:
        """Yield the places of the pairs of each request: those of one query, within the provider's limits."""
        by_query: dict[str, list[int]] = {}
        for place, (query, _) in enumerate(pairs):
            by_query.setdefault(query, []).append(place)
        most = self.client.provider.max_request_tokens
        for query, places in by_query.items():
            group, total = list[int](), upper_bound(query)
            for place in places:
                size = upper_bound(pairs[place][1])
                if group and (len(group) == self._request_items or total + size > most):
                    yield group
                    group, total = [], upper_bound(query)
                group.append(place)
                total += size
            yield group

    def _work(self, job: PairJob) -> tuple[list[tuple[int, Any]], list[PairJob]]:
        """Return the scores of one request, or the smaller requests that replace it."""
        request, documents = self.client.provider.rerank, job.documents
        if request is None:
            raise ApiError(REFUSED, f"{self.client.provider.title} has no reranking")
        n_tokens = sum(estimate(job.query + text, self.model.provider) for text in documents.texts)
        n_searches = math.ceil(len(documents.texts) / self.client.provider.search_items)
        try:
            scores = self.client.send(
                lambda: _checked(request(self._sdk, self.model, job.query, documents.texts), len(documents.texts)),
                n_tokens,
                searches=n_searches,
            )
        except ApiError as error:
            return self._after_error(error, job)
        if documents.n_cuts:
            return [(documents.places[0], {"score": scores[0], "cut": len(documents.texts[0])})], []
        return list(zip(documents.places, scores, strict=True)), []

    def _after_error(self, error: ApiError, job: PairJob) -> tuple[list[tuple[int, Any]], list[PairJob]]:
        """Halve a request that the server does not take; shorten its only document, or record it as failed."""
        if error.kind not in (REFUSED, GARBLED):
            raise error
        documents = job.documents
        if len(documents.places) > 1:
            return [], job.halves()
        if error.too_long and documents.n_cuts < MAX_CUTS and len(documents.texts[0]) > 1:
            return [], [PairJob(job.query, documents.shortened(error.provider_message))]
        if not self.client.is_of_item(error):
            raise error
        return [(documents.places[0], {"failed": error.message})], []


def _checked(reply: Reply[list[Any]], n_documents: int) -> Reply[list[float]]:
    """Return the reply with the scores in the order of the documents; ApiError where they are not one each."""
    rows = dict(reply.content)
    if len(reply.content) != n_documents or any(index not in rows for index in range(n_documents)):
        raise ApiError(GARBLED, f"{len(reply.content)} scores for {n_documents} documents, or not one for each")
    if not all(is_score(score) for score in rows.values()):
        raise ApiError(GARBLED, "a score that is no number")
    scores = [float(rows[index]) for index in range(n_documents)]
    return Reply(scores, reply.tokens_in, reply.tokens_out, reply.model, reply.searches)


def _score_of(response: Any) -> float:
    if not isinstance(response, dict):
        return float(response)
    return float(response["score"]) if "score" in response else math.nan


def _sent(text: str) -> str:
    """Return a text as it is sent: half of a surrogate pair cannot be, nor can nothing."""
    return without_halves(text) or BLANK
