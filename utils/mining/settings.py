"""The settings of a mining of bitext: what decides its pairs beside the collections and the encoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from utils.mining.cleaning import Cleaning
    from utils.mining.collections import Collection

NO_MARGIN_K = 1  # neighbours of a margin that takes no mean


@dataclass(frozen=True)
class BitextSettings:
    """How pairs are scored and chosen, and how rows are stored."""

    margin: str
    margin_k: int
    direction: str
    one_to_one: bool
    threshold: float | None
    top: int | None
    store_dtype: str
    shard_size: int
    seed: int


@dataclass(frozen=True)
class BitextJob:
    """A mining: the collections with their cleaning, known pairs if there are any, and where the pairs go."""

    source: Collection
    target: Collection
    cleaning: tuple[Cleaning, Cleaning]
    gold: Path | None
    output: Path
    format: str
    settings: BitextSettings

    @property
    def manifest(self) -> Path:
        """The file beside the output that tells how it was made."""
        return beside(self.output, "manifest.json")


def beside(output: Path, ending: str) -> Path:
    """Return the path of a file beside an output: its name without its ending, and another ending."""
    return output.with_name(f"{output.stem}.{ending}")
