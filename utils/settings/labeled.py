"""The settings of the tasks on labelled texts, and those of classification."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from utils.constants import SIMILARITIES, SPLITS, VOTES
from utils.settings.base import Settings, setting


@dataclass(frozen=True, kw_only=True)
class LabeledSettings(Settings):
    """Settings of the tasks on labelled texts."""

    similarity: str = setting("cosine", choices=SIMILARITIES)
    cross: bool = setting(False, "flag")
    src_lang: str | None = setting(None)
    split: str = setting("test", choices=SPLITS)
    legacy: bool = setting(False, "flag", implies={"similarity": "euclidean"})

    @property
    def unusual_similarity(self) -> str:
        """The similarity where it is neither plain nor implied by --legacy."""
        return "" if self.legacy else self.unusual("similarity")


@dataclass(frozen=True, kw_only=True)
class ClassificationSettings(LabeledSettings):
    """Settings of retrieval-based classification."""

    vote: str = setting("majority", choices=VOTES)

    def departures(self, **of_models: str) -> Iterator[str]:
        """Yield the training language of a cross-lingual run, then what is not plain."""
        yield f"cross_{self.src_lang}" if self.cross else ""
        yield self.unusual_similarity
        yield self.unusual("vote")
        yield self.unusual("split")
        yield "legacy" if self.legacy else ""
