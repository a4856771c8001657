"""What decides the scores of a reranker, and how pairs stand in the cache of responses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from utils.schema import EncoderSpec, GeneratorSpec

Pair = tuple[str, str]  # a query and a candidate
CROSS_ENCODER, LLM, API = "cross-encoder", "llm", "api"


@dataclass(frozen=True)
class RerankerSpec:
    """What decides the scores of a reranker: its kind, its model, and how pairs are put into it.

    kind: CROSS_ENCODER (a model of sentence-transformers' CrossEncoder), LLM (a causal language model that is asked
        for yes or no) or API (an endpoint for reranking).
    prompt: of a language model, the name of its form (utils/rerankers/llm.py); instruction: the task that it states.
    max_length: tokens of a pair or of a prompt; None for the model's own limit.
    """

    kind: str
    model: EncoderSpec | GeneratorSpec
    prompt: str = ""
    instruction: str = ""
    max_length: int | None = None

    @property
    def name(self) -> str:
        """The name for folders and tables: the label where there is one, else the checkpoint."""
        return self.model.name


def score_settings(spec: RerankerSpec) -> dict[str, Any]:
    """Return what decides a score beside its pair, the key of the cache; a local folder counts by its content."""
    model = spec.model
    is_local_folder = model.label and not model.provider
    return {
        "rerank": spec.kind,
        "checkpoint": "local" if is_local_folder else model.checkpoint,
        "revision": model.revision,
        "dtype": model.dtype,
        "quantization": getattr(model, "quantization", ""),
        "max_length": spec.max_length,
        "prompt": spec.prompt,
        "instruction": spec.instruction,
        **({"trust_remote_code": True} if model.trust_remote_code else {}),
        **({"provider": model.provider, "base_url": model.base_url} if model.provider else {}),
    }


def cache_items(pairs: Sequence[Pair]) -> list[str]:
    """Return each pair as the cache has it."""
    return [json.dumps(pair, ensure_ascii=False) for pair in pairs]


def pair_of(item: str) -> Pair:
    """Return the pair of an item of the cache."""
    query, candidate = json.loads(item)
    return query, candidate


def is_score(response: Any) -> bool:
    """Return whether a response of the cache is a finite score."""
    return isinstance(response, int | float) and not isinstance(response, bool) and abs(response) < float("inf")
