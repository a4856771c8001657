"""The settings that decide the coordinates of a picture."""

from __future__ import annotations

from dataclasses import dataclass

from utils.constants import MAX_POINTS
from utils.settings.base import Settings


@dataclass(frozen=True, kw_only=True)
class PictureSettings(Settings):
    """Settings that decide the coordinates of a picture."""

    langs: list[str] | None = None
    src_lang: str | None = None
    split: str = "test"
    max_points: int = MAX_POINTS
    method: str = "tsne"
    perplexity: float | None = None
    n_neighbors: int | None = None
