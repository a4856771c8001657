"""Opening a reranker, and local rerankers behind the cache of responses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from utils.api.limits import ApiOptions
from utils.api.response_cache import ResponseCache
from utils.loaders import CROSS_ENCODER_RERANKER, LLM_RERANKER, load_model
from utils.progress import counted_off
from utils.protocols import Reranker
from utils.rerankers.flags import reranker_errors
from utils.rerankers.llm import log_odds_of_share
from utils.rerankers.spec import LLM, Pair, RerankerSpec, cache_items, is_score, pair_of, score_settings

if TYPE_CHECKING:
    from utils.api.limiter import Budget


class PairScorer(Protocol):
    """A loaded model, as a loader returns it: pairs in, scores out."""

    def score(self, pairs: Sequence[Pair]) -> Iterable[tuple[int, float]]:
        """Yield the index and the score of each pair, the longest pairs first."""
        ...


def open_reranker(
    spec: RerankerSpec, device: str, cache_dir: Path, api: tuple[ApiOptions, Budget] | None = None
) -> Reranker:
    """Return a reranker; nothing is loaded, and no server contacted, before a score is missing in the cache."""
    if spec.model.provider:
        from utils.api.client import ApiClient
        from utils.api.limiter import Budget
        from utils.rerankers.api import ApiReranker

        options, budget = api or (ApiOptions(), Budget(None))
        return ApiReranker(spec, ApiClient(spec.model, options, budget), cache_dir)
    return CachedReranker(spec, device, cache_dir)


class CachedReranker:
    """A local reranker; the model is loaded when the score of a pair is not in the cache."""

    client = None

    def __init__(self, spec: RerankerSpec, device: str, cache_dir: Path) -> None:
        self.spec, self.device, self.cache_dir = spec, device, cache_dir
        self.counts = {"hits": 0, "misses": 0}
        self._scorer: PairScorer | None = None

    def score(self, pairs: Sequence[Pair]) -> list[float]:
        """Return the score of each pair; each distinct pair is scored once."""
        items, settings = cache_items(pairs), score_settings(self.spec)
        known: dict[str, float] = {}
        if self.spec.kind == LLM:
            known = self._of_earlier_versions(items, settings)
            settings = {**settings, "score": "log-odds"}
        cache = ResponseCache(self.cache_dir, settings)
        found = cache.get([item for item in items if item not in known], self._request, is_score)
        self.counts = {"hits": cache.hits + len(known), "misses": cache.misses}
        found.update(known)
        return [float(found[item]) for item in items]

    def _of_earlier_versions(self, items: Sequence[str], settings: Mapping[str, Any]) -> dict[str, float]:
        """Return the scores of language models that are kept as shares of yes, by item, as log-odds."""
        shares = ResponseCache(self.cache_dir, settings).read(items, is_score)
        scores = {item: log_odds_of_share(share) for item, share in shares.items()}
        return {item: score for item, score in scores.items() if score is not None}

    def quote(self, n_queries: int, n_pairs: int) -> str:
        """Return nothing: a local reranker has no costs."""
        return ""

    def _request(self, missing: list[str]) -> Iterator[tuple[int, Any]]:
        with reranker_errors():
            if self._scorer is None:
                loader = LLM_RERANKER if self.spec.kind == LLM else CROSS_ENCODER_RERANKER
                scorer: PairScorer = load_model(loader, self.spec, self.device, self.cache_dir)
                self._scorer = scorer
            scores = self._scorer.score([pair_of(item) for item in missing])
            yield from counted_off(scores, len(missing), self.spec.name, "pairs")
