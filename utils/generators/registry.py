"""The known generators, one row each."""

from __future__ import annotations

from utils.constants import DEFAULT_GENERATOR
from utils.loaders import API_GENERATOR, BUNDLED_GENERATOR, TRANSFORMERS
from utils.schema import GeneratorSpec


def _causal(checkpoint: str, kind: str, licence: str) -> GeneratorSpec:
    return GeneratorSpec(
        checkpoint, TRANSFORMERS, kind, decode="score" if kind == "base" else "generate", licence=licence
    )


def _seq2seq(checkpoint: str) -> GeneratorSpec:
    return GeneratorSpec(checkpoint, TRANSFORMERS, "seq2seq", licence="Apache-2.0")


def _chat_api(checkpoint: str, provider: str) -> GeneratorSpec:
    return GeneratorSpec(checkpoint, API_GENERATOR, "chat", dtype="", licence="API", provider=provider)


GENERATORS: dict[str, GeneratorSpec] = {
    spec.checkpoint: spec
    for spec in (
        GeneratorSpec(DEFAULT_GENERATOR, BUNDLED_GENERATOR, "base", decode="score", licence="Gemma terms"),
        _causal("bigscience/bloomz-560m", "base", "BigScience RAIL 1.0"),
        _causal("bigscience/bloomz-1b7", "base", "BigScience RAIL 1.0"),
        _causal("bigscience/bloomz-3b", "base", "BigScience RAIL 1.0"),
        _seq2seq("bigscience/mt0-xl"),
        _causal("facebook/xglm-564M", "base", "MIT"),
        _causal("facebook/xglm-2.9B", "base", "MIT"),
        _causal("CohereForAI/aya-23-8B", "base", "CC-BY-NC-4.0"),
        _seq2seq("CohereForAI/aya-101"),
        _causal("google/gemma-1.1-7b-it", "chat", "Gemma terms"),
        _causal("google/gemma-2-9b-it", "chat", "Gemma terms"),
        _causal("mistralai/Mistral-7B-Instruct-v0.3", "chat", "Apache-2.0"),
        _causal("meta-llama/Meta-Llama-3-8B-Instruct", "chat", "Llama 3 licence"),
        _causal("meta-llama/Meta-Llama-3.1-8B-Instruct", "chat", "Llama 3.1 licence"),
        _chat_api("gpt-3.5-turbo-0125", "openai"),
        _chat_api("gpt-4o-2024-05-13", "openai"),
        _chat_api("gpt-4o", "openai"),
        _chat_api("gpt-4o-mini", "openai"),
        _chat_api("command-r", "cohere"),
        _chat_api("command-r-08-2024", "cohere"),
    )
}
