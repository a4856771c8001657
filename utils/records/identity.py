"""The identity of a record: all that decides its figures. Records with equal identities are the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from utils.api.providers import endpoint_url
from utils.constants import DENSE, PRECISIONS
from utils.loaders import VLLM

if TYPE_CHECKING:
    from utils.rerankers.spec import RerankerSpec
    from utils.schema import EncoderSpec, GeneratorSpec


FLOAT32, *_ = PRECISIONS


@dataclass(frozen=True)
class Identity:
    """What decides the figures of a run; with a subset's name, of one record.

    model: the name of the encoder or ensemble. source: where the data come from. encoders: one entry per encoder, as
    `encoders_identity` gives them. settings: those of the task, by name. training: how a model that was trained for
    the task was trained. beside: other models with a part in the figures, by what they do: judge_model, translator.
    """

    task: str
    dataset: str
    model: str
    source: Mapping[str, Any]
    encoders: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any]
    generator: Mapping[str, Any] | None = None
    reranker: Mapping[str, Any] | None = None
    training: Mapping[str, Any] | None = None
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, subset: str) -> dict[str, Any]:
        """Return the identity of one subset's records, as they have it under `run`."""
        return {
            "task": self.task,
            "dataset": self.dataset,
            "subset": subset,
            "model": self.model,
            "source": dict(self.source),
            "encoders": [dict(encoder) for encoder in self.encoders],
            **({"generator": dict(self.generator)} if self.generator else {}),
            **({"reranker": dict(self.reranker)} if self.reranker else {}),
            **({"training": dict(self.training)} if self.training else {}),
            **{name: dict(model) for name, model in self.beside.items()},
            **self.settings,
        }


def encoders_identity(specs: Sequence[EncoderSpec], weights: Sequence[float] | None) -> list[dict[str, Any]]:
    """Return what decides the vectors of each encoder, and its weight; None stands for weights that are tuned."""
    return [
        {
            "checkpoint": spec.name,
            "revision": spec.revision,
            "prompt": spec.prompt,
            **({"passage_prompt": spec.passage_prompt} if spec.passage_prompt is not None else {}),
            "max_length": spec.max_length,
            "dtype": spec.dtype,
            **({"pooling": spec.pooling} if spec.pooling else {}),
            **({"attention": spec.attention} if spec.attention else {}),
            **({"layer": spec.layer} if spec.layer is not None else {}),
            **({"dimensions": spec.dimensions} if spec.dimensions else {}),
            **({"embedding_precision": spec.embedding_precision} if spec.embedding_precision != FLOAT32 else {}),
            **({"backend": spec.backend} if spec.backend != "torch" else {}),
            **({"trust_remote_code": True} if spec.trust_remote_code else {}),
            **({"kind": spec.kind} if spec.kind != DENSE else {}),
            "weight": "tuned" if weights is None else weights[place],
            **api_identity(spec),
        }
        for place, spec in enumerate(specs)
    ]


def generator_identity(spec: GeneratorSpec) -> dict[str, Any]:
    """Return what decides the answers of a generator beside the prompts and the settings."""
    names = ("name", "revision", "kind", "dtype", "quantization")
    trusted = {"trust_remote_code": True} if spec.trust_remote_code else {}
    engine = {"backend": spec.loader} if spec.loader == VLLM else {}
    return {**{name: getattr(spec, name) for name in names}, **engine, **trusted, **api_identity(spec)}


def reranker_identity(spec: RerankerSpec) -> dict[str, Any]:
    """Return what decides the scores of a reranker."""
    model = spec.model
    more = {"max_length": spec.max_length, "prompt": spec.prompt, "instruction": spec.instruction}
    return {
        "name": spec.name,
        "kind": spec.kind,
        "revision": model.revision,
        "dtype": model.dtype,
        **{name: value for name, value in more.items() if value},
        **({"trust_remote_code": True} if model.trust_remote_code else {}),
        **({"provider": model.provider, "model": model.checkpoint} if model.provider else {}),
        **({"served_at": endpoint_url(model)} if model.provider else {}),
    }


def api_identity(spec: EncoderSpec | GeneratorSpec) -> dict[str, Any]:
    """Return what decides the responses of an API beside the usual settings."""
    if not spec.provider:
        return {}
    names = [name for name in ("input_type", "dimensions") if hasattr(spec, name)]
    of_encoder = {name: getattr(spec, name) for name in names}
    if passages := getattr(spec, "passage_input_type", ""):
        of_encoder["passage_input_type"] = passages
    return {"provider": spec.provider, "model": spec.checkpoint, "served_at": endpoint_url(spec), **of_encoder}
