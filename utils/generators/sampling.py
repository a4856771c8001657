"""Sampled tokens that depend on the seed and the prompt alone, whatever else is in the batch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from utils.answers import GenerationSettings

if TYPE_CHECKING:
    from torch import Tensor


def sampling_steps(settings: GenerationSettings, prompts: Sequence[Sequence[int]], device: Any) -> Any:
    """Return what changes the scores of the next tokens, so that the greatest of a row is its sample.

    They are the temperature, the limits of transformers, and a Gumbel variable for each token (Gumbel 1954; Maddison,
    Tarlow and Minka 2014, arXiv 1411.0030), which a generator for each prompt draws.
    """
    import torch
    import transformers

    steps = transformers.LogitsProcessorList()
    if settings.temperature != 1:
        steps.append(transformers.TemperatureLogitsWarper(settings.temperature))
    if settings.top_k:
        steps.append(transformers.TopKLogitsWarper(settings.top_k))
    if settings.top_p is not None and settings.top_p < 1:
        steps.append(transformers.TopPLogitsWarper(settings.top_p))
    draws = [torch.Generator(device).manual_seed(seed_of(settings.seed, prompt)) for prompt in prompts]

    def perturbed(_: Tensor, scores: Tensor) -> Tensor:
        noise = torch.empty_like(scores, dtype=torch.float32)
        for row, draw in zip(noise, draws, strict=True):
            row.exponential_(generator=draw)
        return scores.float() - noise.log_()

    steps.append(perturbed)
    return steps


def seed_of(seed: int, prompt: Sequence[int]) -> int:
    """Return a seed that depends on the prompt's tokens and the seed of the run."""
    return int.from_bytes(hashlib.sha256(f"{seed} {list(prompt)}".encode()).digest()[:7], "big")
