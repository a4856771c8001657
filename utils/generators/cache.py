"""The keys of generators' answers in the cache of responses, and answers read through it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from utils.answers import GenerationSettings
from utils.api.response_cache import ResponseCache
from utils.loaders import cache_name
from utils.progress import counted_off
from utils.schema import GeneratorSpec


def response_settings(spec: GeneratorSpec, how: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides an answer beside its prompt, the key of the cache; a local folder counts by its content."""
    return {
        "loader": cache_name(spec.loader),
        "checkpoint": "local" if spec.label and not spec.provider else spec.checkpoint,
        "revision": spec.revision,
        "kind": spec.kind,
        "dtype": spec.dtype,
        "quantization": spec.quantization,
        **({"trust_remote_code": True} if spec.trust_remote_code else {}),
        **({"provider": spec.provider, "base_url": spec.base_url} if spec.provider else {}),
        **how,
    }


def sampling_settings(settings: GenerationSettings) -> dict[str, Any]:
    """Return the settings that decide a generated text: the seed and the tokens' limits only where they are sampled."""
    if settings.temperature:
        return settings.identity()
    return {**dataclasses.replace(settings, top_p=None, top_k=None).identity(), "seed": None}


def cached_answers(
    cache: ResponseCache,
    prompts: Sequence[str],
    request: Callable[[list[str]], Iterable[tuple[int, Any]]],
    name: str,
    is_usable: Callable[[Any], bool] = lambda answer: True,
) -> tuple[list[Any], dict[str, int]]:
    """Return each prompt's answer, requesting those that the cache does not have, and the counts of hits and misses.

    name: of the generator, shown with a progress bar.
    """
    found = cache.get(prompts, lambda missing: counted_off(request(missing), len(missing), name, "prompts"), is_usable)
    counts = {"hits": cache.hits, "misses": cache.misses}
    if cache.replaced:
        counts["replaced"] = cache.replaced
        print(f"note: {name}: U+FFFD stands for halves of surrogate pairs in {cache.replaced} answers", file=sys.stderr)
    return [found[prompt] for prompt in prompts], counts


class AnswerCounts:
    """Counts of a generator's answers since the last mark."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {"hits": 0, "misses": 0}

    def mark(self) -> None:
        """Start the counts anew, at the beginning of a subset."""
        self.counts = {"hits": 0, "misses": 0}

    def count(self, found: Mapping[str, int]) -> None:
        """Add the counts of a call."""
        self.counts = {name: self.counts.get(name, 0) + found.get(name, 0) for name in {**self.counts, **found}}
