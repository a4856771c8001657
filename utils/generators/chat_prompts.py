"""How an instruction is shown to a model that answers it freely; pure."""

from __future__ import annotations

from collections.abc import Sequence

from utils.schema import GeneratorSpec

GUANACO = "### Human: {text}\n### Assistant:"  # Dettmers et al. 2023, arXiv 2305.14314
GUANACO_STOPS = ("### Human:", "### Assistant:")
PLAIN_STOPS = ("\n\n\n",)


def template_of(spec: GeneratorSpec, asked: str | None) -> str:
    """Return the template of a model: the one asked for, else its own, which base models lack: `guanaco`."""
    return asked or ("guanaco" if spec.kind == "base" else "model")


def prompts_for(spec: GeneratorSpec, texts: Sequence[str], template: str | None = None) -> list[str]:
    """Return the prompts that show texts to a model; those of its own template get it when they are tokenised."""
    return [GUANACO.format(text=text) if template_of(spec, template) == "guanaco" else text for text in texts]


def stops_of(spec: GeneratorSpec, template: str | None = None) -> tuple[str, ...] | None:
    """Return the texts before which an answer ends; None for a model that ends it by itself."""
    if spec.kind != "base":
        return None
    return GUANACO_STOPS if template_of(spec, template) == "guanaco" else PLAIN_STOPS
