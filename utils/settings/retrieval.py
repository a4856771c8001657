"""The settings of the tasks that find or compare texts without labels: bitext, judged passages, sentence pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from utils.constants import DIRECTIONS, MARGINS, POOLS, SIMILARITIES
from utils.settings.base import Settings, folder_part, setting


@dataclass(frozen=True, kw_only=True)
class BitextSettings(Settings):
    """Settings of bitext retrieval."""

    similarity: str = setting("cosine", choices=SIMILARITIES)
    margin: str = setting("none", choices=MARGINS)
    margin_k: int | None = setting(None, "whole", late=True)
    direction: str = setting("forward", choices=DIRECTIONS)
    rerank: str | None = setting(None, optional=True)
    rerank_depth: int | None = setting(None, "whole", optional=True)

    def figure_of(self, metric: str) -> str:
        """Return the metric's name; of both directions that of their mean."""
        return f"{metric}_mean" if self.direction == "both" else metric

    def departures(self, **of_models: str) -> Iterator[str]:
        """Yield the similarity, the margin and the direction where they are not plain, then the reranker."""
        yield from map(self.unusual, ("similarity", "margin", "direction"))
        yield _place_of_reranker(self.rerank, self.rerank_depth)


@dataclass(frozen=True, kw_only=True)
class RetrievalSettings(Settings):
    """Settings of retrieval with judgements.

    pool: `usual` also where the usual pool of the data set was asked for by its name. pool_langs: the languages of a
    pool of several, where they are not all. imported: the beginning of the hash of a run file that is scored.
    """

    similarity: str = setting("cosine", choices=SIMILARITIES)
    margin: str = setting("none", choices=MARGINS)
    margin_k: int | None = setting(None, "whole", late=True)
    pool: str = setting("usual", choices=POOLS)
    pool_langs: str | None = setting(None)
    imported: str | None = setting(None)
    rerank: str | None = setting(None, optional=True)
    rerank_depth: int | None = setting(None, "whole", optional=True)

    def departures(self, **of_models: str) -> Iterator[str]:
        """Yield similarity, margin, pool and its languages where they are not plain, then run file and reranker."""
        yield from map(self.unusual, ("similarity", "margin", "pool"))
        yield "-".join((self.pool_langs or "").split())[:80]
        yield f"imported_{self.imported}" if self.imported else ""
        yield _place_of_reranker(self.rerank, self.rerank_depth)


@dataclass(frozen=True, kw_only=True)
class StsSettings(Settings):
    """Settings of semantic textual similarity."""

    similarity: str = setting("cosine", choices=SIMILARITIES)


def _place_of_reranker(name: str | None, depth: int | None) -> str:
    """Return the part of a run's folder that names its reranker; empty without one."""
    return f"rerank_{folder_part(name)}_top{depth}" if name else ""
