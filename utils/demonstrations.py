"""The choice of demonstrations: `from utils.demonstrations import by_bm25, words`, for notebooks."""

from __future__ import annotations

from utils.generators.demonstrations import at_random, balanced, by_bm25, diverse, nearest, rank_band
from utils.words import words

__all__ = ["at_random", "balanced", "by_bm25", "diverse", "nearest", "rank_band", "words"]
