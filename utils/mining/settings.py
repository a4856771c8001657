"""The settings of a mining of bitext: what decides its pairs beside the collections and the encoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from utils.constants import DEFAULT_MARGIN_K
from utils.errors import UserError

if TYPE_CHECKING:
    from utils.mining.cleaning import Cleaning
    from utils.mining.collections import Collection

NO_MARGIN_K = 1  # neighbours of the absolute margin, which takes no mean


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


def chosen_neighbours(margin: str, margin_k: int | None) -> int:
    """Return the neighbours in the mean of a margin. Raises UserError where the margin has none."""
    if margin not in DEFAULT_MARGIN_K:
        if margin_k is not None:
            raise UserError(
                f"--margin_k {margin_k} with --margin {margin}",
                f"it belongs to --margin {', '.join(DEFAULT_MARGIN_K)}",
            )
        return NO_MARGIN_K
    return margin_k or DEFAULT_MARGIN_K[margin]
