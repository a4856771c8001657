"""Opening a reranker, and local rerankers behind the cache of responses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from utils.api.limits import ApiOptions
from utils.api.response_cache import ResponseCache
from utils.loaders import CROSS_ENCODER_RERANKER, LLM_RERANKER, load_model
from utils.protocols import Reranker
from utils.rerankers.flags import reranker_errors
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
        cache = ResponseCache(self.cache_dir, score_settings(self.spec))
        items = cache_items(pairs)
        found = cache.get(items, self._request, is_score)
        self.counts = {"hits": cache.hits, "misses": cache.misses}
        return [float(found[item]) for item in items]

    def quote(self, n_queries: int, n_pairs: int) -> str:
        """Return nothing: a local reranker has no costs."""
        return ""

    def _request(self, missing: list[str]) -> Iterator[tuple[int, Any]]:
        from tqdm import tqdm

        with reranker_errors():
            if self._scorer is None:
                loader = LLM_RERANKER if self.spec.kind == LLM else CROSS_ENCODER_RERANKER
                scorer: PairScorer = load_model(loader, self.spec, self.device, self.cache_dir)
                self._scorer = scorer
            scores = self._scorer.score([pair_of(item) for item in missing])
            yield from tqdm(scores, total=len(missing), desc=self.spec.name, unit=" pairs", leave=False, disable=None)
