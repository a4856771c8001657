"""The settings of what is measured at each layer of a model: of the measures, and of the logit lens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from utils.constants import SIMILARITIES
from utils.settings.base import Settings, folder_part, setting
from utils.settings.icl import IclSettings


@dataclass(frozen=True, kw_only=True)
class LayersSettings(Settings):
    """Settings of a measure of layers: which layers, `all` or their numbers, and which poolings, None for the usual."""

    measure: str = setting("bitext")
    layers: str = setting("all")
    poolings: str | None = setting(None, optional=True)
    similarity: str = setting("cosine", choices=SIMILARITIES)
    tsne: bool | None = setting(None, "flag", optional=True)

    def departures(self, **of_models: str) -> Iterator[str]:
        """Yield the measure, the layers and the poolings where they are chosen, then the similarity and t-SNE."""
        yield self.measure
        yield _chosen_layers(self.layers)
        yield "-".join((self.poolings or "").split())
        yield self.unusual("similarity")
        yield "tsne" if self.tsne else ""


@dataclass(frozen=True, kw_only=True)
class LensSettings(IclSettings):
    """Settings of the logit lens: those of its prompts, which layers, and the digits of the hash of a tuned lens."""

    layers: str = setting("all")
    tuned_lens: str | None = setting(None, optional=True)

    def departures(self, **of_models: str) -> Iterator[str]:
        """Yield what is not plain in the prompts, then the layers and the tuned lens."""
        yield from super().departures(**of_models)
        yield _chosen_layers(self.layers)
        yield f"tuned_{self.tuned_lens}" if self.tuned_lens else ""


def _chosen_layers(layers: str) -> str:
    """Return the part of a run's folder that names its layers; empty for all of them."""
    return f"layers_{folder_part(layers.replace(' ', '-'))}" if layers != "all" else ""
