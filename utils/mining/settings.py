"""The settings of a mining: what decides what it finds beside the collections and the encoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from utils.mining.cleaning import Cleaning
    from utils.mining.collections import Collection
    from utils.mining.text_store import TextStore

NO_MARGIN_K = 1  # neighbours of a margin that takes no mean


class Settings(Protocol):
    """What the settings of all modes have."""

    @property
    def store_dtype(self) -> str:
        """The type of the stored numbers."""

    @property
    def shard_size(self) -> int:
        """The number of texts of a shard."""


S = TypeVar("S", bound=Settings, covariant=True)


@dataclass(frozen=True)
class MiningJob(Generic[S]):
    """A mining: collections with their cleaning, known pairs if there are any, and where the output goes.

    task: what is mined, as the manifest names it.
    """

    task: str
    collections: tuple[Collection, ...]
    cleaning: tuple[Cleaning, ...]
    gold: Path | None
    output: Path
    format: str
    settings: S

    @property
    def manifest(self) -> Path:
        """The file beside the output that tells how it was made."""
        return self.output.with_name(f"{self.output.name}.manifest.json")

    @property
    def manifests(self) -> tuple[Path, Path]:
        """The manifest, and the name that it had in earlier versions, which outputs of several formats shared."""
        return self.manifest, self.output.with_name(f"{self.output.stem}.manifest.json")


@dataclass(frozen=True)
class Mined:
    """What a mining tells of itself in its manifest: the cleaned texts, the counts and the seconds of each step."""

    texts: tuple[TextStore, ...]
    counts: dict[str, Any]
    seconds: dict[str, float]

    def findings(self) -> dict[str, Any]:
        """Return what else the manifest tells."""
        return {}


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
class PairsSettings:
    """Which neighbours of a text are its positives and negatives, how many are kept, and how rows are stored.

    Ranks are the first and the last one, counted from 1. A percentile stands for `pos_min` or `neg_max`. pos: None in
    all of its rules means that the texts of the same group are the only positives.
    """

    pos_ranks: list[int] | None
    pos_min: float | None
    pos_max: float | None
    pos_percentile: float | None
    neg_ranks: list[int]
    neg_min: float | None
    neg_max: float | None
    neg_percentile: float | None
    relative_margin: float | None
    absolute_margin: float | None
    max_pos: int
    max_neg: int
    sampling: str
    with_scores: bool
    store_dtype: str
    shard_size: int
    seed: int

    @property
    def has_positive_rule(self) -> bool:
        """Whether neighbours can be positives."""
        rules = (self.pos_ranks, self.pos_min, self.pos_percentile)
        return any(rule is not None for rule in rules)

    @property
    def depth(self) -> int:
        """The number of ranks that the rules look at."""
        return max(self.neg_ranks[1], self.pos_ranks[1] if self.pos_ranks else 1)


@dataclass(frozen=True)
class WordsSettings(BitextSettings):
    """How pairs of words are scored and chosen: of how many words, and whether the texts are lists of them."""

    max_words: int
    is_list: bool


BitextJob = MiningJob[BitextSettings]
PairsJob = MiningJob[PairsSettings]
WordsJob = MiningJob[WordsSettings]
