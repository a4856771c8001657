"""Steps between a model's scores of the next token and the token that is taken: they are checked, and sampled.

A sample depends on the seed and the prompt alone, whatever else is in the batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from utils.answers import GenerationSettings
from utils.errors import UserError
from utils.numerics import nan_hint
from utils.schema import GeneratorSpec

if TYPE_CHECKING:
    from torch import Tensor


class Step(Protocol):
    """A step of transformers that takes and returns the scores of the next tokens (B, V)."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return the scores with which the next step goes on."""
        ...

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows of the batch alone."""
        ...


class Checked:
    """A step that changes no score; UserError where the greatest of a row, which is taken, is no number."""

    def __init__(self, spec: GeneratorSpec) -> None:
        self.spec = spec

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return the scores as they are."""
        if not scores.amax(dim=1).isfinite().all():
            raise no_number(self.spec, "the next token")
        return scores

    def keep(self, rows: Sequence[int]) -> None:
        """Nothing is known of single rows."""


def no_number(spec: GeneratorSpec, of_what: str) -> UserError:
    """Return the error of a model whose scores are NaN or infinite."""
    what = f"{spec.name} in {spec.dtype} gives {of_what} a probability that is no number"
    return UserError(what, nan_hint(spec.dtype, "--gen_dtype"))


class Sampling:
    """A step of transformers that changes the scores of the next tokens, so that the greatest of a row is its sample.

    It applies the temperature, the limits of transformers, and a Gumbel variable for each token (Gumbel 1954; Maddison,
    Tarlow and Minka 2014, arXiv 1411.0030), which a generator for each prompt draws.
    """

    def __init__(self, settings: GenerationSettings, prompts: Sequence[Sequence[int]], device: Any) -> None:
        import torch

        self.limits = _limits(settings)
        self.draws = [torch.Generator(device).manual_seed(seed_of(settings.seed, prompt)) for prompt in prompts]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return the changed scores (B, V), as float32."""
        import torch

        scores = self.limits(input_ids, scores)
        noise = torch.empty_like(scores, dtype=torch.float32)
        for row, draw in zip(noise, self.draws, strict=True):
            row.exponential_(generator=draw)
        return scores.float() - noise.log_()

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows of the batch alone."""
        self.draws = [self.draws[row] for row in rows]


def _limits(settings: GenerationSettings) -> Any:
    import transformers

    limits = transformers.LogitsProcessorList()
    if settings.temperature != 1:
        limits.append(transformers.TemperatureLogitsWarper(settings.temperature))
    if settings.top_k:
        limits.append(transformers.TopKLogitsWarper(settings.top_k))
    if settings.top_p is not None and settings.top_p < 1:
        limits.append(transformers.TopPLogitsWarper(settings.top_p))
    return limits


def seed_of(seed: int, prompt: Sequence[int]) -> int:
    """Return a seed that depends on the prompt's tokens and the seed of the run."""
    return int.from_bytes(hashlib.sha256(f"{seed} {list(prompt)}".encode()).digest()[:7], "big")
